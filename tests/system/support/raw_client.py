"""An SMTP client that sends exactly the octets it is given."""

import socket

from .waiting import PATIENCE


class RawClient:
    def __init__(self, port, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout * PATIENCE)
        self.file = self.socket.makefile("rb")
        try:
            self.greeting = self.reply()
        except OSError:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def reply(self):
        """One reply: its code, and its lines joined by LF. Code 0 is a closed connection."""
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return 0, "closed"
            lines.append(line.rstrip(b"\r\n").decode())
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(lines)

    def write(self, octets):
        self.socket.sendall(octets)

    def command(self, text):
        self.write(text.encode() + b"\r\n")
        return self.reply()

    def expect(self, text, code):
        got, reply = self.command(text)
        if got != code:
            raise AssertionError(f"{text!r} earned {reply!r}, not {code}")
        return reply

    def begin(self, sender, recipients, parameters=""):
        self.expect("EHLO client.example", 250)
        self.expect(f"MAIL FROM:<{sender}>{parameters}", 250)
        for recipient in recipients:
            self.expect(f"RCPT TO:<{recipient}>", 250)

    def data(self, octets):
        """Sends a message that is already dot-stuffed and ended."""
        self.expect("DATA", 354)
        self.write(octets)
        return self.reply()

    def bdat(self, octets, sizes):
        """Sends a message in chunks of these sizes, the rest in a last one."""
        for size in sizes:
            chunk, octets = octets[:size], octets[size:]
            self.write(f"BDAT {len(chunk)}\r\n".encode() + chunk)
            code, reply = self.reply()
            if code != 250:
                raise AssertionError(reply)
        self.write(f"BDAT {len(octets)} LAST\r\n".encode() + octets)
        return self.reply()


def dot_stuffed(octets):
    """As DATA sends it: RFC 5321 section 4.5.2."""
    body = (b"\r\n" + octets).replace(b"\r\n.", b"\r\n..")[2:]
    return body + (b".\r\n" if body.endswith(b"\r\n") or not body else b"\r\n.\r\n")
