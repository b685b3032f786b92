"""A smarthost that does what a test wants: takes mail, or goes wrong at a chosen step.

It records every octet of every message. Each connection has a thread; faults are looked up when a
step is reached, so that a test can change them while the server runs.
"""

import base64
import re
import socket
import ssl
import threading

from .waiting import wait_until

EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES", "DSN",
              "SIZE 104857600")
USER, PASSWORD = "app@example", "correct-horse-battery"


class Drop(Exception):
    """Closes the connection without a word."""


class Message:
    def __init__(self, sender, recipients, data, parameters, commands, stuffed):
        self.sender, self.recipients, self.data = sender, recipients, data
        self.parameters, self.commands = parameters, commands
        self.stuffed = stuffed  # as it came with DATA, "" when it came with BDAT

    @property
    def subject(self):
        found = re.search(rb"^Subject: (.*?)\r$", self.data, re.MULTILINE)
        return found.group(1).decode("utf-8", "replace") if found else None


class Faults:
    """What goes wrong. A step is one of connect, greeting, ehlo, starttls, tls, auth, mail, rcpt,
    data, body, final-dot, after-commit, quit."""

    def __init__(self):
        self.drop = None     # step at which the connection closes
        self.times = None    # how often; None is always
        self.replies = {}    # step: reply text given instead of the usual one
        self.refuse = {}     # recipient: reply text
        self.gate = None     # threading.Event that the final reply waits for

    def takes(self, step):
        if self.drop != step or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class FakeSmarthost:
    def __init__(self, certificate=None, key=None, implicit=False, extensions=EXTENSIONS,
                 starttls=True, mechanisms="PLAIN LOGIN", port=0, session=None):
        self.faults = Faults()
        self.session_class = session or SmtpSession
        self.messages, self.sessions, self.lines = [], 0, []
        self.sign_ins = 0
        self.implicit, self.extensions, self.starttls = implicit, list(extensions), starttls
        self.mechanisms = mechanisms
        self.context = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate, key)
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=200)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        peer.settimeout(60)
        with self._lock:
            self.sessions += 1
            self._open.add(peer)
        session = self.session_class(self, peer)
        try:
            session.run()
        except (Drop, OSError, ssl.SSLError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(peer)
            session.peer.close()
            peer.close()

    def keep(self, message):
        """Takes a message; may return the reply that says so."""
        with self._lock:
            self.messages.append(message)

    def note(self, line):
        with self._lock:
            self.lines.append(line)

    def wait_for(self, count, timeout=30.0):
        wait_until(lambda: len(self.messages) >= count,
                   lambda: f"{count} messages at the smarthost, which has {len(self.messages)}; "
                           f"last lines {self.lines[-12:]}", timeout)
        return self.messages

    def wait_for_line(self, pattern, count=1, timeout=20.0):
        def seen():
            return sum(1 for line in list(self.lines) if re.search(pattern, line)) >= count
        wait_until(seen, lambda: f"{pattern!r} {count} times among {self.lines[-20:]}", timeout)

    def stop(self):
        # shutdown() wakes the thread that waits in accept(); close() alone does not.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._thread.join(5)
        with self._lock:
            peers = list(self._open)
        for peer in peers:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class SmtpSession:
    def __init__(self, server, peer):
        self.server, self.peer = server, peer
        self.buffer = b""
        self.secure = False
        self.signed_in = False
        self.reset()

    def reset(self):
        """Forgets the transaction; without a sender there is none."""
        self.sender, self.recipients, self.parameters, self.commands = None, [], "", []
        self.parts, self.stuffed = [], b""

    # --- bytes ---------------------------------------------------------------------------------

    def fill(self):
        more = self.peer.recv(65536)
        if not more:
            raise Drop
        self.buffer += more

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def exactly(self, count):
        parts = [self.buffer[:count]]
        self.buffer = self.buffer[count:]
        missing = count - len(parts[0])
        while missing > 0:
            more = self.peer.recv(min(missing, 65536))
            if not more:
                raise Drop
            parts.append(more)
            missing -= len(more)
        return b"".join(parts)

    def dot_stuffed(self):
        """The octets up to CRLF.CRLF, unstuffed, with the CRLF of the last line."""
        data = bytearray(b"\r\n" + self.buffer)
        start = 0
        while (end := data.find(b"\r\n.\r\n", start)) < 0:
            start = max(0, len(data) - 4)
            more = self.peer.recv(65536)
            if not more:
                raise Drop
            data += more
        self.buffer = bytes(data[end + 5:])
        self.stuffed = bytes(data[2:end + 2])
        return bytes(data[:end + 2]).replace(b"\r\n.", b"\r\n")[2:]

    def say(self, text):
        self.peer.sendall(text.encode(errors="surrogateescape") + b"\r\n")

    # --- steps ---------------------------------------------------------------------------------

    def step(self, name, usual):
        """Answers a step, unless a fault says otherwise; true when it was answered with success."""
        if self.server.faults.takes(name):
            raise Drop
        reply = self.server.faults.replies.get(name, usual)
        if reply:
            self.say(reply)
        return reply.startswith(("2", "3"))

    def run(self):
        if self.server.faults.takes("connect"):
            raise Drop
        if self.server.implicit:
            self.start_tls()
        self.step("greeting", "220 fake.example ESMTP")
        while True:
            raw = self.line()
            text = raw.decode("utf-8", "replace")
            self.server.note(text)
            self.commands.append(text)
            verb = text.split(" ", 1)[0].upper()
            handler = getattr(self, f"do_{verb.lower()}", None)
            if handler is None:
                self.say("500 5.5.2 Command not recognized")
            elif handler(text) == "end":
                return

    def start_tls(self):
        if self.server.faults.takes("tls"):
            raise Drop
        self.peer = self.server.context.wrap_socket(self.peer, server_side=True)
        self.secure = True

    def do_ehlo(self, text):
        words = list(self.server.extensions)
        if self.server.context and self.server.starttls and not self.secure:
            words.append("STARTTLS")
        if self.secure or not self.server.context:
            words.append(f"AUTH {self.server.mechanisms}")
        lines = ["fake.example", *words]
        reply = "\r\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{word}"
                            for i, word in enumerate(lines))
        self.step("ehlo", reply)

    def do_starttls(self, text):
        if self.step("starttls", "220 2.0.0 Ready"):
            self.start_tls()
            self.buffer = b""
            self.reset()

    def do_auth(self, text):
        words = text.split(" ")
        mechanism = words[1].upper()
        if mechanism == "PLAIN":
            if len(words) < 3:
                self.say("334 ")
            token = words[2] if len(words) > 2 else self.line().decode()
            _, user, password = base64.b64decode(token).split(b"\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.line())
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.line())
        good = (user.decode(), password.decode()) == (USER, PASSWORD)
        self.server.sign_ins += 1
        usual = "235 2.7.0 Welcome" if good else "535 5.7.8 Username and password not accepted"
        self.signed_in = self.step("auth", usual)

    def do_mail(self, text):
        self.reset()
        if self.step("mail", "250 2.1.0 Ok"):
            self.sender = re.search(r"<(.*?)>", text).group(1)
            self.parameters = text.split(">", 1)[1].strip()
            self.commands = [text]

    def do_rcpt(self, text):
        address = re.search(r"<(.*?)>", text).group(1)
        if self.sender is None:
            self.say("503 5.5.1 MAIL first")
        elif self.step("rcpt", self.server.faults.refuse.get(address, "250 2.1.5 Ok")):
            if address not in self.server.faults.refuse:
                self.recipients.append(address)

    def do_data(self, text):
        if not self.recipients:
            self.say("503 5.5.1 No valid recipients")
        elif self.step("data", "354 Go ahead"):
            if self.server.faults.takes("body"):
                self.exactly(1)
                raise Drop
            self.finish(self.dot_stuffed())

    def do_bdat(self, text):
        words = text.split(" ")
        chunk = self.exactly(int(words[1]))
        self.parts.append(chunk)
        if self.server.faults.takes("body"):
            raise Drop
        if not self.recipients:
            self.say("503 5.5.1 No valid recipients")
        elif words[-1].upper() == "LAST":
            self.finish(b"".join(self.parts))
        else:
            self.say("250 2.0.0 Chunk taken")

    def finish(self, data):
        faults = self.server.faults
        if faults.gate is not None:
            faults.gate.wait(60)
        if faults.takes("final-dot"):
            raise Drop
        reply = faults.replies.get("final-dot", "250 2.0.0 kept")
        if reply.startswith("2"):
            message = Message(self.sender, list(self.recipients), data, self.parameters,
                              list(self.commands), self.stuffed)
            reply = self.server.keep(message) or reply
        if faults.takes("after-commit"):
            raise Drop
        self.say(reply)
        self.reset()

    def do_rset(self, text):
        self.reset()
        self.say("250 2.0.0 Ok")

    def do_noop(self, text):
        self.say("250 2.0.0 Ok")

    def do_quit(self, text):
        self.step("quit", "221 2.0.0 Bye")
        return "end"
