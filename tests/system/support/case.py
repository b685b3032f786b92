"""The common part of the test classes."""

import os
import smtplib
import unittest

from .certificates import Authority
from .fake_smarthost import PASSWORD, USER, FakeSmarthost
from .relay import BINARY, Relay
from .scratch import Scratch
from .waiting import PATIENCE


def message(subject="hello", body=b"A line.\r\n", recipient="ada@dest.example"):
    return (b"From: app@example.com\r\nTo: " + recipient.encode() + b"\r\nSubject: "
            + subject.encode() + b"\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
            b"Message-ID: <" + subject.encode() + b"@app.example>\r\n\r\n" + body)


class SystemCase(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        if not os.access(BINARY, os.X_OK):
            raise AssertionError(f"{BINARY} is not there; ./dev test builds it")
        cls.scratch = Scratch(cls)
        cls.authority = Authority(cls.scratch.path / "ca")
        cls.certificate, cls.key = cls.authority.issue("fake")

    def fake(self, **options):
        """A scriptable smarthost with a good certificate; keyword arguments as FakeSmarthost's."""
        options = {"certificate": self.certificate, "key": self.key, **options}
        server = FakeSmarthost(**options)
        self.addCleanup(server.stop)
        return server

    def smarthost(self, server, **overrides):
        """The [[smarthost]] table that reaches it."""
        port = getattr(server, "submission", None) or server.port
        table = {"host": "localhost", "port": port, "tls": "starttls",
                 "username": getattr(server, "USER", USER),
                 "password": getattr(server, "PASSWORD", PASSWORD),
                 "ca_file": self.authority.certificate, **overrides}
        if getattr(server, "implicit", False):
            table["tls"] = "implicit"
        return {key: value for key, value in table.items() if value is not None}

    def relay(self, *smarthosts, start=True, **settings):
        number = len(list(self.scratch.path.glob("relay-*")))
        relay = Relay(self.scratch.path / f"relay-{number}", list(smarthosts), **settings)
        self.addCleanup(relay.end)
        return relay.start() if start else relay

    def send(self, relay, subject="hello", recipients=("ada@dest.example",), octets=None,
             sender="app@example.com", **options):
        """Sends by smtplib; returns the id in relay's reply."""
        octets = message(subject) if octets is None else octets
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=30 * PATIENCE, **options) as client:
            client.ehlo()
            code, reply = client.mail(sender)
            self.assertEqual(250, code, reply)
            for recipient in recipients:
                code, reply = client.rcpt(recipient)
                self.assertEqual(250, code, reply)
            code, reply = client.data(octets)
            self.assertEqual(250, code, reply)
            self.assertIn(b"queued as ", reply)
            return reply.rsplit(b" ", 1)[1].decode()

    def assert_kept_but_for_trace(self, original, received):
        """What arrived is the original below one Received field, octet for octet."""
        head, tail = received[:-len(original)] if original else received, \
            received[-len(original):] if original else b""
        self.assertEqual(original, tail)
        self.assertTrue(head.startswith(b"Received: "), head)
        self.assertTrue(head.endswith(b"\r\n"), head)
        for line in head.split(b"\r\n")[1:-1]:
            self.assertIn(line[:1], (b" ", b"\t"), head)
