"""relay diagnose as people and scripts run it. All of it happens in a network namespace of its own,
with nothing but a loopback interface: no probe can reach anything else."""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import unittest

from support.case import SystemCase
from support.fake_smarthost import PASSWORD
from support.relay import BINARY

INSIDE = "RELAY_TEST_INSIDE_NAMESPACE"


def enter_namespace():
    """Starts this file again inside a new network namespace; says so where none can be made."""
    if os.environ.get(INSIDE):
        return
    wrapper = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode != 0:
        print("SKIPPED: no network namespace can be made here")
        sys.exit(0)
    os.environ[INSIDE] = "1"
    os.execvp(wrapper[0], [*wrapper, sys.executable, *sys.argv])


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(control, 0x8914, request)  # SIOCSIFFLAGS


class DiagnoseTest(SystemCase):
    def configured(self, server, **smarthost):
        probe = {"enabled": False, "targets": [f"127.0.0.1:{server.port}"]}
        return self.relay(self.smarthost(server, name="main", **smarthost), start=False,
                          probe=probe)

    def test_a_smarthost_that_works_lets_mail_leave(self):
        relay = self.configured(self.fake())
        done = relay.command("diagnose", "--json", check=False)
        report = json.loads(done.stdout)
        self.assertEqual("ok-smarthost", report["smarthosts"][0]["code"])
        self.assertEqual("smarthost main", report["via"])
        self.assertTrue(report["mail_leaves"])
        self.assertEqual(0, done.returncode)

    def test_a_refused_password_is_named_and_nothing_is_sent(self):
        server = self.fake()
        relay = self.configured(server, password="wrong")
        done = relay.command("diagnose", check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("smarthost-auth", done.stdout)
        self.assertIn("What to do", done.stdout)
        self.assertIn("Test again", done.stdout)
        self.assertNotIn("wrong", done.stdout + done.stderr)

    def test_without_its_password_a_smarthost_is_tested_up_to_the_sign_in(self):
        server = self.fake()
        relay = self.configured(server, password=None, password_file="/nonexistent")
        done = relay.command("diagnose", "--json", check=False)
        report = json.loads(done.stdout)
        self.assertEqual("inconclusive", report["smarthosts"][0]["code"])
        self.assertEqual(server.port, report["smarthosts"][0]["port"])
        self.assertIn("sign-in was not tried", report["verdict"]["summary"])
        self.assertIn("`sudo relay diagnose", json.dumps(report["fixes"]))
        self.assertIn("/nonexistent", done.stderr)
        self.assertEqual(1, done.returncode)
        self.assertEqual(0, server.sign_ins)

    def test_a_smarthost_that_repeats_the_password_does_not_get_it_shown(self):
        for step in ("auth", "mail"):
            server = self.fake()
            server.faults.replies[step] = f"535 5.7.8 not with {PASSWORD}"
            done = self.configured(server).command("diagnose", "--json", check=False)
            self.assertIn("not with ***", done.stdout)
            self.assertNotIn(PASSWORD, done.stdout + done.stderr)
        self.assertNotIn("\x1b", done.stdout + done.stderr)  # a pipe is no terminal
        self.assertEqual([], server.messages)

    def test_mail_to_one_recipient_has_the_smarthost_tested_as_well(self):
        server = self.fake()
        probe = {"enabled": True, "targets": [f"127.0.0.1:{server.port}"]}
        relay = self.relay(self.smarthost(server, name="main"), start=False, probe=probe)
        words = ("diagnose", "--to", "ada@[127.0.0.1]", "--timeout", "5s", "--json")
        report = json.loads(relay.command(*words, check=False).stdout)
        self.assertEqual("ok-smarthost", report["smarthosts"][0]["code"])
        self.assertIn("smarthost", [check["id"] for check in report["checks"]])
        self.assertEqual(1, server.sign_ins)
        # Without its password the rest is told all the same.
        relay = self.relay(self.smarthost(server, name="main", password=None,
                                          password_file="/nonexistent"), start=False, probe=probe)
        done = relay.command(*words, check=False)
        self.assertEqual([], json.loads(done.stdout)["smarthosts"])
        self.assertIn("no smarthost is tested", done.stderr)
        self.assertEqual(1, server.sign_ins)

    def test_the_page_is_written_and_is_alone_on_standard_output(self):
        relay = self.configured(self.fake())
        page = self.scratch.path / "report.html"
        relay.command("diagnose", "--html", str(page), check=False)
        self.assertTrue(page.read_text().startswith("<!doctype html>"))
        done = relay.command("diagnose", "--html", "-", check=False)
        self.assertTrue(done.stdout.startswith("<!doctype html>"))
        self.assertTrue(done.stdout.endswith("</html>\n"))

    def test_evidence_is_shown_when_asked_for(self):
        relay = self.configured(self.fake())
        short = relay.command("diagnose", check=False).stdout
        full = relay.command("diagnose", "--verbose", check=False).stdout
        self.assertIn("--verbose shows", short)
        self.assertGreater(len(full.splitlines()), len(short.splitlines()))

    def bare(self, *words, before=(), **environment):
        """Without any configuration, as in a fresh account."""
        empty = self.scratch.path / "empty"
        empty.mkdir(exist_ok=True)
        return subprocess.run([*before, BINARY, "diagnose", *words], cwd=empty,
                              capture_output=True, text=True, timeout=60, check=False,
                              env={"HOME": str(empty), "PATH": os.environ["PATH"], **environment})

    @unittest.skipIf(os.path.exists("/etc/relay/relay.toml"), "this host has a configuration")
    def test_it_works_without_a_configuration(self):
        done = self.bare("--json")
        report = json.loads(done.stdout)
        self.assertEqual("no-network", report["verdict"]["code"])
        self.assertEqual(1, done.returncode)

    def test_a_configuration_that_is_named_must_be_good(self):
        self.assertEqual(78, self.bare("--config", "/nonexistent.toml").returncode)
        self.assertEqual(78, self.bare(RELAY_CONFIG="/nonexistent.toml").returncode)
        bad = self.scratch.path / "bad.toml"
        bad.write_text("[smarthost]\nhots = \"x\"\n")
        done = self.bare("--config", str(bad))
        self.assertEqual(78, done.returncode)
        self.assertIn("hots", done.stderr)

    @unittest.skipIf(os.path.exists("/etc/relay/relay.toml"), "this host has a configuration")
    def test_a_usual_configuration_that_is_not_to_be_read_stops_nothing(self):
        usual = self.scratch.path / "xdg/relay/relay.toml"
        usual.parent.mkdir(parents=True)
        usual.write_text("[smarthost]\nhost = \"192.0.2.1\"\n")
        usual.chmod(0)
        # Who owns a file may not read it with mode 0, and root neither without these.
        capabilities = "--bounding-set=-dac_override,-dac_read_search"
        done = self.bare("--json", before=["setpriv", capabilities],
                         XDG_CONFIG_HOME=str(self.scratch.path / "xdg"))
        self.assertEqual([], json.loads(done.stdout)["smarthosts"])
        self.assertIn("no smarthost is tested", done.stderr)

    def test_wrong_use_is_told_before_anything_is_measured(self):
        for words in (["--write"], ["--timeout", "soon"], ["--timeout", "10ms"],
                      ["--json", "--html", "-"], ["--yes"], ["--inbound", "a@b.example"],
                      ["--from", "nobody"], ["--to", "nobody"]):
            with self.subTest(words=words):
                self.assertEqual(2, self.bare(*words).returncode)

    def test_a_sender_may_be_named(self):
        server = self.fake()
        server.faults.replies["mail"] = "553 5.7.1 Sender address rejected: not owned by user"
        relay = self.configured(server)
        done = relay.command("diagnose", "--from", "other@example.com", "--json", check=False)
        self.assertEqual("smarthost-sender", json.loads(done.stdout)["smarthosts"][0]["code"])

    def test_the_server_diagnoses_and_takes_its_time_between(self):
        server = self.fake()
        relay = self.configured(server).start()
        status, body = relay.api("POST", "/api/v1/diagnose")[:2]
        self.assertEqual(200, status)
        self.assertEqual("ok-smarthost", body["smarthosts"][0]["code"])
        self.assertEqual(429, relay.api("POST", "/api/v1/diagnose")[0])
        self.assertEqual(200, relay.api("GET", "/healthz")[0])


if __name__ == "__main__":
    enter_namespace()
    loopback_up()
    unittest.main()
