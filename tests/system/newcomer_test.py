"""A first configuration that is wrong in the usual ways: each message names thing, place and remedy."""

import socket
import subprocess
import unittest

from support import gateway
from support.case import SystemCase
from support.relay import BINARY


class NewcomerTest(SystemCase):
    def refused(self, relay, status=78):
        """What `relay run` says on standard error before it gives up."""
        done = subprocess.run([BINARY, "run", "--config", str(relay.config)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(status, done.returncode, done.stderr)
        return done.stderr

    def prepared(self, **settings):
        return self.relay({"host": "localhost"}, start=False, **settings)

    def test_no_file_shows_the_lines_that_are_needed(self):
        relay = self.prepared()
        relay.config.unlink()
        said = self.refused(relay)
        self.assertIn(f"{relay.config} does not exist", said)
        self.assertIn("[smarthost]\nhost = ", said)

    def test_a_fault_in_the_file_is_told_alone(self):
        relay = self.prepared()
        relay.config.write_text("[smarthost]\nhots = 'localhost'\n")
        said = self.refused(relay)
        self.assertIn(f'{relay.config}:2:1: unknown key "hots"', said)
        self.assertIn('did you mean "host"?', said)
        self.assertNotIn("The least that relay needs", said)

    def test_a_password_file_that_is_not_there(self):
        relay = self.relay({"host": "localhost", "username": "app", "password_file": "secret"},
                           start=False)
        said = self.refused(relay)
        self.assertIn(f"the file of this name in {relay.folder} cannot be read", said)
        self.assertIn("create it with the secret as its only line", said)

    def test_files_that_can_be_read_but_not_used(self):
        """Check and run say the same of them, and systemd does not try again (78)."""
        folder = self.scratch.path / "files"
        folder.mkdir()
        other_certificate, _ = self.authority.issue("another")
        good, key = self.certificate, self.key
        junk, users = folder / "junk", folder / "users"
        junk.write_text("not what it should be\n")
        users.write_text("# users\nbob:Sup3rSecret\n")
        server, smarthost = {"listen": ["127.0.0.1:0"]}, {"host": "localhost"}
        cases = (
            ("server.certificate", f"{junk} holds no certificate in PEM form",
             {**server, "certificate": junk, "private_key": key}, smarthost, {}),
            ("server.private_key", f"{key} does not belong to the certificate {other_certificate}",
             {**server, "certificate": other_certificate, "private_key": key}, smarthost, {}),
            ("server.certificate", f"{folder} is a folder",
             {**server, "certificate": folder, "private_key": key}, smarthost, {}),
            ("server.users_file", f"{users}:2: no blank with a hash",
             {**server, "users_file": users}, smarthost, {}),
            ("smarthost.ca_file", f"{junk} holds no CA certificate in PEM form",
             server, {**smarthost, "ca_file": junk}, {}),
            ("smarthost.ca_file", f"{folder} is a folder",
             server, {**smarthost, "ca_file": folder}, {}),
            ("smarthost.client_key", f"{key} does not belong to the certificate",
             server, {**smarthost, "client_certificate": other_certificate, "client_key": key}, {}),
            ("smarthost.client_certificate", f"{junk} holds no certificate",
             server, {**smarthost, "client_certificate": junk, "client_key": key}, {}),
            ("log.file", f"{folder} is a folder", server, smarthost, {"file": folder}),
        )
        for name, message, server_table, smarthost_table, log in cases:
            with self.subTest(message):
                relay = self.relay(smarthost_table, start=False, server=server_table, log=log)
                said = self.refused(relay)
                self.assertRegex(said, rf"relay\.toml:\d+:\d+: {name}: ")
                self.assertIn(message, said)
                checked = relay.command("check", check=False)
                self.assertEqual(78, checked.returncode)
                self.assertIn(message, checked.stdout)
                self.assertNotIn("Sup3rSecret", said + checked.stdout)
        relay = self.relay(smarthost, start=False,
                           server={**server, "certificate": good, "private_key": key})
        self.assertIn("is fine", relay.command("check").stdout)

    def test_a_port_that_is_taken(self):
        for section in ("server", "admin"):
            with self.subTest(section), socket.create_server(("127.0.0.1", 0)) as taken:
                address = f"127.0.0.1:{taken.getsockname()[1]}"
                said = self.refused(self.prepared(**{section: {"listen": [address]}}), status=1)
                self.assertIn(f"cannot listen on {address}: address already in use", said)
                self.assertIn(f"another address in {section}.listen", said)

    def test_a_spool_that_is_no_folder(self):
        relay = self.prepared(spool={"directory": "/dev/null"})
        self.assertIn("/dev/null is no folder", self.refused(relay, status=78))
        self.assertIn("/dev/null is no folder", relay.command("check", check=False).stdout)

    @unittest.skipUnless(gateway.allowed(), "this machine allows no network namespaces")
    def test_ports_that_would_lead_back_to_relay(self):
        """Found in the words of the file, before anything listens."""
        own, admin = {"listen": ["0.0.0.0:2599"], "allow_clients": ["10.0.0.0/8"]}, "127.0.0.1:2599"
        for message, smarthost, settings in (
                ("localhost:2599 is this relay's own listener", {"host": "localhost", "port": 2599},
                 {"server": own}),
                ("127.0.0.9:2599 is this relay's own listener", {"host": "127.0.0.9", "port": 2599},
                 {"server": own}),
                ("198.51.100.7:2599 is this relay's own listener",
                 {"host": "198.51.100.7", "port": 2599}, {"server": own}),
                (f"{admin} is taken by", {"host": "localhost"},
                 {"server": own, "admin": {"listen": [admin]}})):
            with self.subTest(message):
                relay = self.relay({**smarthost, "tls": "none"}, start=False, **settings)
                script = f"""ip link set lo up && ip addr add 198.51.100.7/32 dev lo
                             "{BINARY}" check --config "{relay.config}"
                             echo "check $?"
                             "{BINARY}" run --config "{relay.config}" 2>&1
                             echo "run $?" """
                done = subprocess.run(["unshare", "-Urn", "sh", "-c", script], capture_output=True,
                                      text=True, timeout=60)
                self.assertEqual(2, done.stdout.count(message), done.stdout + done.stderr)
                self.assertIn("check 78\n", done.stdout)
                self.assertIn("run 78\n", done.stdout)

    def test_online_check_names_what_is_wrong_with_the_smarthost(self):
        server = self.fake()
        server.faults.replies["auth"] = "535 5.7.8 Authentication failed"
        done = self.relay(self.smarthost(server), start=False).command("check", "--online",
                                                                       check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("535 5.7.8 Authentication failed", done.stdout)
        port = server.port
        server.stop()
        done = self.relay(self.smarthost(server), start=False).command("check", "--online",
                                                                       check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn(f"{port}", done.stdout)
        self.assertIn("refused", done.stdout)


if __name__ == "__main__":
    unittest.main()
