"""Measures how relay's cost grows with load, size, recipients, smarthosts and backlog; see README.md."""

import argparse
import datetime
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from side_by_side import growth, report, systems  # noqa: E402

WORK = systems.ROOT / "build/bench/growth"


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench growth", description=__doc__)
    parser.add_argument("curves", nargs="*", metavar="curve",
                        choices=[[], *(c.name for c in growth.CURVES)],
                        help="all, or of: " + ", ".join(c.name for c in growth.CURVES))
    parser.add_argument("--quick", action="store_true", help="fewer and smaller points")
    parser.add_argument("--results", type=pathlib.Path,
                        default=systems.ROOT / "bench/results", help="where to write")
    return parser.parse_args()


def say(curve, point, figures):
    shown = "  ".join(f"{f} {report.number(figures[f])}" for f in curve.figures)
    print(f"{curve.name:12} {point:>9,}  {shown}", flush=True)


def main():
    options = arguments()
    reason = systems.Postfix.why_not()  # smtp-source and smtp-sink are its
    if reason:
        sys.exit(f"the load comes from Postfix's smtp-source: {reason}")
    results = {"began": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
               "machine": report.machine(), "versions": systems.versions(), "curves": []}
    for curve in growth.CURVES:
        if options.curves and curve.name not in options.curves:
            continue
        results["curves"].append({
            "name": curve.name, "title": curve.title, "grows": curve.grows,
            "drawn": curve.figures,
            "points": growth.run(curve, WORK, options.quick, say)})
        report.write_growth(results, options.results)
    shutil.rmtree(WORK, ignore_errors=True)
    print(f"written to {options.results}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
