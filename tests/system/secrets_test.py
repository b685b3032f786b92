"""Passwords and tokens stay out of logs, answers, arguments, environments and core dumps."""

import base64
import json
import os
import pathlib
import resource
import signal
import subprocess
import unittest

from support.case import SystemCase
from support.fake_smarthost import PASSWORD, USER
from support.relay import BINARY

TOKEN = "token-that-nobody-may-see"


def forms(secret):
    """As it is, and as base64 at each of the three offsets."""
    raw = secret.encode()
    yield secret
    for padding in range(3):
        text = base64.b64encode(b"x" * padding + raw).decode()
        yield text[4 if padding else 0:-4]


class SecretsTest(SystemCase):
    def assert_absent(self, text, where):
        for secret in (PASSWORD, TOKEN, "secret-of-alice"):
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
                       text.replace("password =", f'password_file = "/nowhere"\npassword =')):
            self.assertNotEqual(text, broken)
            relay.config.write_text(broken)
            for words in (("check",), ("check", "--json"), ("run",)):
                done = relay.command(*words, check=False)
                self.assertNotEqual(0, done.returncode)
                self.assert_absent(done.stdout + done.stderr, " ".join(words))

    def test_a_crash_leaves_no_memory_behind(self):
        unlimited = resource.RLIM_INFINITY
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        allowed = unlimited if hard == unlimited else hard
        relay = self.relay(self.smarthost(self.fake()))
        resource.prlimit(relay.process.pid, resource.RLIMIT_CORE, (allowed, hard))
        os.kill(relay.process.pid, signal.SIGSEGV)
        _, status = os.waitpid(relay.process.pid, 0)
        relay.process = None
        self.assertTrue(os.WIFSIGNALED(status) or os.WIFEXITED(status))
        self.assertFalse(os.WCOREDUMP(status))

    def test_passwords_for_users_come_by_no_argument(self):
        described = subprocess.run([BINARY, "user", "--help"], capture_output=True, text=True)
        self.assertNotRegex(described.stdout, r"--password[ =]")


if __name__ == "__main__":
    unittest.main()
