"""Who may send, on every kind of listener and with every rule."""

import base64
import http.client
import json
import os
import pathlib
import socket
import ssl
import stat
import subprocess
import unittest

from support.case import SystemCase
from support.raw_client import RawClient
from support.relay import BINARY


def has_ipv6_loopback():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


class OpenRelayTest(SystemCase):
    """Who may send, for each way to listen; clients come from 127.0.0.1 and 127.0.0.2."""

    def reply_to(self, port, source, signed_in=False, tls=False):
        """To MAIL and RCPT, at a port of the source's own family or at a unix socket."""
        if isinstance(port, pathlib.Path):
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(20)
            plain.connect(str(port))
        else:
            here = "::1" if ":" in source else "127.0.0.1"
            plain = socket.create_connection((here, port), timeout=20, source_address=(source, 0))
        if tls:
            context = ssl.create_default_context(cafile=self.authority.certificate)
            plain = context.wrap_socket(plain, server_hostname="localhost")
        with plain:
            file = plain.makefile("rb")

            def reply():
                while True:
                    line = file.readline()
                    if line[3:4] != b"-":
                        return int(line[:3] or 0)
            if (code := reply()) != 220:
                return code
            plain.sendall(b"EHLO client.example\r\n")
            reply()
            if signed_in:
                plain.sendall(b"AUTH PLAIN " + base64.b64encode(b"\0alice\0secret") + b"\r\n")
                if (code := reply()) != 235:
                    return code
            plain.sendall(b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n")
            codes = [reply(), reply()]
            return codes[0] if codes[0] != 250 else codes[1]

    def test_every_combination_lets_in_whom_it_says(self):
        users = self.scratch.path / "users"
        done = subprocess.run(
            [BINARY, "user", "alice", "--file",
             str(users)], input="secret\n", capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(os.geteuid() == 0, "chgrp relay" in done.stdout)  # root's alone
        only_first, none_of_us = ["127.0.0.1/32"], ["192.0.2.0/24"]
        cases = (  # auth, allow_clients, first and second client, the same signed in
            ("none", None, 250, 250, None),
            ("none", only_first, 250, 554, None),
            ("none", none_of_us, 554, 554, None),
            ("required", None, 530, 530, 250),
            ("required", only_first, 530, 554, 250),
            ("accept-any", only_first, 250, 554, 250),
        )
        for auth, allowed, first, second, signed_in in cases:
            with self.subTest(auth=auth, allowed=allowed):
                server = {"auth": auth}
                if allowed:
                    server["allow_clients"] = allowed
                if auth == "required":
                    server["users_file"] = users
                relay = self.relay(self.smarthost(self.fake()), server=server)
                self.assertEqual(first, self.reply_to(relay.port, "127.0.0.1"))
                self.assertEqual(second, self.reply_to(relay.port, "127.0.0.2"))
                if signed_in:
                    self.assertEqual(signed_in, self.reply_to(relay.port, "127.0.0.1", True))
                relay.stop()

    def test_the_rules_hold_on_every_kind_of_listener(self):
        done = subprocess.run(
            [BINARY, "user", "alice", "--file", str(self.scratch.path / "alice")],
            input="secret\n", capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
        # Where others can connect, a rule for this host alone is taken for forgotten.
        only_first = ["127.0.0.1/32", "192.0.2.0/24"]
        only_six = ["::1/128", "2001:db8::/32"]
        required = {"auth": "required", "users_file": self.scratch.path / "alice"}
        rows = (  # kind, rules, source, reply, reply when signed in
            ("tls", {"allow_clients": only_first}, "127.0.0.1", 250, None),
            ("tls", {"allow_clients": only_first}, "127.0.0.2", 554, None),
            ("tls", required, "127.0.0.1", 530, 250),
            ("all4", {"allow_clients": only_first}, "127.0.0.1", 250, None),
            ("all4", {"allow_clients": only_first}, "127.0.0.2", 554, None),
            ("all4", required, "127.0.0.2", 530, 250),
            ("all6", {"allow_clients": only_six}, "::1", 250, None),
            ("all6", {"allow_clients": only_first}, "::1", 554, None),
            ("all6", required, "::1", 530, 250),
            # Whoever may open the socket's file is on this host and was let in by its mode.
            ("unix", {"allow_clients": ["192.0.2.0/24"]}, "127.0.0.1", 250, None),
            ("unix", required, "127.0.0.1", 530, 250),
        )
        for number, (kind, rules, source, reply, signed_in) in enumerate(rows):
            with self.subTest(kind=kind, rules=rules, source=source):
                if kind == "all6" and not has_ipv6_loopback():
                    self.skipTest("no IPv6 here")
                path = self.scratch.path / f"socket-{number}"
                address = {"tls": "127.0.0.1:0", "all4": "0.0.0.0:0", "all6": "[::]:0",
                           "unix": f"unix:{path}"}[kind]
                server = {"listen": ["127.0.0.1:0"], **rules}
                if kind == "tls":
                    server.update(tls_listen=[address], certificate=self.certificate,
                                  private_key=self.key)
                else:
                    server["listen"].append(address)
                relay = self.relay(self.smarthost(self.fake()), server=server)
                pattern = {"tls": r"127\.0\.0\.1:(\d+)\S* tls=\S*implicit",
                           "all4": r"address=\S*0\.0\.0\.0:(\d+)",
                           "all6": r"address=\S*\[::\]:(\d+)"}.get(kind)
                port = int(relay.wait_for_log(pattern).group(1)) if pattern else path
                tls = kind == "tls" and reply != 554  # refused without a handshake
                self.assertEqual(reply, self.reply_to(port, source, tls=tls))
                if reply == 554:
                    self.assertIn("server.allow_clients", relay.log())
                if signed_in:
                    self.assertEqual(signed_in, self.reply_to(port, source, True, tls=tls))
                relay.stop()

    def test_a_listener_for_others_needs_a_rule(self):
        for listen in ("0.0.0.0:0", "[::]:0"):
            relay = self.relay(self.smarthost(self.fake()), start=False,
                               server={"listen": [listen]})
            refused = relay.command("run", check=False)
            self.assertEqual(78, refused.returncode, refused.stderr)
            self.assertIn("allow_clients", refused.stderr)

    def test_the_log_tells_what_would_take_a_sign_in_or_starttls(self):
        relay = self.relay(self.smarthost(self.fake()))
        for command, setting in (("AUTH PLAIN AGFsaWNlAHNlY3JldA==", r"server\.auth = .*accept-any"),
                                 ("STARTTLS", r"server\.certificate")):
            with RawClient(relay.port) as client:
                client.expect("EHLO client.example", 250)
                client.expect(command, 502)
            relay.wait_for_log(f"refused .*command={command.split()[0]}.*{setting}")
        self.assertNotIn("AGFsaWNl", relay.log())

    def test_sockets_are_their_owners(self):
        relay = self.relay(self.smarthost(self.fake()))
        self.assertEqual(0o600, stat.S_IMODE((relay.spool / "control.sock").stat().st_mode))
        self.assertEqual(0o700, stat.S_IMODE((relay.spool / "bodies").stat().st_mode))

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_without_a_token_mail_is_for_the_user_of_relay_and_root(self):
        server = self.fake()
        server.faults.replies["mail"] = "451 4.3.0 later"
        token = "token-of-the-test"
        for families in ("127.0.0.1", "[::1]") if has_ipv6_loopback() else ("127.0.0.1",):
            relay = self.relay(self.smarthost(server), admin={"listen": [f"{families}:0"]},
                               delivery={"retry": ["1h"]})
            identifier = self.send(relay)
            address = relay.wait_for_log(r"admin interface\W.*address=\S*?(\S+:\d+)").group(1)
            one = f"/api/v1/messages/{identifier}"
            mail = (("GET", "/api/v1/messages"), ("GET", one), ("GET", one + "/raw"),
                    ("GET", "/api/v1/%6Dessages"), ("POST", one + "/hold"), ("DELETE", one),
                    ("POST", "/api/v1/messages/delete"), ("POST", "/api/v1/diagnose"))
            for method, path in mail:
                code, answer = self.as_nobody(address, method, path)
                self.assertEqual(403, code, (method, path, answer))
                self.assertIn("set admin.token", answer)
                self.assertNotIn(identifier, answer)
            for path in ("/", "/healthz", "/readyz", "/metrics", "/api/v1/status"):
                self.assertEqual(200, self.as_nobody(address, "GET", path)[0], path)
            self.assertEqual(1, relay.status()["queue"]["queued"])
            self.assertEqual(200, self.ask(address, "GET", one)[0])  # as root
            relay.stop()
        relay = self.relay(self.smarthost(server), delivery={"retry": ["1h"]},
                           admin={"listen": ["127.0.0.1:0"], "token": token})
        identifier = self.send(relay)
        address = relay.wait_for_log(r"admin interface\W.*address=(\S+)").group(1)
        one = f"/api/v1/messages/{identifier}"
        self.assertEqual(401, self.as_nobody(address, "GET", one)[0])
        self.assertEqual(200, self.as_nobody(address, "GET", one, token)[0])

    def ask(self, address, method, path, token=None):
        """The status and the text of an answer over TCP."""
        connection = http.client.HTTPConnection(address, timeout=40)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def as_nobody(self, *request):
        """The same by a child that is another user; another program need not be readable to it."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                os.write(writing, json.dumps(self.ask(*request)).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with open(reading, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        return json.loads(answer)


if __name__ == "__main__":
    unittest.main()
