"""Runs relay and other mail servers side by side; see README.md beside this file."""

import argparse
import datetime
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from side_by_side import report, systems  # noqa: E402
from side_by_side.rows import ROWS, fewer_for, loads_of  # noqa: E402

WORK = systems.ROOT / "build/bench/run"


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help="names of rows, or their beginnings (all)")
    parser.add_argument("--list", action="store_true", help="show the rows and end")
    parser.add_argument("--quick", action="store_true", help="small loads, one run")
    parser.add_argument("--runs", type=int, help="how often each row is run (3)")
    parser.add_argument("--systems", default=",".join(systems.ALL),
                        help="which to compare (%(default)s)")
    parser.add_argument("--messages", type=int, help="another number of messages")
    parser.add_argument("--results", type=pathlib.Path,
                        default=systems.ROOT / "bench/results", help="where to write")
    return parser.parse_args()


def usable(names):
    found = []
    for name in names:
        reason = systems.ALL[name].why_not()
        if reason:
            print(f"without {name}: {reason}", file=sys.stderr)
        else:
            found.append(name)
    return found


def measure_once(row, system, load):
    folder = WORK / system
    if system == "limit":
        return row.limit(folder, **load)
    return row.measure(systems.ALL[system], folder, **load)


def run_row(row, names, runs, load):
    """All systems in turn, several times over: what disturbs one run disturbs its neighbours."""
    contenders = [n for n in names if n == "relay" or n in row.peers]
    if row.limit:
        contenders.append("limit")
    figures = {name: [] for name in contenders}
    for _ in range(runs):
        for name in contenders:
            try:
                result = measure_once(row, name, fewer_for(name, load))
            except Exception as problem:  # a peer that fails costs its figure, not the run
                print(f"{row.name}: {name} failed: {problem}", file=sys.stderr)
                continue
            figures[name].append(result)
            shown = "  ".join(f"{f} {report.number(v)}" for f, v in result.items())
            print(f"{row.name:12} {name:10} {shown}", flush=True)
    return {name: report.summary(done) for name, done in figures.items() if done}


def main():
    options = arguments()
    rows = [r for r in ROWS if not options.rows or any(map(r.name.startswith, options.rows))]
    if options.list or not rows:
        print("\n".join(f"{row.name:12} {row.title}" for row in ROWS))
        return 0 if options.list else 2
    runs = options.runs or (1 if options.quick else 3)
    names = usable(options.systems.split(","))
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    results = {"began": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
               "machine": report.machine(), "versions": systems.versions(), "runs": runs,
               "rows": []}
    for row in rows:
        load = loads_of(row, options.quick)
        if options.messages and "messages" in load:
            load["messages"] = options.messages
        results["rows"].append({"name": row.name, "title": row.title, "load": load,
                                "limit": row.limit_title if row.limit else None,
                                "systems": run_row(row, names, runs, load)})
        results["load_average_at_end"] = os.getloadavg()[0]
        report.write(results, {r.name: r.key for r in ROWS}, options.results)
    shutil.rmtree(WORK, ignore_errors=True)
    print(f"written to {options.results}", file=sys.stderr)
    failed = [r["name"] for r in results["rows"] if "relay" in names and "relay" not in r["systems"]]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
