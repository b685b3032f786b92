"""relay and other mail servers under the same load, on this machine, one after the other."""

import pathlib
import sys

# The private servers of the system tests serve here too.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "system"))
