#!/usr/bin/env python3
"""Proves the lab itself by plain connects, without relay: filters, hops, echoes and names are what
the situations take them for."""

import os
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import unittest

import lab
import namespaces
import setups
from bed import CLIENT, CLIENT_GATEWAY, GATEWAY, ISP, RESOLVER
from certificates import Certificates
from names import encode_name
from situation import Expected, Situation
from situations import GROUPS
from stage import Stage
from world import World

FOLDER = None
IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE = 11, 25, 0x2000


def hop_test(stage, address, port, ttl, timeout=0.7):
    """One connect with a TTL: "open", "refused", "silence", or (type, code, sender) of an ICMP
    error, by the socket's error queue."""
    six = ":" in address

    def attempt():
        with socket.socket(socket.AF_INET6 if six else socket.AF_INET) as sock:
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
                sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            sock.settimeout(timeout)
            try:
                sock.connect((address, port))
                return "open"
            except TimeoutError:
                plain = "silence"
            except ConnectionRefusedError:
                plain = "refused"
            except OSError as error:
                plain = os.strerror(error.errno)
            return queued_error(sock, six) or plain
    return stage.bed.client.inside(attempt)


def queued_error(sock, six):
    try:
        _, extra, _, _ = sock.recvmsg(512, 512, MSG_ERRQUEUE)
    except OSError:
        return None
    for _, _, octets in extra:
        _, origin, kind, code = struct.unpack_from("IBBB", octets)
        if origin in (2, 3):
            sender = octets[24:40] if six else octets[20:24]
            family = socket.AF_INET6 if six else socket.AF_INET
            return kind, code, socket.inet_ntop(family, sender)
    return None


class SituationsTest(unittest.TestCase):
    def test_the_cause_is_asserted_wherever_somebody_could_be_blamed(self):
        for group in ("smarthosts", "recipients", "domains"):
            for situation in GROUPS[group]:
                for user in situation.users:
                    expected = situation.expected_for(user)
                    with self.subTest(situation=situation.name, user=user):
                        self.assertIsNotNone(expected.kind)
                        self.assertNotEqual((), expected.hop)


class BedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage(World(Certificates(FOLDER)), "/bin/true")
        cls.addClassCleanup(cls.stage.close)
        cls.google = cls.stage.world.addresses_of("gmail-smtp-in.l.google.com")
        cls.google_submission = cls.stage.world.addresses_of("smtp.gmail.com")

    def set_up(self, *setup):
        self.stage.prepare(Situation("test", setup, Expected("ok-direct")), "root")

    def hops(self, port=25, address=None):
        address = address or self.google[0]
        return [hop_test(self.stage, address, port, ttl) for ttl in (1, 2, 3, 64)]

    def test_open_path(self):
        self.set_up()
        first, second = (11, 0, CLIENT_GATEWAY[0]), (11, 0, ISP[0])
        self.assertEqual([first, second, "open", "open"], self.hops())
        self.assertEqual([first, second, "open", "open"],
                         self.hops(587, self.google_submission[0]))
        self.assertEqual([(3, 0, CLIENT_GATEWAY[1]), (3, 0, ISP[1]), "open", "open"],
                         self.hops(25, self.google[1]))

    def test_drops_leave_the_hops_before_them(self):
        first, second = (11, 0, CLIENT_GATEWAY[0]), (11, 0, ISP[0])
        for where, chain, expected in (
                ("gateway", "forward", [first, "silence", "silence"]),
                ("isp", "forward", [first, second, "silence"]),
                ("isp", "prerouting", [first, "silence", "silence"]),
                ("client", "output", ["silence", "silence", "silence"])):
            with self.subTest(where=where, chain=chain):
                self.set_up(setups.block(where, chain=chain))
                self.assertEqual(expected, self.hops()[:3])
                self.assertEqual("open", self.hops(587, self.google_submission[0])[3])

    def test_rejections_carry_their_sender(self):
        self.set_up(setups.block("isp", how="reject with icmpx type admin-prohibited"))
        self.assertEqual((3, 13, ISP[0]), self.hops()[3])
        self.assertEqual((1, 1, ISP[1]), self.hops(25, self.google[1])[3])
        self.set_up(setups.block("gateway", how="reject with tcp reset"))
        self.assertEqual("refused", self.hops()[3])
        self.set_up(setups.block("client", how="reject with icmpx type admin-prohibited",
                                 chain="output"))
        self.assertEqual((3, 13, CLIENT[0]), self.hops()[3])

    def test_a_proxy_answers_at_its_own_hop(self):
        self.set_up(setups.redirect("own-banner"))
        self.assertEqual("open", self.hops()[1])
        self.assertEqual((11, 0, ISP[0]), self.hops(587, self.google_submission[0])[1])

    def session(self, address, port):
        def talk():
            with smtplib.SMTP(address, port, timeout=5) as client:
                client.ehlo("lab.example")
                lines = client.ehlo_resp.decode().split("\n")
                certificate = None
                if client.has_extn("starttls"):
                    context = ssl._create_unverified_context()
                    client.starttls(context=context)
                    certificate = ssl.DER_cert_to_PEM_cert(client.sock.getpeercert(True))
                return lines, certificate
        return self.stage.bed.client.inside(talk)

    def greeting(self, address, port=25):
        def read():
            with socket.create_connection((address, port), timeout=5) as sock:
                return sock.recv(500).decode()
        return self.stage.bed.client.inside(read)

    def issuer(self, certificate):
        return subprocess.run(["openssl", "x509", "-noout", "-issuer"], input=certificate,
                              capture_output=True, text=True, check=True).stdout

    def test_operators_echo_the_client(self):
        self.set_up()
        self.assertIn("gsmtp", self.greeting(self.google[0]))
        lines, certificate = self.session(self.google[0], 25)
        self.assertEqual(f"gmail-smtp-in.l.google.com at your service, [{CLIENT[0]}]", lines[0])
        self.assertIn("Second authority", self.issuer(certificate))
        lines, _ = self.session(self.google_submission[1], 587)
        self.assertIn(f"[{CLIENT[1]}]", lines[0])
        self.set_up(setups.home)
        lines, _ = self.session(self.google[0], 25)
        self.assertIn(f"[{GATEWAY[0]}]", lines[0])

    def test_proxies_that_change_the_session(self):
        self.set_up(setups.redirect("pix"))
        self.assertRegex(self.greeting(self.google[0]), r"^220 [2 0*]+\r\n$")
        self.assertNotIn("STARTTLS", " ".join(self.session(self.google[0], 25)[0]))
        self.set_up(setups.redirect("strip"))
        self.assertIn("gsmtp", self.greeting(self.google[0]))
        self.assertNotIn("STARTTLS", " ".join(self.session(self.google[1], 25)[0]))
        self.set_up(setups.redirect("tls"))
        self.assertIn("gsmtp", self.greeting(self.google[0]))
        self.assertIn("Inspection", self.issuer(self.session(self.google[0], 25)[1]))

    def ask(self, name, kind):
        def exchange():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(1)
                sock.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0" + encode_name(name)
                            + struct.pack(">HH", kind, 1), (RESOLVER, 53))
                try:
                    answer = sock.recv(2000)
                except TimeoutError:
                    return None
                return answer[3] & 15, struct.unpack(">H", answer[6:8])[0]
        return self.stage.bed.client.inside(exchange)

    def test_names(self):
        self.set_up()
        self.assertEqual((0, 3), self.ask("gmail.com", 15))
        self.assertEqual((0, 1), self.ask("nullmx.example", 15))
        self.assertEqual((3, 0), self.ask("gone.example", 1))
        for mode, expected in (("dead", None), ("servfail", (2, 0)), ("nxdomain", (3, 0)),
                               ("203.0.113.9", (0, 1))):
            self.set_up(setups.name_server(mode))
            self.assertEqual(expected, self.ask("gmail.com", 1))

    def fetch(self, address, request):
        def exchange():
            with socket.create_connection((address, 80), timeout=2) as sock:
                sock.sendall(request.encode() + b"\r\nHost: x\r\n\r\n")
                return sock.recv(1000).decode().split("\r\n")[0]
        return self.stage.bed.client.inside(exchange)

    def test_metadata_and_portal(self):
        self.set_up(setups.metadata("azure"))
        path = "GET /metadata/instance?api-version=2021-02-01 HTTP/1.1"
        self.assertIn("401", self.fetch("169.254.169.254", path))
        self.assertIn("200", self.fetch("169.254.169.254", path + "\r\nMetadata: true"))
        check = self.stage.world.addresses_of("detectportal.firefox.com")[0]
        self.assertIn("200", self.fetch(check, "GET /success.txt HTTP/1.1"))
        self.set_up(setups.captive_portal)
        self.assertIn("302", self.fetch(check, "GET /success.txt HTTP/1.1"))
        self.assertEqual("silence", self.hops()[3])

    def test_everything_is_undone(self):
        self.set_up(setups.block("isp"), setups.redirect("mute"), setups.home,
                    setups.client_ip("route del default", "route add blackhole 104.0.0.0/8"),
                    setups.dmi(sys_vendor="Hetzner"), setups.name_server("dead"),
                    setups.every_exchanger(greeting="554 no"))
        self.set_up()
        self.assertEqual("open", self.hops()[3])
        self.assertIn("gsmtp", self.greeting(self.google[0]))
        self.assertEqual((0, 3), self.ask("gmail.com", 15))
        self.assertFalse((self.stage.host.root / "sys/class/dmi").exists())


def main():
    global FOLDER
    lab.become_able()
    with tempfile.TemporaryDirectory(prefix="relay-lab-") as FOLDER:
        return namespaces.in_a_child(unittest.main)


if __name__ == "__main__":
    sys.exit(main())
