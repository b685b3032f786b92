"""relay with /proc mounted as systemd mounts it for the unit."""

import os
import re
import subprocess

from .relay import BINARY, ROOT, Relay

UNIT = ROOT / "packaging/systemd/relay.service"


def options(unit):
    """systemd.exec(5): what ProtectProc= and ProcSubset= of a unit are to mount(8)."""
    said = dict(re.findall(r"^(ProtectProc|ProcSubset)=(\S+)$", unit, re.MULTILINE))
    hidden = {"noaccess": 1, "invisible": 2, "ptraceable": 4}.get(said.get("ProtectProc"))
    return [word for word, wanted in ((f"hidepid={hidden}", hidden),
                                      ("subset=pid", said.get("ProcSubset") == "pid")) if wanted]


def mounting(*words):
    """A shell command; without words the unit's options, plain if it has none."""
    chosen = words or options(UNIT.read_text())
    return f"mount -t proc -o {','.join(('nosuid', *chosen))} proc /proc"


def why_not():
    if os.geteuid() != 0:
        return "/proc is mounted anew, which needs root"
    probe = ["unshare", "--mount", "sh", "-c", mounting("subset=pid")]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        return "this machine allows no mounting of /proc"
    return None


class UnitProcRelay(Relay):
    proc = ()  # other options of the mount than the unit's

    def words(self):
        run = f"{mounting(*self.proc)} && exec {BINARY} run --config {self.config}"
        return ["unshare", "--mount", "sh", "-c", run]

    def spawn(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.words(), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
