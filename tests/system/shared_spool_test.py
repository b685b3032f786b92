"""Commands at a spool that others want as well, and the words of commands that fail."""

import json
import os
import pty
import socket
import subprocess
import threading
import unittest

from support.case import SystemCase, message
from support.relay import BINARY


class SharedSpoolTest(SystemCase):
    def listed(self, relay, *words):
        return json.loads(relay.command("queue", "list", *words, "--json").stdout)

    def test_a_list_that_stops_at_its_limit_says_where_to_go_on(self):
        relay = self.relay(self.smarthost(self.fake(), port=1), delivery={"retry": ["1h"]})
        sent = [self.send(relay, f"{n}") for n in range(3)]
        for running in (True, False):
            with self.subTest(running=running):
                if not running:
                    relay.stop()
                first = self.listed(relay, "--limit", "2")
                self.assertEqual(2, len(first["messages"]))
                rest = self.listed(relay, "--limit", "2", "--cursor", first["next"])
                self.assertIsNone(rest["next"])
                self.assertEqual(sorted(sent), sorted(
                    m["id"] for m in first["messages"] + rest["messages"]))
                text = relay.command("queue", "list", "--limit", "2").stderr
                self.assertIn(f"--cursor {first['next']}", text)
                self.assertEqual("", relay.command("queue", "list", "--limit", "3").stderr)
        self.assertEqual(2, relay.command("queue", "list", "--cursor", "x", check=False).returncode)

    def test_a_relay_starts_while_commands_wait(self):
        """One at its question, one at a reader of its output that does not read."""
        relay = self.relay(self.smarthost(self.fake(), port=1), delivery={"retry": ["1h"]})
        big = self.send(relay, octets=message("big")
                        + (b"z" * 70 + b"\r\n") * 40000)
        relay.stop()
        export = subprocess.Popen([BINARY, "queue", "export", big, "--config", relay.config],
                                  stdout=subprocess.PIPE)
        terminal, other_end = pty.openpty()
        delete = subprocess.Popen([BINARY, "queue", "delete", "--all", "--config", relay.config],
                                  stdin=other_end, stdout=other_end, stderr=other_end)
        try:
            question = os.read(terminal, 500)
            self.assertIn(b"Delete every message that waits?", question)
            self.assertTrue(export.stdout.read(1))
            relay.start()
            os.write(terminal, b"n\n")
            self.assertEqual(1, delete.wait(20))
            self.assertGreater(len(export.stdout.read()), 2_000_000)
            self.assertEqual(0, export.wait(20))
            self.assertEqual(1, relay.status()["queue"]["queued"])
        finally:
            for process in (export, delete):
                process.kill()
                process.wait()
            export.stdout.close()
            os.close(terminal)
            os.close(other_end)

    def test_commands_that_change_a_spool_wait_for_each_other(self):
        relay = self.relay(self.smarthost(self.fake(), port=1), delivery={"retry": ["1h"]})
        identifiers = [self.send(relay, f"{n}") for n in range(6)]
        relay.stop()
        commands = [subprocess.Popen([BINARY, "queue", "hold", each, "--config", relay.config],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                    for each in identifiers]
        for command in commands:
            out, err = command.communicate(timeout=60)
            self.assertEqual((0, "1 message held\n"), (command.returncode, out), err)

    def test_send_says_that_an_accepted_message_is_kept_when_relay_dies(self):
        server = self.fake()
        server.stop()
        relay = self.relay(self.smarthost(server), delivery={"retry": ["1h"]})
        send = subprocess.Popen([BINARY, "send", "--to", "ada@dest.example", "--from",
                                 "app@example.com", "--config", relay.config],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("accepted", send.stdout.readline())
        relay.kill()
        _, err = send.communicate(timeout=30)
        self.assertEqual(1, send.returncode)
        self.assertRegex(err, "is on disk.*relay queue show ")

    def test_send_to_a_server_without_a_greeting_names_no_key_of_the_configuration(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            closing = threading.Thread(target=lambda: silent.accept()[0].close())
            closing.start()
            done = subprocess.run([BINARY, "send", "--to", "ada@dest.example", "--server",
                                   f"127.0.0.1:{port}"], capture_output=True, text=True)
            closing.join()
        self.assertEqual(1, done.returncode)
        self.assertNotIn("set tls", done.stderr)
        self.assertIn("465", done.stderr)

    def test_send_tells_a_refused_sign_in_as_such(self):
        server = self.fake()
        server.faults.replies["auth"] = "535 5.7.8 Username and password not accepted"
        server.faults.replies["ehlo"] = "250-fake.example\r\n250 AUTH PLAIN LOGIN"
        password = self.scratch.path / "password"
        password.write_text("wrong")
        relay = self.relay(self.smarthost(server))
        done = relay.command("send", "--to", "ada@dest.example", "--server",
                             f"127.0.0.1:{server.port}", "--user", "app", "--password-file",
                             str(password), check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("the sign-in was refused: 535", done.stderr)
        del server.faults.replies["ehlo"]
        # Whose words they are is known by the host.
        online = relay.command("check", "--online", check=False)
        self.assertIn("Username and password not accepted", online.stdout + online.stderr)
        self.assertNotIn("Gmail", online.stdout + online.stderr)

    def test_check_refuses_what_run_would_refuse(self):
        relay = self.relay(self.smarthost(self.fake()), log={"level": "info"})
        relay.stop()
        good = relay.config.read_text()
        place = self.scratch.path
        (place / "file").write_text("")
        missing, taken = f"unix:{place}/none/smtp", f"unix:{place}/file"
        listen = 'listen = ["127.0.0.1:0"]'
        faults = {
            "a socket in a missing folder": (listen, f'listen = ["{missing}"]',
                                             f"server.listen: .*{place}/none is not there"),
            "a file in a socket's place": (listen, f'listen = ["127.0.0.1:0", "{taken}"]',
                                           "server.listen: .*a file that is no socket"),
            "no folder of the log": ("[log]", f'[log]\nfile = "{place}/none/relay.log"', "log.file"),
            "no folder": (f'directory = "{relay.spool}"', f'directory = "{place}/file/spool"',
                          "spool.directory"),
        }
        for name, (old, new, key) in faults.items():
            with self.subTest(name):
                self.assertIn(old, good)
                relay.config.write_text(good.replace(old, new))
                done = relay.command("check", check=False)
                self.assertEqual(78, done.returncode, done.stdout + done.stderr)
                self.assertRegex(done.stdout + done.stderr, rf"relay.*:\d+:.*{key}")
        # Systemd makes it together with the service.
        relay.config.write_text(good.replace(listen, 'listen = ["unix:/run/none-yet/smtp"]'))
        self.assertEqual(0, relay.command("check", check=False).returncode)
        for name, listen, admin, port, key in (
                ("admin", "127.0.0.1:2999", "127.0.0.1:2999", 25, "admin.listen"),
                ("loop", "127.0.0.1:2999", "127.0.0.1:2998", 2999, "smarthost.host")):
            with self.subTest(name):
                relay.config.write_text(
                    f'[server]\nlisten = ["{listen}"]\n[admin]\nlisten = ["{admin}"]\n'
                    f'[spool]\ndirectory = "{relay.spool}"\n'
                    f'[smarthost]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n'
                    'auth = "none"\n')
                done = relay.command("check", check=False)
                self.assertEqual(78, done.returncode, done.stdout + done.stderr)
                self.assertIn(f"{key}: ", done.stdout + done.stderr)

    def test_commands_agree_about_a_relay_whose_control_socket_is_gone(self):
        relay = self.relay(self.smarthost(self.fake()))
        (relay.spool / "control.sock").unlink()
        said = set()
        for words in (("status",), ("queue", "list"), ("send", "--to", "ada@dest.example")):
            done = relay.command(*words, check=False)
            self.assertEqual(1, done.returncode)
            said.add(done.stderr)
        self.assertEqual(1, len(said), said)
        self.assertIn("its spool cannot be opened either", said.pop())

    def test_a_message_named_twice_counts_once(self):
        relay = self.relay(self.smarthost(self.fake(), port=1), delivery={"retry": ["1h"]})
        identifier = self.send(relay)
        relay.stop()
        held = relay.command("queue", "hold", identifier, identifier)
        self.assertEqual("1 message held\n", held.stdout)

    def test_common_options_stand_in_front(self):
        relay = self.relay(self.smarthost(self.fake(), port=1), delivery={"retry": ["1h"]})
        identifier = self.send(relay)
        for words in (("--json", "queue", "list"), ("queue", "--json", "list"),
                      ("--color", "never", "--json", "queue", "list")):
            with self.subTest(words=words):
                listed = json.loads(relay.command(*words).stdout)
                self.assertEqual(identifier, listed["messages"][0]["id"])
        done = relay.command("--json", "run", check=False)
        self.assertEqual(2, done.returncode)
        self.assertIn('unexpected argument "--json"', done.stderr)
        done = relay.command("--color", "never", "queu", check=False)
        self.assertIn('did you mean "queue"?', done.stderr)

    def test_without_a_relay_show_says_when_the_next_attempt_can_be(self):
        relay = self.relay(self.smarthost(self.fake(), port=1), delivery={"retry": ["5s"]})
        identifier = self.send(relay)
        relay.stop()
        story = relay.command("queue", "show", identifier).stdout
        self.assertIn("attempt as soon as relay runs", story)


if __name__ == "__main__":
    unittest.main()
