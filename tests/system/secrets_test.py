"""Passwords and tokens stay out of logs, answers, arguments, environments and core dumps."""

import base64
import http.client
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import unittest

from support.case import SystemCase
from support.fake_smarthost import PASSWORD, USER
from support.raw_client import RawClient
from support.relay import BINARY
from support.waiting import SANITIZED

TOKEN = "token-that-nobody-may-see"
CLIENT_PASSWORD = "secret-of-alice"


def forms(secret):
    """As it is, and as base64 at each of the three offsets."""
    raw = secret.encode()
    yield secret
    for padding in range(3):
        text = base64.b64encode(b"x" * padding + raw).decode()
        yield text[4 if padding else 0:-4]


class SecretsTest(SystemCase):
    def assert_absent(self, text, where):
        for secret in (PASSWORD, TOKEN, CLIENT_PASSWORD):
            for form in forms(secret):
                self.assertNotIn(form, text, f"in {where}")

    def test_no_output_at_any_level_shows_them(self):
        server = self.fake()
        for level, form in (("debug", "text"), ("debug", "json"), ("info", "json")):
            relay = self.relay(self.smarthost(server), log={"level": level, "format": form},
                               admin={"listen": ["127.0.0.1:0"], "token": TOKEN})
            identifier = self.send(relay, "hello")
            relay.wait_until_empty()
            server.faults.replies["auth"] = "535 5.7.8 Username and password not accepted"
            relay.reload()
            relay.wait_for_log("configuration reloaded")
            outputs = [relay.command("status", "--json"), relay.command("check"),
                       relay.command("check", "--json"), relay.command("queue", "list", "--json"),
                       relay.command("queue", "show", identifier, "--json"),
                       relay.command("version", config=False)]
            for done in outputs:
                self.assert_absent(done.stdout + done.stderr, " ".join(done.args))
            for name in ("cmdline", "environ"):
                content = pathlib.Path(f"/proc/{relay.process.pid}/{name}").read_bytes()
                self.assert_absent(content.decode(errors="replace"), name)
            server.faults.replies.clear()
            relay.stop()
            self.assert_absent(relay.log(), f"the log at {level} as {form}")

    def test_what_clients_sign_in_with_is_shown_nowhere(self):
        users = self.scratch.path / "users"
        made = subprocess.run([BINARY, "user", "alice", "--file", str(users)],
                              input=f"{CLIENT_PASSWORD}\n", capture_output=True, text=True)
        self.assertEqual(0, made.returncode, made.stderr)

        def encoded(text):
            return base64.b64encode(text.encode()).decode()
        right, wrong = (f"\0alice\0{CLIENT_PASSWORD}", f"\0bob\0{CLIENT_PASSWORD}")
        dialogs = (  # lines, the last reply
            ((f"AUTH PLAIN {encoded(right)}",), 235),
            (("AUTH PLAIN", encoded(right)), 235),
            (("AUTH LOGIN", encoded("alice"), encoded(CLIENT_PASSWORD)), 235),
            ((f"AUTH LOGIN {encoded('alice')}", encoded(CLIENT_PASSWORD)), 235),
            ((f"AUTH PLAIN {encoded(wrong)}",), 535),
            (("AUTH PLAIN", encoded(wrong)), 535),
            (("AUTH LOGIN", encoded("bob"), encoded(CLIENT_PASSWORD)), 535),
            (("AUTH LOGIN", encoded(CLIENT_PASSWORD), encoded("alice")), 535),  # fields swapped
            ((f"AUTH PLAIN {CLIENT_PASSWORD}",), 501),  # not base64
            (("AUTH LOGIN", CLIENT_PASSWORD), 501),
            ((f"AUTH XOAUTH2 {encoded(right)}",), 504),
        )
        for form in ("text", "json"):
            relay = self.relay(self.smarthost(self.fake()), log={"level": "debug", "format": form},
                               server={"auth": "required", "users_file": users},
                               admin={"listen": ["127.0.0.1:0"], "token": TOKEN})
            for lines, code in dialogs:
                with self.subTest(lines=lines, form=form), RawClient(relay.port) as client:
                    client.expect("EHLO client.example", 250)
                    for line in lines:
                        got, reply = client.command(line)
                    self.assertEqual(code, got, reply)
                    self.assert_absent(reply, "a reply")
            port = int(relay.wait_for_log(r"admin interface\W.*127\.0\.0\.1:(\d+)").group(1))
            for header, status in ((f"Bearer {TOKEN}", 200), (f"Bearer {TOKEN}x", 401),
                                   (f"Basic {TOKEN}", 401), (TOKEN, 401)):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                self.addCleanup(connection.close)
                connection.request("GET", f"/api/v1/status", headers={"Authorization": header})
                answer = connection.getresponse()
                self.assertEqual(status, answer.status)
                self.assert_absent(answer.read().decode(), "the answer of the API")
            status = relay.command("status", "--json").stdout
            self.assert_absent(status, "the status")
            relay.stop()
            self.assert_absent(relay.log(), f"the log as {form}")
            self.assertIn("535 5.7.8", relay.log())  # it tells of them, or the test saw nothing

    def test_a_client_that_signs_in_where_tls_must_come_first_is_not_quoted(self):
        blob = base64.b64encode(f"\0alice\0{CLIENT_PASSWORD}".encode()).decode()
        relay = self.relay(self.smarthost(self.fake()), log={"level": "debug"},
                           server={"tls_listen": ["127.0.0.1:0"], "certificate": self.certificate,
                                   "private_key": self.key})
        port = int(relay.wait_for_log(r"127\.0\.0\.1:(\d+)\S* tls=\S*implicit").group(1))
        said = (f"AUTH PLAIN {blob}\r\n", f"{blob}\r\n", f"{CLIENT_PASSWORD}\r\n")
        for line in said:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                client.sendall(line.encode())
                self.read_to_end(client)
            with RawClient(relay.port) as client:
                client.expect("EHLO client.example", 250)
                client.expect("STARTTLS", 220)
                client.write(line.encode())
                self.read_to_end(client.socket)
        relay.stop()
        self.assertEqual(2 * len(said), relay.log().count("the client does not speak TLS here"))
        self.assertEqual(2, relay.log().count("it said AUTH"))
        self.assert_absent(relay.log(), "the log")

    @staticmethod
    def read_to_end(client):
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass

    def test_a_smarthost_that_repeats_them_does_not_get_them_shown(self):
        blob = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        encoded = base64.b64encode(PASSWORD.encode()).decode()
        for step, reply in (("auth", f"535 5.7.8 no such password {PASSWORD}"),
                            ("auth", f"535-5.7.8 AUTH PLAIN {blob}\r\n535 5.7.8 or {encoded}"),
                            ("auth", f"echo {blob}"),
                            ("mail", f"451 4.7.1 {PASSWORD} may not send")):
            with self.subTest(reply=reply):
                server = self.fake()
                server.faults.replies[step] = reply
                relay = self.relay(self.smarthost(server), log={"level": "debug"},
                                   admin={"listen": ["127.0.0.1:0"], "token": TOKEN})
                identifier = self.send(relay, "hello")
                relay.wait_for_log(r"\*\*\*")
                outputs = [relay.command("status", "--json", check=False),
                           relay.command("check", "--online", check=False),
                           relay.command("queue", "list", "--json"),
                           relay.command("queue", "show", identifier, "--json")]
                for done in outputs:
                    self.assert_absent(done.stdout + done.stderr, " ".join(done.args))
                self.assert_absent(json.dumps(relay.message(identifier)), "the API")
                relay.stop()
                self.assert_absent(relay.log(), "the log")

    def test_faults_of_the_configuration_do_not_quote_them(self):
        relay = self.relay(self.smarthost(self.fake()), start=False)
        text = relay.config.read_text()
        for broken in (text.replace(f'"{PASSWORD}"', f'"{PASSWORD}'),
                       text.replace(f'"{PASSWORD}"', f'["{PASSWORD}"]'),
                       text.replace("password =", "pasword ="),
                       text.replace("password =", f'password_file = "/nowhere"\npassword ='),
                       text.replace("password =", "password_env ="),
                       text.replace("password =", "password_file ="),
                       text.replace('"localhost"', f'"smtp://{USER}:{PASSWORD}@localhost:587"'),
                       text.replace('"localhost"', f'"{USER}:{PASSWORD}@127.0.0.1"')):
            self.assertNotEqual(text, broken)
            relay.config.write_text(broken)
            for words in (("check",), ("check", "--json"), ("run",)):
                done = relay.command(*words, check=False)
                self.assertNotEqual(0, done.returncode)
                self.assert_absent(done.stdout + done.stderr, " ".join(words))

    def test_a_crash_leaves_no_memory_behind(self):
        def dumps_core(process):
            _, hard = resource.getrlimit(resource.RLIMIT_CORE)
            resource.prlimit(process.pid, resource.RLIMIT_CORE, (hard, hard))
            os.kill(process.pid, signal.SIGSEGV)
            _, status = os.waitpid(process.pid, 0)
            process.returncode = status
            if not SANITIZED:  # a sanitizer catches the signal, tells and exits
                self.assertEqual(signal.SIGSEGV, os.WTERMSIG(status))
            return os.WCOREDUMP(status)
        other = subprocess.Popen(["sleep", "60"], cwd=self.scratch.path)
        if not dumps_core(other):
            self.skipTest("no process leaves a core here, so that relay leaves none tells nothing")
        for words in (("run",), ("sink",)):
            with self.subTest(words):
                relay = self.relay(self.smarthost(self.fake()), start=False)
                process = self.started(relay, words)
                self.assertFalse(dumps_core(process))

    def started(self, relay, words):
        """The process of a command that goes on, once it has said something."""
        options = ["--config", str(relay.config)] if words == ("run",) else ["--listen", "127.0.0.1:0"]
        process = subprocess.Popen([BINARY, *words, *options], cwd=self.scratch.path,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.assertNotEqual(b"", process.stdout.readline())
        return process

    def test_secrets_come_by_no_argument(self):
        def help_of(*words):
            return subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True).stdout

        def commands_in(text):
            listed = text.partition("Subcommands:\n")[2]
            return re.findall(r"(?m)^  ([a-z]+) ", listed)
        seen = []
        for command in commands_in(help_of()):
            for words in ((command,), *((command, each) for each in commands_in(help_of(command)))):
                described = help_of(*words)
                self.assertIn("Usage:", described, words)
                seen.append(words)
                if words != ("sink",):  # whose password is one of a test
                    self.assertNotRegex(described, r"--(password|token|secret)[ ,=]", words)
                else:
                    self.assertRegex(described, r"--password[ ,=]")  # it would be seen elsewhere
        self.assertIn(("user",), seen)
        self.assertIn(("queue", "list"), seen)


if __name__ == "__main__":
    unittest.main()
