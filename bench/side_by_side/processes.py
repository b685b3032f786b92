"""What a tree of processes has used, from /proc: no privileges, no sampling."""

import contextlib
import os
import pathlib
import signal
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def wait_for(condition, what, timeout=30.0, step=0.01):
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(step)


def _stat_fields(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2:].split()  # a command's name may hold anything


def tree(root):
    """The process and all its descendants, as pids."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            children.setdefault(int(_stat_fields(entry)[1]), []).append(int(entry))
        except OSError:
            pass  # ended meanwhile
    found, unseen = [], [root]
    while unseen:
        pid = unseen.pop()
        found.append(pid)
        unseen += children.get(pid, [])
    return found


def kill_tree(root):
    for pid in tree(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def cpu_seconds(root):
    """User and system time of the tree, with that of the children it has waited for."""
    ticks = 0
    for pid in tree(root):
        try:
            ticks += sum(map(int, _stat_fields(pid)[11:15]))
        except OSError:
            pass
    return ticks / TICK


def pss_bytes(root):
    total = 0
    for pid in tree(root):
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines()
                     if line.startswith("Pss:")) * 1024
    return total


def wait_quiet(root, quiet=0.6, timeout=120.0):
    """Until the tree has used almost no processor time for `quiet` seconds."""
    deadline = time.monotonic() + timeout
    last, since = cpu_seconds(root), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = cpu_seconds(root)
        if now - last > 0.02:
            last, since = now, time.monotonic()
        elif time.monotonic() - since >= quiet:
            return


class PeakMemory:
    """The highest PSS of a tree while the block runs, looked at ten times a second."""

    def __init__(self, root):
        self.root, self.bytes = root, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(0.1):
            self.bytes = max(self.bytes, pss_bytes(self.root))
