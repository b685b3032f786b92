"""What goes in comes out, octet for octet, below the one Received field relay adds."""

import pathlib
import quopri
import random
import re
import threading
import unittest

from support.case import SystemCase, message
from support.raw_client import RawClient, dot_stuffed
from support.waiting import SANITIZED

HEAD = message("octets", b"")


def peak_memory(process):
    """In bytes. A sanitizer's own memory would count: with one it is taken for nothing."""
    if SANITIZED:
        return 0
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status).group(1)) * 1024


class OctetsTest(SystemCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(5321)

    def setUp(self):
        self.server = self.fake(extensions=self.extensions())
        self.running = self.relay(self.smarthost(self.server), server={"max_message_size": "64MiB"})

    def extensions(self):
        return ["PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME",
                "ENHANCEDSTATUSCODES", "DSN", "SIZE 104857600"]

    def round_trip(self, octets, chunks=None, parameters="", recipient="ada@dest.example",
                   sender="app@example.com"):
        before = len(self.server.messages)
        with RawClient(self.running.port) as client:
            client.begin(sender, [recipient], parameters)
            if chunks is None:
                code, reply = client.data(dot_stuffed(octets))
            else:
                code, reply = client.bdat(octets, chunks)
        self.assertEqual(250, code, reply)
        return self.server.wait_for(before + 1, timeout=60)[-1]

    def test_data_of_many_shapes(self):
        every = bytes(b for b in range(256) if b not in b"\r\n")
        cases = {
            "every octet but CR and LF": HEAD + every + b"\r\n",
            "lines of dots": HEAD + b".\r\n..\r\n...\r\n.a\r\n.\r\nend\r\n",
            "a dot alone as the last line": HEAD + b"text\r\n.\r\n",
            "empty body": HEAD,
            "body of one empty line": HEAD + b"\r\n",
            "998 octets, the longest line allowed": HEAD + b"x" * 998 + b"\r\n",
            "8-bit text": HEAD + "Grüße, 世界\r\n".encode(),
            "8-bit that is not UTF-8": HEAD + b"Gr\xfc\xdfe\r\n",
            "trailing blanks and tabs": HEAD + b"a \t \r\n \r\n\t\r\n",
            "a line that looks like SMTP": HEAD + b"QUIT\r\nRSET\r\nDATA\r\n",
            "many short lines": HEAD + b"\r\n" * 5000 + b"end\r\n",
        }
        for name, octets in cases.items():
            with self.subTest(name):
                received = self.round_trip(octets, parameters=" BODY=8BITMIME")
                self.assert_kept_but_for_trace(octets, received.data)

    def test_eight_bit_content_is_declared_whether_the_client_did_or_not(self):
        for octets, declared in ((HEAD + "Grüße\r\n".encode(), True), (HEAD + b"x\r\n", False)):
            received = self.round_trip(octets)
            self.assertEqual(declared, "BODY=8BITMIME" in received.parameters)

    def test_long_lines_arrive_whole(self):
        for length in (999, 1000, 1001, 20000):
            octets = HEAD + b"y" * length + b"\r\nend\r\n"
            with self.subTest(length):
                self.assert_kept_but_for_trace(octets, self.round_trip(octets).data)

    def test_lone_cr_and_lf_become_crlf(self):
        cases = {
            b"a\nb\r\n": b"a\r\nb\r\n",
            b"a\n.\nb\r\n": b"a\r\n.\r\nb\r\n",
            b"a\r\r\nb\r\n": b"a\r\nb\r\n",
            b"a\rb\r\n": b"a\r\nb\r\n",
            b"a\r.\rb\r\n": b"a\r\n.\r\nb\r\n",
        }
        for sent, expected in cases.items():
            with self.subTest(sent):
                before = len(self.server.messages)
                with RawClient(self.running.port) as client:
                    client.begin("app@example.com", ["ada@dest.example"])
                    code, reply = client.data(HEAD + sent + b".\r\n")
                self.assertEqual(250, code, reply)
                received = self.server.wait_for(before + 1)[-1]
                self.assert_kept_but_for_trace(HEAD + expected, received.data)

    def test_a_lone_newline_never_ends_a_message(self):
        """SMTP smuggling: what follows a false end stays inside the first message."""
        for false_end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r"):
            with self.subTest(false_end):
                before = len(self.server.messages)
                with RawClient(self.running.port) as client:
                    client.begin("app@example.com", ["ada@dest.example"])
                    smuggled = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<v@dest.example>\r\nDATA\r\n"
                    code, reply = client.data(HEAD + b"a" + false_end + smuggled + b"\r\n.\r\n")
                    self.assertEqual(250, code, reply)
                    code, reply = client.command("NOOP")
                    self.assertEqual(250, code, reply)
                received = self.server.wait_for(before + 1)
                self.assertEqual(before + 1, len(received))
                self.assertIn(b"MAIL FROM:<evil@example.com>", received[-1].data)

    def test_chunks_in_odd_pieces(self):
        octets = HEAD + bytes(self.random.choices(range(32, 127), k=70000)) + b"\r\n.\r\nend\r\n"
        for chunks in ([1], [1, 1, 1], [0, 5], [len(HEAD) - 1, 1], [65536], [3, 70001], []):
            with self.subTest(chunks):
                self.assert_kept_but_for_trace(octets, self.round_trip(octets, chunks).data)

    def test_addresses(self):
        cases = {
            "plain": ("ada@dest.example", ""),
            "a quoted local part": ('"a b"@dest.example', ""),
            "a plus and an equals sign": ("ada+tag=1@dest.example", ""),
            "UTF-8": ("grüße@dest.example", " SMTPUTF8"),
        }
        for name, (recipient, parameters) in cases.items():
            with self.subTest(name):
                received = self.round_trip(HEAD, recipient=recipient, parameters=parameters)
                self.assertEqual([recipient], received.recipients)
        with self.subTest("the null sender"):
            self.assertEqual("", self.round_trip(HEAD, sender="").sender)

    def test_a_repeated_recipient_is_taken_and_gets_one_mail(self):
        before = len(self.server.messages)
        with RawClient(self.running.port) as client:
            client.begin("app@example.com", ["ada@dest.example", "bob@dest.example",
                                             "ada@DEST.example"])
            code, reply = client.data(dot_stuffed(HEAD))
        self.assertEqual(250, code, reply)
        received = self.server.wait_for(before + 1)[-1]
        self.assertEqual(["ada@dest.example", "bob@dest.example"], received.recipients)

    def test_fifty_mebibytes(self):
        line = bytes(self.random.choices(range(33, 127), k=74)) + b"\r\n"
        octets = HEAD + line * (50 * 1024 * 1024 // len(line))
        received = self.round_trip(octets)
        self.assertTrue(received.data.endswith(octets), "50 MiB changed on their way")
        self.assertLess(len(received.data) - len(octets), 1000)
        self.assertLess(peak_memory(self.running.process), 64 << 20)


class PoorSmarthostOctetsTest(OctetsTest):
    """The same through a smarthost without CHUNKING and PIPELINING."""

    def extensions(self):
        return ["8BITMIME", "SMTPUTF8", "SIZE 104857600"]

    def test_fifty_mebibytes(self):
        self.skipTest("once is enough")


class RewrittenOctetsTest(SystemCase):
    def test_content_is_rewritten_for_a_poor_smarthost_without_being_held_in_memory(self):
        smarthost = self.fake(extensions=[])
        relay = self.relay(self.smarthost(smarthost))
        self.send(relay)
        relay.wait_until_empty()
        before = peak_memory(relay.process)
        size = 12 << 20
        header = (b"From: app@example.com\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
                  b"Message-ID: <%s@app.example>\r\n\r\n")
        line = "grün = green, ".encode()
        bodies = {b"one-line": line * (size // len(line)) + b"\r\n",
                  b"many-lines": (line * 5 + b"\r\n") * (size // (5 * len(line)))}

        def send(name):
            with RawClient(relay.port) as client:
                client.begin("app@example.com", ["ada@dest.example"])
                self.assertEqual(250, client.data(dot_stuffed(header % name + bodies[name]))[0])
        clients = [threading.Thread(target=send, args=(name,)) for name in bodies]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        relay.wait_until_empty(timeout=120)
        self.assertLess(peak_memory(relay.process) - before, 10 << 20)
        arrived = smarthost.messages[1:]
        self.assertEqual(len(bodies), len(arrived))
        for each in arrived:
            head, body = each.data.split(b"\r\n\r\n", 1)
            self.assertIn(b"Content-Transfer-Encoding: quoted-printable", head)
            name = re.search(rb"Message-ID: <(.*)@", head).group(1)
            # Compared by assertTrue: a difference of so many bytes is nothing to look at.
            self.assertTrue(quopri.decodestring(body) == bodies[name], name)
            self.assertLessEqual(max(map(len, body.split(b"\r\n"))), 76)
        left = [path.name for path in (relay.spool / "bodies").iterdir() if path.is_file()]
        self.assertEqual([], left)


if __name__ == "__main__":
    unittest.main()
