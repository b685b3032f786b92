"""Clients that are more, say more or try more often than a server should have to bear."""

import base64
import concurrent.futures
import os
import socket
import ssl
import subprocess
import time
import unittest

from support.case import SystemCase
from support.memory import memory_of
from support.raw_client import RawClient
from support.relay import BINARY
from support.waiting import SANITIZED, wait_until

KIB = 1024


class ConnectionsTest(SystemCase):
    def test_idle_connections_are_many_cheap_and_in_nobodys_way(self):
        count = int(os.environ.get("RELAY_IDLE_CONNECTIONS", "1000"))
        relay = self.relay(self.smarthost(self.fake()), server={"max_connections": count + 5})
        self.send(relay)
        before = memory_of(relay.process)
        sockets = []
        try:
            for _ in range(count):
                sockets.append(socket.create_connection(("127.0.0.1", relay.port)))
            for each in sockets:
                each.settimeout(30)
                self.assertTrue(each.recv(200).startswith(b"220"))
            each_took = (memory_of(relay.process) - before) / count
            print(f"{count} idle connections, {each_took / KIB:.1f} KiB each")
            self.assertLess(each_took, 16 * KIB)
            self.send(relay)
        finally:
            for each in sockets:
                each.close()

    def test_connections_past_the_limits_are_told_and_the_rest_served(self):
        relay = self.relay(self.smarthost(self.fake()), server={"max_connections": 5})
        held = [RawClient(relay.port) for _ in range(5)]
        for client in held:
            self.addCleanup(client.close)
        with RawClient(relay.port) as refused:
            self.assertEqual(421, refused.greeting[0])
        held[0].expect("NOOP", 250)
        held[0].expect("QUIT", 221)

        def one_more():
            with RawClient(relay.port) as client:
                return client.greeting[0] == 220
        wait_until(one_more, "room for another client")

    def test_one_client_address_takes_no_more_than_its_share(self):
        relay = self.relay(self.smarthost(self.fake()),
                           server={"max_connections_per_client": 2})

        def greeting(source):
            client = socket.create_connection(("127.0.0.1", relay.port), timeout=30,
                                              source_address=(source, 0))
            self.addCleanup(client.close)
            return client, client.recv(200)[:10]
        first, said = greeting("127.0.0.1")
        self.assertEqual(b"220 ", said[:4])
        self.assertEqual(b"220 ", greeting("127.0.0.1")[1][:4])
        self.assertEqual(b"421 4.7.0 ", greeting("127.0.0.1")[1])
        self.assertEqual(b"220 ", greeting("127.0.0.2")[1][:4])  # another address has its own
        first.close()
        wait_until(lambda: greeting("127.0.0.1")[1][:4] == b"220 ", "the place of who left")


class PipeliningTest(SystemCase):
    def test_mail_under_way_holds_a_bounded_part_of_memory_which_comes_back(self):
        relay = self.relay(self.smarthost(self.fake()))
        self.send(relay)
        before = memory_of(relay.process)
        domain = ".".join(["d" * 60] * 3)
        group = b"".join(f"RCPT TO:<{number}.{'l' * 50}@{domain}.example> "
                         f"ORCPT=rfc822;{'o' * 480}\r\n".encode() for number in range(500))
        held, refused = [], 0
        try:
            while not refused:
                self.assertLess(len(held), 1000, "all of them are taken")
                client = RawClient(relay.port)
                held.append(client)
                client.expect("EHLO client.example", 250)
                client.expect("MAIL FROM:<app@example.com>", 250)
                client.write(group)
                codes = {client.reply()[0] for _ in range(500)}
                self.assertLessEqual(codes, {250, 452})
                refused = 452 in codes
            relay.wait_for_log("mail is refused.*holds 256.* of memory: only small mail is taken")
            # A recipient too many is no message: those before it may still get theirs.
            self.assertEqual(0, relay.status()["listener"]["messages_refused"])
            taken = memory_of(relay.process) - before
            if not SANITIZED:
                self.assertLess(taken, 2 * 256 * KIB * KIB)
            self.send(relay)  # others are not kept out
        finally:
            for client in held:
                client.close()
        if not SANITIZED:
            wait_until(lambda: memory_of(relay.process) - before < taken / 4, "memory to come back")

    def test_replies_that_nobody_reads_are_few(self):
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
