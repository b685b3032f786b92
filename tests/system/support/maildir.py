"""Reading what a private mail server delivered."""

import pathlib

from .waiting import wait_until


class Received:
    """One delivered message: the trace lines the server put in front, and the rest."""

    TRACE = (b"return-path:", b"x-original-to:", b"delivered-to:", b"received:")

    def __init__(self, raw):
        self.raw = raw

    @property
    def recipients(self):
        lines = self.raw.split(b"\n\n", 1)[0].split(b"\n")
        return [line.split(b":", 1)[1].strip().decode()
                for line in lines if line.lower().startswith(b"delivered-to:")]

    def without_trace(self):
        """The message below all trace fields, lines ending in LF as in any maildir."""
        lines = self.raw.split(b"\n")
        while lines and (lines[0].lower().startswith(self.TRACE) or lines[0][:1] in (b" ", b"\t")):
            lines.pop(0)
        return b"\n".join(lines)


class Maildir:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    def messages(self):
        """All messages delivered so far, oldest first."""
        files = []
        for folder in ("new", "cur"):
            if (self.path / folder).is_dir():
                files.extend((self.path / folder).iterdir())
        return [Received(f.read_bytes()) for f in sorted(files, key=lambda f: f.stat().st_mtime_ns)]

    def count(self):
        new = self.path / "new"
        return len(list(new.iterdir())) if new.is_dir() else 0

    def wait_for(self, count, timeout=30.0):
        wait_until(lambda: self.count() >= count,
                   lambda: f"{count} messages in {self.path}, which has {self.count()}", timeout)
        return self.messages()

    def wait_for_marker(self, marker, timeout=30.0):
        """The first message that holds these bytes."""
        def find():
            return next((m for m in self.messages() if marker in m.raw), None)
        return wait_until(find, f"a message with {marker!r} in {self.path}", timeout)
