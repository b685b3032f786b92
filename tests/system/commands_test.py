"""The commands as people and scripts use them, against a running server and without one."""

import json
import os
import subprocess
import sys
import unittest
from unittest import mock

from support.case import SystemCase, message
from support.certificates import Authority, public_key_pin
from support.fake_smarthost import PASSWORD, USER
from support.relay import BINARY, ROOT
from support.waiting import wait_until


class CommandsTest(SystemCase):
    def queue(self, relay, *words):
        return json.loads(relay.command("queue", *words, "--json").stdout)

    def test_send_follows_the_message_to_the_final_reply(self):
        server = self.fake()
        server.faults.replies["final-dot"] = "250 2.0.0 thank you"
        relay = self.relay(self.smarthost(server))
        done = relay.command("send", "--to", "ada@dest.example", "--from", "app@example.com")
        self.assertIn("250 2.0.0 thank you", done.stdout)
        self.assertEqual(1, len(server.messages))

    def test_send_ends_with_1_when_the_smarthost_refuses(self):
        server = self.fake()
        server.faults.refuse = {"bad@dest.example": "550 5.1.1 No such user here"}
        relay = self.relay(self.smarthost(server))
        done = relay.command("send", "--to", "bad@dest.example", "--from", "app@example.com",
                             check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("No such user here", done.stdout + done.stderr)

    def test_send_tells_what_became_of_each_recipient(self):
        server = self.fake()
        server.faults.refuse = {"bad@dest.example": "550 5.1.1 No such user here"}
        relay = self.relay(self.smarthost(server), delivery={"bounce_to": "none"},
                           server={"max_recipients": 2})
        words = ("send", "--to", "ada@dest.example", "--to", "bad@dest.example",
                 "--to", "third@dest.example", "--from", "app@example.com")
        done = relay.command(*words, check=False)
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stdout, "delivered +ada@dest.example: 250")
        self.assertRegex(done.stdout, "failed +bad@dest.example: 550 5.1.1 No such user here")
        self.assertRegex(done.stdout, r"refused +third@dest.example: 452 ")
        self.assertIn("bad@dest.example: the message was not delivered: 550", done.stderr)
        self.assertIn("third@dest.example: the message was refused: 452", done.stderr)
        self.assertNotIn("ada@", done.stderr)
        answer = json.loads(relay.command(*words, "--json", check=False).stdout)
        self.assertEqual("partial", answer["outcome"])
        self.assertEqual([["ada@dest.example", "delivered"], ["bad@dest.example", "failed"],
                          ["third@dest.example", "refused"]],
                         [[r["address"], r["outcome"]] for r in answer["recipients"]])
        # The list quotes the reply that explains the outcome.
        listed = relay.command("queue", "list", "--state", "failed").stdout
        self.assertIn("550 5.1.1 No such user here", listed)
        self.assertNotIn("250 ", listed)

    def test_send_tells_an_unknown_outcome_as_such(self):
        server = self.fake()
        server.faults.drop = "final-dot"
        relay = self.relay(self.smarthost(server), delivery={"retry": ["1h"]})
        done = relay.command("send", "--to", "ada@dest.example", "--from", "app@example.com",
                             check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("nobody knows whether the mail went through", done.stderr)

    def test_send_takes_the_smarthosts_address_for_a_sender(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        relay.command("send", "--to", "ada@dest.example")
        self.assertEqual(USER, server.messages[0].sender)

    def test_send_speaks_implicit_tls_where_nothing_else_is_spoken(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server), server={
            "listen": [], "tls_listen": ["127.0.0.1:0"], "certificate": self.certificate,
            "private_key": self.key})
        self.assertIn("(implicit TLS)", relay.command("status").stdout)
        relay.command("send", "--to", "ada@dest.example", "--from", "app@example.com", timeout=20)
        self.assertEqual(1, len(server.messages))
        relay.stop()
        relay = self.relay(self.smarthost(server), server={
            "tls_listen": ["127.0.0.1:0"], "certificate": self.certificate,
            "private_key": self.key})
        relay.command("send", "--to", "ada@dest.example", "--from", "app@example.com", timeout=20)

    def test_send_sends_an_empty_body_when_told_so(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        relay.command("send", "--to", "ada@dest.example", "--from", "app@example.com", "--body", "")
        self.assertEqual(b"", server.messages[0].data.partition(b"\r\n\r\n")[2].strip())

    def test_folders_in_the_place_of_files(self):
        relay = self.relay(self.smarthost(self.fake()))
        folder = str(self.scratch.path)
        send = ("send", "--to", "ada@dest.example", "--from", "app@example.com")
        for status, config, words in (
                (1, True, (*send, "--attach", folder)),
                (1, True, (*send, "--user", "app", "--password-file", folder)),
                (2, False, ("sink", "--user", "app", "--password-file", folder)),
                (1, False, ("user", "app", "--password-file", folder)),
                (2, False, ("vantage", "--token-file", folder))):
            with self.subTest(words=words):
                done = relay.command(*words, check=False, config=config)
                self.assertEqual(status, done.returncode, done.stderr)
                self.assertIn(f"{folder} is a folder, not a file", done.stderr)

    def test_queue_commands_with_and_without_a_server(self):
        server = self.fake()
        server.faults.replies["mail"] = "451 4.7.1 Later"
        relay = self.relay(self.smarthost(server), delivery={"retry": ["1h"]})
        identifiers = [self.send(relay, f"waiting-{n}") for n in range(3)]
        for identifier in identifiers:  # a hold takes effect after the attempt under way
            wait_until(lambda: "451 4.7.1" in relay.command("queue", "show", identifier).stdout,
                       f"the first attempt of {identifier}")
        for running in (True, False):
            with self.subTest(running=running):
                if not running:
                    self.assertEqual(0, relay.stop())
                self.assertIn(identifiers[0], relay.command("queue", "list").stdout)
                self.assertIn("waiting-0", relay.command("queue", "show", identifiers[0]).stdout)
                exported = relay.command("queue", "export", identifiers[0]).stdout
                self.assertIn("Subject: waiting-0", exported)
                relay.command("queue", "hold", identifiers[0])
                self.assertIn("held", relay.command("queue", "show", identifiers[0]).stdout)
                relay.command("queue", "release", identifiers[0])
                self.assertNotIn("held", relay.command("queue", "show", identifiers[0]).stdout)
        relay.command("queue", "delete", identifiers[2])
        server.faults.replies.clear()
        relay.command("queue", "retry", "--all")
        relay.start()
        server.wait_for(2)
        relay.wait_until_empty()
        self.assertEqual(["waiting-0", "waiting-1"], sorted(m.subject for m in server.messages))

    def test_they_need_none_of_the_secrets_of_the_server(self):
        """From any shell beside the server, and without a run of password_command each time."""
        server = self.fake()
        for form in ("password_env", "password_command", "password_credential"):
            with self.subTest(form):
                ran = self.scratch.path / f"{form}-ran"
                value = {"password_env": "SMARTHOST_PASSWORD", "password_credential": "smarthost",
                         "password_command": f"echo >> {ran}; echo {PASSWORD}"}[form]
                credentials = self.scratch.path / f"{form}-credentials"
                credentials.mkdir()
                (credentials / "smarthost").write_text(PASSWORD)
                with mock.patch.dict(os.environ, {"SMARTHOST_PASSWORD": PASSWORD,
                                                  "CREDENTIALS_DIRECTORY": str(credentials)}):
                    relay = self.relay(self.smarthost(server, password=None, **{form: value}))
                    self.send(relay, form)
                    relay.wait_until_empty()
                for words in (("status",), ("queue", "list"), ("queue", "stats"),
                              ("send", "--to", "ada@dest.example", "--from", "app@example.com")):
                    done = relay.command(*words)
                    self.assertEqual("", done.stderr)
                relay.stop()
                self.assertEqual("", relay.command("queue", "list").stderr)
                self.assertIn("no relay runs", relay.command("status", check=False).stderr)
                if form == "password_command":
                    self.assertEqual(1, len(ran.read_text().splitlines()))

    def test_they_tell_faults_that_do_not_concern_them_and_work(self):
        relay = self.relay(self.smarthost(self.fake()))
        good = relay.config.read_text()
        relay.config.write_text(good.replace("[delivery]", "[delivery]\nmax_ages = 5"))
        for words in (("status",), ("queue", "list"),
                      ("send", "--to", "ada@dest.example", "--from", "app@example.com")):
            done = relay.command(*words)
            self.assertIn('unknown key "max_ages"', done.stderr)
            self.assertIn("this command works all the same", done.stderr)
        # Where the spool is, is what they cannot do without.
        for wrong in (good.replace("[spool]", "[spool]\ndirektory = 'x'"), good + "[spol]\n",
                      good + "[[["):
            relay.config.write_text(wrong)
            self.assertEqual(78, relay.command("queue", "list", check=False).returncode)

    def test_status_and_version_as_json(self):
        relay = self.relay(self.smarthost(self.fake(), name="main"))
        status = json.loads(relay.command("status", "--json").stdout)
        self.assertEqual("main", status["smarthosts"][0]["name"])
        self.assertIn("main", relay.command("status").stdout)
        version = json.loads(relay.command("version", "--json", config=False).stdout)
        self.assertIn("version", version)

    def test_health_and_metrics(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        self.send(relay)
        server.wait_for(1)
        relay.wait_until_empty()
        self.assertEqual(200, relay.api("GET", "/healthz")[0])
        self.assertEqual(200, relay.api("GET", "/readyz")[0])
        metrics = relay.api("GET", "/metrics")[1].decode()
        self.assertIn("relay_", metrics)

    def waiting_relay(self):
        relay = self.relay(self.smarthost(self.fake(), port=1), delivery={"retry": ["1h"]})
        return relay, self.send(relay)

    def test_export_writes_files_of_its_own(self):
        relay, identifier = self.waiting_relay()
        shared = self.scratch.path / "shared"
        shared.mkdir()
        other = shared / "other"
        other.write_text("another's\n")
        place = shared / f"{identifier}.eml"
        for before in ("a link", "a readable file"):
            with self.subTest(before):
                if before == "a link":
                    place.symlink_to(other)
                else:
                    place.write_text("old\n")
                    place.chmod(0o644)
                relay.command("queue", "export", "--all", "--directory", str(shared))
                self.assertIn("Subject: hello", place.read_text())
                self.assertEqual(0o100600, place.lstat().st_mode)
                self.assertEqual("another's\n", other.read_text())
                place.unlink()
        os.mkfifo(place)
        for words in (("--all", "--directory", str(shared)), (identifier, "-o", str(place))):
            done = relay.command("queue", "export", *words, check=False, timeout=20)
            self.assertEqual(1, done.returncode)
            self.assertIn("is in the way", done.stderr)
        self.assertEqual(["other", place.name], sorted(f.name for f in shared.iterdir())[::-1])

    def test_export_makes_its_folder_and_writes_to_devices(self):
        relay, identifier = self.waiting_relay()
        fresh = self.scratch.path / "fresh"
        relay.command("queue", "export", identifier, "--directory", str(fresh))
        self.assertEqual(0o40700, fresh.stat().st_mode)
        self.assertEqual([f"{identifier}.eml"], [f.name for f in fresh.iterdir()])
        for output in ("-", "/dev/stdout"):
            done = relay.command("queue", "export", identifier, "-o", output)
            self.assertIn("Subject: hello", done.stdout)
        done = relay.command("queue", "export", identifier, "-o", "/dev/full", check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("/dev/full", done.stderr)

    def test_deleting_a_selection_without_a_terminal_needs_yes(self):
        relay, identifier = self.waiting_relay()

        def delete(*words):
            return subprocess.run([BINARY, "queue", "delete", *words, "--config", relay.config],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True)
        done = delete("--all")
        self.assertEqual(2, done.returncode)
        self.assertIn("--yes", done.stderr)
        self.assertEqual(1, relay.status()["queue"]["queued"])
        self.assertEqual(0, delete("--all", "-y").returncode)
        self.assertEqual(0, relay.status()["queue"]["queued"])

    def test_values_that_no_option_takes_are_usage_errors(self):
        relay, _ = self.waiting_relay()
        for words in (("queue", "list", "--state", "foo"), ("queue", "hold", "--state", "held,x"),
                      ("queue", "list", "--from", ""), ("queue", "delete", "-y", "--to", ""),
                      ("send", "--to", "ada@dest.example", "--from", ""),
                      ("send", "--to", "no@@host")):
            with self.subTest(words=words):
                done = relay.command(*words, check=False)
                self.assertEqual(2, done.returncode, done.stdout + done.stderr)
        self.assertEqual(1, relay.status()["queue"]["queued"])

    def test_mail_without_a_sender_is_found(self):
        relay, identifier = self.waiting_relay()
        report = self.send(relay, "report", sender="")
        self.assertEqual([report], [m["id"] for m in
                                    self.queue(relay, "list", "--from", "<>")["messages"]])
        relay.stop()
        self.assertEqual([report], [m["id"] for m in
                                    self.queue(relay, "list", "--from", "<>")["messages"]])
        self.assertIn("will be tried as soon as relay runs",
                      relay.command("queue", "retry", identifier).stdout)

    def test_a_subject_is_found_as_people_read_it(self):
        relay, _ = self.waiting_relay()
        octets = message("x").replace(b"Subject: x", b"Subject: =?UTF-8?B?UsOpaW5p?=\r\n =?UTF-8?Q?_=E2=82=AC?=")
        identifier = self.send(relay, octets=octets)
        found = self.queue(relay, "list", "--search", "r\u00e9ini")["messages"]
        self.assertEqual([[identifier, "R\u00e9ini \u20ac"]],
                         [[m["id"], m["subject"]] for m in found])
        raw = relay.api("GET", f"/api/v1/messages/{identifier}/raw")[1]
        self.assertTrue(raw.endswith(octets), raw)

    def test_output_that_cannot_be_written_is_a_failure(self):
        relay, identifier = self.waiting_relay()
        for words in (("queue", "list", "--json"), ("queue", "show", identifier), ("check",)):
            with self.subTest(words=words), open("/dev/full", "wb") as full:
                done = subprocess.run([BINARY, *words, "--config", relay.config], stdout=full,
                                      stderr=subprocess.PIPE, text=True)
                self.assertEqual(1, done.returncode)
                self.assertIn("cannot write to standard output: no space left", done.stderr)

    def test_send_to_another_server_ends_with_its_acceptance(self):
        server = self.fake()
        other = self.relay(self.smarthost(server))
        here = self.relay(self.smarthost(server))
        words = ("send", "--to", "ada@dest.example", "--from", "app@example.com", "--server",
                 f"127.0.0.1:{other.port}")
        done = here.command(*words)
        self.assertEqual("", done.stderr)
        self.assertIn("queued as", done.stdout)
        answer = json.loads(here.command(*words, "--json").stdout)
        self.assertEqual("accepted", answer["outcome"])

    def test_send_where_no_record_is_kept_says_that_the_message_left(self):
        relay = self.relay(self.smarthost(self.fake()), spool={"keep_delivered": "0s"})
        words = ("send", "--to", "ada@dest.example", "--from", "app@example.com")
        done = relay.command(*words)
        self.assertEqual("", done.stderr)
        self.assertIn("left the queue", done.stdout)
        self.assertEqual("left", json.loads(relay.command(*words, "--json").stdout)["outcome"])

    def test_check_online_signs_in_without_sending(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server), start=False)
        self.assertEqual(0, relay.command("check", "--online").returncode)
        self.assertEqual(1, server.sign_ins)
        self.assertEqual([], server.messages)
        relay.configure([self.smarthost(server, password="wr0ng")])
        done = relay.command("check", "--online", check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("535", done.stdout + done.stderr)
        self.assertIn("Then reload: systemctl reload relay, or SIGHUP.", done.stdout)
        self.assertNotIn("wr0ng", done.stdout + done.stderr)

    def test_check_online_warns_of_a_sign_in_that_is_offered_and_not_configured(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server, username=None, password=None), start=False)
        done = relay.command("check", "--online")
        self.assertIn("without sign-in", done.stdout)
        self.assertRegex(done.stdout, r"warning: it offers a sign-in \(.*PLAIN.*\), and none is")
        answer = json.loads(relay.command("check", "--online", "--json").stdout)
        self.assertTrue(answer["ok"])
        self.assertIn("it may refuse mail", answer["online"][0]["advice"])
        relay.configure([self.smarthost(server, username=None, password=None, auth="none")])
        self.assertNotIn("warning", relay.command("check", "--online").stdout)

    def test_check_online_as_json_and_the_fingerprint_it_shows(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server), start=False)
        answer = json.loads(relay.command("check", "--online", "--json").stdout)
        self.assertTrue(answer["ok"])
        pin = answer["online"][0]["fingerprint"]
        self.assertRegex(pin, "^sha256//.{44}$")
        self.assertIn(f"key {pin}", relay.command("check", "--online").stdout)
        relay.configure([self.smarthost(server, password="wr0ng")])
        answer = json.loads(relay.command("check", "--online", "--json", check=False).stdout)
        self.assertFalse(answer["ok"])
        # A file that is refused for the lack of a fingerprint shows it, without a sign-in.
        signed_in = server.sign_ins
        relay.configure([self.smarthost(server, host="smtp.localhost", verify=False, ca_file=None)])
        done = relay.command("check", "--online", check=False)
        self.assertEqual(78, done.returncode)
        self.assertIn("verify: false would give the password", done.stdout)
        self.assertIn(f"key {pin}", done.stdout)
        self.assertEqual(signed_in, server.sign_ins)

    def test_check_online_names_the_key_of_a_certificate_it_refuses(self):
        server = self.fake()
        stranger = Authority(self.scratch.path / "stranger")
        relay = self.relay(self.smarthost(server, ca_file=stranger.certificate), start=False)
        done = relay.command("check", "--online", "--json", check=False)
        answer = json.loads(done.stdout)["online"][0]
        self.assertFalse(answer["ok"])
        pin = public_key_pin(self.certificate)
        self.assertEqual(pin, answer["fingerprint"])
        self.assertIn(pin, relay.command("check", "--online", check=False).stdout)
        self.assertEqual(0, server.sign_ins)
        # The remedy that it names is one.
        relay.configure([self.smarthost(server, ca_file=stranger.certificate, fingerprint=[pin])])
        self.assertEqual(0, relay.command("check", "--online").returncode)
        strange = "sha256//" + "A" * 43 + "="
        relay.configure([self.smarthost(server, ca_file=stranger.certificate,
                                        fingerprint=[strange])])
        done = relay.command("check", "--online", check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("not the pinned one", done.stdout)

    def test_faults_of_a_configuration_are_told_with_their_place(self):
        relay = self.relay(self.smarthost(self.fake()), start=False)
        with open(relay.config, "a") as config:
            config.write("[delivery2]\n")
        done = relay.command("run", check=False)
        self.assertEqual(78, done.returncode)
        self.assertRegex(done.stderr, r"relay\.toml:\d+:\d+: ")

    def test_reload_keeps_the_old_settings_when_the_file_is_bad(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        good = relay.config.read_text()
        relay.config.write_text(good + "[wrong]\n")
        relay.reload()
        relay.wait_for_log(r"relay\.toml:\d+")
        self.send(relay)
        server.wait_for(1)
        relay.config.write_text(good)
        relay.reload()
        relay.wait_for_log("configuration reloaded")

    def test_a_reload_turns_probing_on_and_off(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))  # probing is off
        self.assertIsNone(relay.status()["verdict"])
        off = relay.config.read_text()
        on = off.replace("enabled = false", f'enabled = true\ntargets = ["127.0.0.1:{server.port}"]')
        self.assertNotEqual(off, on)
        relay.config.write_text(on)
        relay.reload()
        wait_until(lambda: relay.status()["verdict"], "a verdict without a restart")
        relay.config.write_text(off)
        relay.reload()
        wait_until(lambda: not relay.status()["verdict"], "no verdict that grows old")

    def test_status_shows_the_last_minute(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        self.send(relay, recipients=("ada@dest.example", "bob@dest.example"))
        relay.wait_until_empty()
        self.assertEqual({"accepted": 1, "delivered": 2}, relay.status()["last_minute"])
        self.assertIn("1 messages accepted, 2 recipients delivered",
                      relay.command("status").stdout)

    def test_help_of_run_names_the_signals(self):
        text = self.relay(self.smarthost(self.fake()), start=False).command(
            "run", "--help", config=False).stdout
        for name in ("SIGTERM", "SIGHUP"):
            self.assertIn(name, text)

    def test_the_sink_keeps_what_it_gets(self):
        folder = self.scratch.path / "sink"
        folder.mkdir()
        (folder / "password").write_text("correct-horse-battery\n")
        ready = folder / "ready.json"
        sink = subprocess.Popen([BINARY, "sink", "--user", "app@example", "--password-file",
                                 folder / "password", "--directory", folder / "mail", "--ca-out",
                                 folder / "ca.pem", "--ready-file", ready, "--quiet"],
                                stdout=subprocess.DEVNULL)
        self.addCleanup(sink.wait)
        self.addCleanup(sink.terminate)
        addresses = json.loads(wait_until(lambda: ready.exists() and ready.read_text(), "the sink"))
        for key, tls in (("smtp", "starttls"), ("smtps", "implicit")):
            port = int(addresses[key].rsplit(":", 1)[1])
            relay = self.relay({"host": "localhost", "port": port, "tls": tls, "username":
                                "app@example", "password": "correct-horse-battery",
                                "ca_file": folder / "ca.pem"})
            self.send(relay, f"into-{key}")
            relay.wait_until_empty()
        kept = [f.read_text() for f in (folder / "mail").glob("*.eml")]
        self.assertEqual(2, len(kept))

    def test_the_demo_of_dev_run(self):
        done = subprocess.run([sys.executable, ROOT / "examples/demo/demo.py", BINARY, "--once"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"(?s)smarthost.*relay run.*250.*kept it as")


if __name__ == "__main__":
    unittest.main()
