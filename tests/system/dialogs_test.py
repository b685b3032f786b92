"""Plays tests/dialogs/*.dlg, which the bare state machine passes too, against the daemon."""

import fnmatch
import pathlib
import re
import socket
import ssl
import unittest

from support.case import SystemCase

DIALOGS = pathlib.Path(__file__).resolve().parent.parent / "dialogs"
ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
PLAIN_ESCAPES = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"\\": b"\\"}


def unescaped(text):
    def octet(found):
        code = found.group(1)
        return bytes([int(code[1:], 16)]) if code[:1] == b"x" else PLAIN_ESCAPES[code]
    return ESCAPE.sub(octet, text.encode())


class Dialog:
    def __init__(self, path):
        self.name, self.settings, self.steps = path.stem, {}, []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            mark, rest = line[:2], line[3:]
            if mark.startswith("="):
                key, value = line[1:].split()
                self.settings[key] = value
            elif mark in ("C:", "C+"):
                octets = unescaped(rest) + (b"\r\n" if mark == "C:" else b"")
                if self.steps and self.steps[-1][0] == "C":  # neighbours go in one write
                    octets = self.steps.pop()[1] + octets
                self.steps.append(("C", octets, number))
            elif mark in ("S:", "T:", "X:"):
                self.steps.append((mark[0], rest, number))


class Player:
    def __init__(self, port, context):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.context = context
        self.buffer = b""

    def close(self):
        self.socket.close()

    def line(self):
        while b"\r\n" not in self.buffer:
            more = self.read()
            if not more:
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "replace")

    def read(self):
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def play(self, step):
        """What went wrong in this step, or None."""
        kind, content, _ = step
        if kind == "C":
            try:
                self.socket.sendall(content)
            except ConnectionError:
                pass  # a server that closes after its reply need not take the rest
        elif kind == "S":
            line = self.line()
            pattern = content.replace("[", "[[]")
            if line is None or not fnmatch.fnmatchcase(line.lower(), pattern.lower()):
                return f"expected {content!r}, got {line!r}"
        elif kind == "T":
            if self.buffer:
                return f"octets before the handshake: {self.buffer!r}"
            self.socket = self.context.wrap_socket(self.socket, server_hostname="localhost")
        elif self.buffer or self.read():
            return f"expected the end, got {self.buffer!r}"
        return None


class DialogsTest(SystemCase):
    def playable(self, dialog):
        """The daemon refuses no recipients by itself, and no setting makes messages tiny."""
        tiny = int(dialog.settings.get("max_message_size", 1 << 20)) < 1024
        return "refusals" not in dialog.settings and not tiny

    def settings_for(self, dialog):
        settings = {key: int(value) if value.isdigit() else value
                    for key, value in dialog.settings.items()}
        if settings.pop("tls", None) == "yes":
            settings.update(certificate=self.certificate, private_key=self.key)
        if settings.get("auth") == "required":
            settings["users_file"] = self.users_file()
        return settings

    def users_file(self):
        """alice with the password "secret", made by `relay user`."""
        password = self.scratch.path / "alice"
        password.write_text("secret\n")
        users = self.scratch.path / "users"
        self.plain.command("user", "alice", "--file", str(users), "--password-file", str(password),
                           config=False)
        return users

    def test_every_dialog(self):
        nowhere = self.fake()
        nowhere.stop()
        self.plain = self.relay(self.smarthost(nowhere), delivery={"retry": ["1h"]})
        context = ssl.create_default_context(cafile=self.authority.certificate)
        paths = sorted(DIALOGS.glob("*.dlg"))
        self.assertGreater(len(paths), 10)
        for path in paths:
            dialog = Dialog(path)
            if not self.playable(dialog):
                continue
            with self.subTest(dialog.name):
                server = self.settings_for(dialog)
                relay = self.plain if not server else self.relay(
                    self.smarthost(nowhere), server=server, delivery={"retry": ["1h"]})
                player = Player(relay.port, context)
                self.addCleanup(player.close)
                for step in dialog.steps:
                    problem = player.play(step)
                    self.assertIsNone(problem, f"{path.name}:{step[2]}: {problem}")


if __name__ == "__main__":
    unittest.main()
