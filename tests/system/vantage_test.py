"""`relay vantage`: whom it tests, what it tells, and what it refuses. In a network namespace of its
own, for the mail ports are fixed."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import unittest

from support.certificates import Authority
from support.relay import BINARY
from support.scratch import Scratch
from support.waiting import wait_until

INSIDE = "RELAY_TEST_NAMESPACE"
ASKER = "127.0.0.7"


def enter_namespace():
    """Runs this file again inside a new network namespace; returns why not when that fails."""
    words = ["unshare", "--user", "--map-root-user", "--net"]
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "there is no unshare or no ip command"
    if subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        return "this machine allows no network namespaces"
    os.environ[INSIDE] = "1"
    os.execvp(words[0], [*words, sys.executable, __file__, *sys.argv[1:]])


class Server:
    """Listens on one address and port; says `greeting` to whoever connects, and counts them."""

    def __init__(self, port, greeting=b"", address=ASKER):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family)
        self.greeting = greeting
        self.connections = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.greeting:
                connection.sendall(self.greeting)
            self.connections.append(connection)  # kept open

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()


class Vantage:
    def __init__(self, *options, listen="127.0.0.1:0"):
        self.process = subprocess.Popen([BINARY, "vantage", "--listen", listen, *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on https?://(.+):(\d+)/\n", line)
        if not found:
            raise AssertionError(f"{line!r} {self.process.stderr.read()}")
        self.host, self.port = found[1].strip("[]"), int(found[2])
        self.token = ""
        if "--token-file" not in options:
            self.token = self.process.stdout.readline().removeprefix("token ").strip()
            self.advice = self.process.stdout.readline()

    def ask(self, target="/probe", source=ASKER, method="GET", token=None, headers=None, body=None,
            context=None):
        """Status, headers and JSON of the answer."""
        kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
        options = {"context": context} if context else {}
        connection = kind(self.host, self.port, timeout=30, source_address=(source, 0), **options)
        all_headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        all_headers.update(headers or {})
        connection.request(method, target, body=body, headers=all_headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, answer.headers, json.loads(text)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=20)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


class VantageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if INSIDE not in os.environ:
            raise unittest.SkipTest(WHY_NOT)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        cls.scratch = Scratch(cls)

    def vantage(self, *options, **more):
        vantage = Vantage(*options, **more)
        self.addCleanup(lambda: vantage.process.poll() is None and vantage.stop())
        return vantage

    def server(self, *words, **options):
        server = Server(*words, **options)
        self.addCleanup(server.stop)
        return server

    def test_it_tells_what_the_askers_ports_show(self):
        self.server(25, b"220 mail.example.com ESMTP \x1b[31mred\r\n")
        self.server(465)
        self.server(587)  # says nothing
        status, headers, answer = self.vantage().ask()
        self.assertEqual(200, status)
        self.assertEqual("application/json", headers["Content-Type"])
        self.assertEqual(1, answer["schema"])
        self.assertEqual(ASKER, answer["address"])
        self.assertEqual("ipv4", answer["family"])
        ports = {port["port"]: port for port in answer["ports"]}
        self.assertEqual([25, 465, 587, 2525], list(ports))
        self.assertEqual("220 mail.example.com ESMTP \\x1b[31mred", ports[25]["banner"])
        self.assertEqual(["open", "open", "open", "rejected"],
                         [port["result"] for port in ports.values()])
        self.assertIsNone(ports[587]["banner"])
        self.assertEqual(ports[2525]["errno"], "ECONNREFUSED")

    def test_only_the_askers_address_is_tested(self):
        own = self.server(25, b"220 own\r\n")
        other = self.server(25, b"220 other\r\n", address="127.0.0.8")
        vantage = self.vantage()
        for headers in ({"X-Forwarded-For": "127.0.0.8"}, {"Forwarded": "for=127.0.0.8"},
                        {"Host": "127.0.0.8"}, {"X-Real-IP": "127.0.0.8"}):
            with self.subTest(headers):
                status, _, answer = vantage.ask("/probe?ports=25", headers=headers)
                self.assertEqual((200, ASKER), (status, answer["address"]))
                self.assertEqual("220 own", answer["ports"][0]["banner"])
        wait_until(lambda: len(own.connections) == 4, "a connection for each")
        self.assertEqual([], other.connections)

    def test_a_trusted_proxy_names_the_asker(self):
        self.server(25, b"220 client\r\n", address="127.0.0.8")
        vantage = self.vantage("--trusted-proxy", "127.0.0.7", "--rate", "20/m")
        status, _, answer = vantage.ask("/probe?ports=25",
                                        headers={"X-Forwarded-For": "127.0.0.9, 127.0.0.8"})
        self.assertEqual((200, "127.0.0.8"), (status, answer["address"]))
        self.assertEqual("220 client", answer["ports"][0]["banner"])
        self.assertEqual(400, vantage.ask("/probe?ports=25")[0])
        status, _, answer = vantage.ask("/probe?ports=25", source="127.0.0.6",
                                        headers={"X-Forwarded-For": "127.0.0.8"})
        self.assertEqual("127.0.0.6", answer["address"])

    def test_what_it_refuses(self):
        server = self.server(25, b"220 x\r\n")
        vantage = self.vantage("--rate", "100/m")
        self.assertEqual(401, vantage.ask(token="")[0])
        self.assertEqual(401, vantage.ask(token="0" * 32)[0])
        self.assertEqual(404, vantage.ask("/")[0])
        self.assertEqual(404, vantage.ask("/probe?ports=22")[0])
        self.assertEqual(404, vantage.ask("/probe?ports=25&address=127.0.0.8")[0])
        self.assertEqual(405, vantage.ask(method="DELETE")[0])
        self.assertEqual(400, vantage.ask(method="POST", body=b"x" * 100)[0])
        self.assertEqual(400, vantage.ask(headers={"X-Long": "x" * 20000})[0])
        self.assertEqual([], server.connections)
        with socket.create_connection((vantage.host, vantage.port)) as raw:
            raw.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
            self.assertTrue(raw.recv(100).startswith(b"HTTP/1.1 400 "))

    def test_it_is_rate_limited_by_address_and_in_all(self):
        vantage = self.vantage("--rate", "2/m", "--total-rate", "3/m")
        self.assertEqual(200, vantage.ask("/probe?ports=25")[0])
        self.assertEqual(401, vantage.ask(token="wrong")[0])  # guesses count
        status, headers, answer = vantage.ask("/probe?ports=25")
        self.assertEqual(429, status)
        self.assertTrue(0 < int(headers["Retry-After"]) <= 60)
        self.assertIn("try again", answer["error"]["message"])
        self.assertEqual(200, vantage.ask("/probe?ports=25", source="127.0.0.9")[0])
        self.assertEqual(429, vantage.ask("/probe?ports=25", source="127.0.0.10")[0])

    def test_ipv6(self):
        self.server(25, b"220 six\r\n", address="::1")
        vantage = self.vantage(listen="[::1]:0")
        status, _, answer = vantage.ask("/probe?ports=25", source="::1")
        self.assertEqual((200, "::1", "ipv6"), (status, answer["address"], answer["family"]))
        self.assertEqual("220 six", answer["ports"][0]["banner"])

    def test_https_and_a_token_of_ones_own(self):
        authority = Authority(self.scratch.path / "ca")
        certificate, key = authority.issue("vantage")
        token_file = self.scratch.path / "token"
        token_file.write_text("a-token-of-ones-own\n")
        vantage = self.vantage("--certificate", str(certificate), "--private-key", str(key),
                               "--token-file", str(token_file), listen="127.0.0.1:0")
        context = ssl.create_default_context(cafile=str(authority.certificate))
        status, _, answer = vantage.ask("/probe?ports=2525", token="a-token-of-ones-own",
                                        context=context)
        self.assertEqual((200, ASKER), (status, answer["address"]))
        vantage.process.send_signal(signal.SIGTERM)
        output, _ = vantage.process.communicate(timeout=20)
        self.assertNotIn("a-token-of-ones-own", output)

    def test_sigterm_ends_it_also_while_it_waits(self):
        server = self.server(587)  # the probe waits for a greeting
        vantage = self.vantage()
        asking = socket.create_connection((vantage.host, vantage.port), source_address=(ASKER, 0))
        self.addCleanup(asking.close)
        asking.sendall(f"GET /probe?ports=587 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                       f"{vantage.token}\r\n\r\n".encode())
        wait_until(lambda: server.connections, "the probe of port 587")
        self.assertEqual(0, vantage.stop())

    def test_bad_arguments_end_with_2(self):
        empty = self.scratch.path / "empty"
        pathlib.Path(empty).write_text("short\n")
        for words in (["--token-file", "/nowhere"], ["--token-file", str(empty)],
                      ["--trusted-proxy", "x"], ["--certificate", "/nowhere"], ["--rate", "often"]):
            with self.subTest(words):
                done = subprocess.run([BINARY, "vantage", "--listen", "127.0.0.1:0", *words],
                                      capture_output=True, text=True, timeout=20)
                self.assertEqual(2, done.returncode, done.stderr)
                self.assertTrue(done.stderr.startswith("relay: "), done.stderr)


if __name__ == "__main__":
    WHY_NOT = None if INSIDE in os.environ else enter_namespace()
    unittest.main()
