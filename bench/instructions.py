"""How many machine instructions one message costs in the protocol code, counted by callgrind.

A count is the same on a busy machine, so a regression shows whatever else runs. The last figure
that was found good stands in instructions.txt beside this file; --accept writes a new one.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build/release/bin/fixed_conversation"
RECORD = pathlib.Path(__file__).with_name("instructions.txt")
FEW, MANY = 100, 600
TOLERANCE = 0.03


def count(messages):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", PROGRAM,
             str(messages)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"valgrind failed: {done.stderr.strip()}")
        return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def main():
    parser = argparse.ArgumentParser(prog="./dev bench instructions", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="take this figure as the new record")
    accept = parser.parse_args().accept
    each = round((count(MANY) - count(FEW)) / (MANY - FEW))
    before = int(RECORD.read_text()) if RECORD.exists() else None
    print(f"{each} instructions for a message of 4 KiB in and out"
          + (f", recorded are {before} ({each / before - 1:+.1%})" if before else ""))
    if accept:
        RECORD.write_text(f"{each}\n")
    elif before and each > before * (1 + TOLERANCE):
        print(f"more than {TOLERANCE:.0%} over the record: find out why, or --accept it",
              file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
