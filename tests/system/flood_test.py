"""Clients that say more, or try more often, than a server should have to bear."""

import base64
import concurrent.futures
import pathlib
import socket
import ssl
import subprocess
import time
import unittest

from support.case import SystemCase
from support.raw_client import RawClient
from support.relay import BINARY
from support.waiting import SANITIZED, wait_until

KIB = 1024


def memory_of(process):
    """In bytes, of relay alone."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * KIB
    raise AssertionError("no VmRSS")


class PipeliningTest(SystemCase):
    def test_replies_that_nobody_reads_are_few(self):
        if SANITIZED:
            self.skipTest("a sanitizer's own memory would count")
        relay = self.relay(self.smarthost(self.fake()))
        with RawClient(relay.port) as client:
            client.expect("EHLO first", 250)  # what every first connection costs once
        before = memory_of(relay.process)
        clients = []
        for _ in range(100):
            client = socket.socket()
            self.addCleanup(client.close)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
            client.connect(("127.0.0.1", relay.port))
            client.setblocking(False)
            clients.append(client)

        def stuffed(client):
            try:
                while client.send(b"EHLO a\r\n" * 1000):
                    pass
            except BlockingIOError:
                return True
        # Full for good once relay has stopped reading: it waits for its replies to be taken.
        for _ in range(2):
            wait_until(lambda: all(stuffed(client) for client in clients), "full connections")
        with RawClient(relay.port) as client:
            client.expect("NOOP", 250)  # nobody else waits for them
        self.assertLess((memory_of(relay.process) - before) / len(clients), 64 * KIB)


class GuessingTest(SystemCase):
    """Each guesser comes from 192.0.2.7, or so its proxy says, and takes many connections."""

    def guess(self, relay, client="192.0.2.7", password="wrong"):
        """The codes of the answers until the connection ends."""
        plain = socket.create_connection(("127.0.0.1", self.tls_port), timeout=60)
        plain.sendall(f"PROXY TCP4 {client} {client} 40000 465\r\n".encode())
        codes = []
        with self.tls.wrap_socket(plain, server_hostname="localhost") as stream:
            file = stream.makefile("rb")
            file.readline()
            stream.sendall(b"EHLO client.example\r\n")
            while file.readline()[3:4] == b"-":
                pass
            secret = base64.b64encode(f"\0alice\0{password}".encode())
            while not codes or codes[-1] == 535:
                stream.sendall(b"AUTH PLAIN " + secret + b"\r\n")
                codes.append(int(file.readline()[:3] or 0))
        return codes

    def guarded(self):
        self.tls = ssl.create_default_context(cafile=self.authority.certificate)
        users = self.scratch.path / "users"
        subprocess.run([BINARY, "user", "alice", "--file", str(users)], input="secret\n",
                       text=True, check=True, capture_output=True)
        relay = self.relay(self.smarthost(self.fake()),
                           server={"auth": "required", "users_file": users, "proxy_protocol": True,
                                   "certificate": self.certificate, "private_key": self.key,
                                   "tls_listen": ["127.0.0.1:0"]})
        listening = relay.wait_for_log(r"127\.0\.0\.1:(\d+)\S* tls=\S*implicit")
        self.tls_port = int(listening.group(1))
        return relay

    def test_a_refused_sign_in_is_answered_slowly(self):
        relay = self.guarded()
        began = time.monotonic()
        self.assertEqual([535, 535, 421], self.guess(relay))
        self.assertGreaterEqual(time.monotonic() - began, 3)
        self.assertEqual([235], self.guess(relay, password="secret"))

    def test_many_connections_guess_no_more_often(self):
        relay = self.guarded()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: self.guess(relay), range(48)))
        relay.wait_for_log("too many failed sign-ins from this client's address")
        tried = sum(answer.count(535) for answer in answers)
        tried += relay.log().count("the client failed to sign in three times")
        self.assertEqual(20, tried)
        self.assertIn([421], answers)
        self.assertEqual([421], self.guess(relay, password="secret"))
        self.assertEqual([235], self.guess(relay, client="192.0.2.8", password="secret"))


if __name__ == "__main__":
    unittest.main()
