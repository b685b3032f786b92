"""A smarthost that is a process of its own, so that a test can SIGKILL it.

Each message becomes a line of its journal before it is answered, and another line when the answer
has left; lines are written with one system call each, so that a kill leaves whole lines:

    kept WHEN NUMBER ID whole|torn RECIPIENT,RECIPIENT
    report WHEN NUMBER                   of relay itself, as of mail on hold
    said WHEN NUMBER

A torn message is left beside the journal, as torn-NUMBER. WHEN is time.time(), as in relay's log. The answer is "250 2.0.0 kept as NUMBER", so that the log
tells whether relay got to read it. Usage:
    journal_smarthost.py PORT CERTIFICATE KEY JOURNAL
"""

import hashlib
import os
import pathlib
import re
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.fake_smarthost import FakeSmarthost  # noqa: E402
from support.fake_smarthost import SmtpSession as Session  # noqa: E402

SUBJECT = re.compile(rb"^Subject: (\S+) ([0-9a-f]{64})\r$", re.MULTILINE)


class JournalSmarthost(FakeSmarthost):
    def __init__(self, journal, **options):
        self.folder = pathlib.Path(journal).parent
        self.journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.numbers = iter(range(1, 10**9))
        super().__init__(**options)

    def write(self, line):
        os.write(self.journal, line.encode() + b"\n")

    def note(self, line):
        pass  # a campaign is long; nobody asks for its lines

    def keep(self, message):
        message.number = f"{os.getpid()}.{next(self.numbers)}"
        self.write(self.judge(message))
        threading.current_thread().number = message.number
        return f"250 2.0.0 kept as {message.number}"

    def judge(self, message):
        """Its line."""
        if not message.sender:
            return f"report {time.time():.6f} {message.number}"
        found = SUBJECT.search(message.data)
        identifier, expected = found.group(1).decode(), found.group(2).decode()
        body = message.data[message.data.index(b"\r\n\r\n") + 4:]
        whole = "whole" if hashlib.sha256(body).hexdigest() == expected else "torn"
        if whole == "torn":
            self.folder.joinpath(f"torn-{message.number}").write_bytes(message.data)
        return (f"kept {time.time():.6f} {message.number} {identifier} {whole} "
                f"{','.join(message.recipients)}")


class JournalSession(Session):
    """Notes when the answer to a final dot has left."""

    def say(self, text):
        super().say(text)
        number = getattr(threading.current_thread(), "number", None)
        if number is not None:
            threading.current_thread().number = None
            self.server.write(f"said {time.time():.6f} {number}")


def main():
    port, certificate, key, journal = sys.argv[1:]
    JournalSmarthost(journal, certificate=certificate, key=key, port=int(port),
                     session=JournalSession)
    signal.pause()


if __name__ == "__main__":
    main()
