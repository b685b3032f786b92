"""A smarthost that fails: mail is kept, retried, refused or called unknown, never lost."""

import os
import signal
import threading
import time
import unittest

from support.case import SystemCase, message
from support.fake_smarthost import PASSWORD, SmtpSession
from support.raw_client import RawClient, dot_stuffed
from support.waiting import wait_until


class FailuresTest(SystemCase):
    def states(self, relay, identifier):
        return {r["address"]: r["state"] for r in relay.message(identifier)["recipients"]}

    def test_a_smarthost_down_at_start_gets_the_mail_when_it_is_up(self):
        reserved = self.fake()
        port = reserved.port
        reserved.stop()
        relay = self.relay(self.smarthost(reserved))
        self.send(relay, "early")
        wait_until(lambda: relay.status()["smarthosts"][0]["health"] == "failing",
                   "the smarthost to be called failing")
        server = self.fake(port=port)
        self.assertIn(b"Subject: early", server.wait_for(1)[0].data)
        relay.wait_until_empty()

    def test_dying_at_each_step_before_the_dot_only_delays(self):
        for step in ("connect", "greeting", "ehlo", "starttls", "tls", "auth", "mail", "rcpt",
                     "data", "body", "final-dot"):
            with self.subTest(step):
                # Without CHUNKING there is a DATA to die at.
                server = self.fake(extensions=["PIPELINING", "8BITMIME"])
                server.faults.drop, server.faults.times = step, 1
                relay = self.relay(self.smarthost(server))
                self.send(relay, f"at-{step}")
                self.assertIn(f"Subject: at-{step}".encode(), server.wait_for(1)[0].data)
                relay.wait_until_empty()
                self.assertEqual(1, len(server.messages))
                relay.kill()
                server.stop()

    def test_one_refused_recipient_fails_alone(self):
        server = self.fake()
        server.faults.refuse = {"bad@dest.example": "550 5.1.1 No such user here"}
        relay = self.relay(self.smarthost(server))
        identifier = self.send(relay, "three", ["a@dest.example", "bad@dest.example",
                                                "c@dest.example"])
        original, report = sorted(server.wait_for(2), key=lambda m: m.sender == "")
        self.assertEqual(["a@dest.example", "c@dest.example"], original.recipients)
        self.assertEqual(["app@example.com"], report.recipients)
        self.assertIn(b"multipart/report", report.data)
        self.assertIn(b"No such user here", report.data)
        self.assertIn(b"Final-Recipient: rfc822; bad@dest.example", report.data)
        relay.wait_until_empty()
        self.assertEqual({"a@dest.example": "delivered", "bad@dest.example": "failed",
                          "c@dest.example": "delivered"}, self.states(relay, identifier))

    def test_a_report_that_cannot_be_delivered_makes_no_further_report(self):
        server = self.fake()
        server.faults.replies["rcpt"] = "550 5.1.1 Nobody at all"
        relay = self.relay(self.smarthost(server))
        self.send(relay)
        server.wait_for_line("^RCPT TO:<app@example.com>")
        relay.wait_until_empty()
        self.assertEqual(1, sum(line.startswith("MAIL FROM:<>") for line in server.lines))

    def test_temporary_refusals_are_retried(self):
        for step in ("greeting", "mail", "rcpt", "data", "final-dot"):
            with self.subTest(step):
                server = self.fake(extensions=["PIPELINING", "8BITMIME"])
                server.faults.replies[step] = "451 4.7.1 Try again later"
                relay = self.relay(self.smarthost(server))
                identifier = self.send(relay, f"later-{step}")
                wait_until(lambda: len(relay.message(identifier)["history"]) >= 2,
                           "a second attempt")
                self.assertIn("Try again later", str(relay.message(identifier)["history"]))
                self.assertEqual([], server.messages)
                server.faults.replies.clear()
                server.wait_for(1)
                relay.wait_until_empty()
                relay.kill()

    def test_a_refused_sign_in_pauses_and_keeps_the_mail(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server, password="wrong"),
                           delivery={"retry": ["1h"]})
        for number in range(3):
            self.send(relay, f"kept-{number}")
        wait_until(lambda: relay.status()["smarthosts"][0]["health"] == "paused", "the pause")
        status = relay.status()
        self.assertEqual(3, status["queue"]["queued"])
        self.assertIn("535", status["smarthosts"][0]["problem"])
        self.assertEqual([], server.messages)
        self.assertLessEqual(server.sign_ins, 3, "hammered the provider")
        relay.wait_for_log("(?i)(error|warn).*535")
        self.assertNotIn("wrong", relay.log())
        relay.configure([self.smarthost(server)], delivery={"retry": ["1h"]})
        relay.reload()
        server.wait_for(3)
        relay.wait_until_empty()

    def test_the_log_tells_of_mail_that_is_given_up_for_its_age(self):
        server = self.fake()
        server.faults.replies["rcpt"] = "450 4.2.1 Mailbox busy"
        relay = self.relay(self.smarthost(server), spool={"keep_delivered": "0s"},
                           delivery={"retry": ["100ms"], "max_age": "1s", "bounce_to": "none"})
        identifier = self.send(relay)
        relay.wait_for_log(rf"failed +id={identifier} to=ada@dest.example .*given up after .*"
                           "450 4.2.1 Mailbox busy")

    def test_revoked_credentials_are_tried_once_in_each_growing_interval(self):
        times = []

        class Revoking(SmtpSession):
            def do_auth(self, text):
                times.append((self.server.revoked, time.monotonic()))
                if self.server.revoked:
                    self.server.faults.replies["auth"] = "535 5.7.8 Revoked"
                super().do_auth(text)

        server = self.fake(session=Revoking, extensions=["PIPELINING", "8BITMIME",
                                                         "LIMITS MAILMAX=2"])
        server.revoked = False
        relay = self.relay(self.smarthost(server), delivery={"retry": ["1s"]})
        for number in range(20):
            self.send(relay, f"before-{number}")
        server.wait_for(20)
        relay.wait_until_empty()
        server.faults.gate = threading.Event()
        with RawClient(relay.port) as client:
            client.expect("EHLO client.example", 250)
            for number in range(200):
                client.expect("MAIL FROM:<app@example.com>", 250)
                client.expect("RCPT TO:<ada@dest.example>", 250)
                self.assertEqual(250, client.data(dot_stuffed(message(f"m-{number}")))[0])
        # Every connection waits for its reply; then each ends, and others take its place.
        wait_until(lambda: relay.status()["smarthosts"][0]["connections"] >= 10, "10 connections")
        server.revoked = True
        server.faults.gate.set()
        wait_until(lambda: relay.status()["smarthosts"][0]["health"] == "paused", "the pause")
        first = next(when for revoked, when in times if revoked)
        wait_until(lambda: times[-1][1] > first + 3, "two more trials", 40)
        # Those that had sent it before the first answer came are one burst.
        after = [when for revoked, when in times if revoked and when > first + 0.5]
        for number, (one, next_one) in enumerate(zip([first, *after], after)):
            self.assertGreater(next_one - one, 0.9 * 2 ** number, [when - first for when in after])
        self.assertEqual(220, len(server.messages) + relay.status()["queue"]["queued"]
                         + relay.status()["queue"]["unknown"])

    def test_other_trouble_between_refused_sign_ins_does_not_make_them_more_frequent(self):
        for between in ("greeting", "auth"):
            with self.subTest(between):
                times = []

                class Throttling(SmtpSession):
                    sessions = 0

                    def run(self):
                        Throttling.sessions += 1
                        self.throttled = Throttling.sessions % 2 == 0
                        if self.throttled and between == "greeting":
                            self.say("421 4.7.0 Too many failed sign-ins")
                        else:
                            super().run()

                    def do_auth(self, text):
                        times.append(time.monotonic())
                        self.say("454 4.7.0 Too many login attempts" if self.throttled
                                 else "535 5.7.8 Wrong")

                server = self.fake(session=Throttling)
                relay = self.relay(self.smarthost(server), delivery={"retry": ["500ms"]})
                self.send(relay)
                wait_until(lambda: len(times) >= 5, "five sign-ins", 40)
                gaps = [after - before for before, after in zip(times, times[1:])]
                for number, gap in enumerate(gaps):
                    self.assertGreater(gap, 0.45 * 2 ** number, gaps)

    def test_queue_retry_tries_a_paused_smarthost_at_once(self):
        server = self.fake()
        server.faults.replies["auth"] = "535 5.7.8 Password expired"
        relay = self.relay(self.smarthost(server), delivery={"retry": ["1h"]})
        self.send(relay)
        wait_until(lambda: relay.status()["smarthosts"][0]["health"] == "paused", "the pause")
        server.faults.replies.clear()
        relay.command("queue", "retry", "--all")
        server.wait_for(1)

    def expect_no_credentials_sent(self, server, relay, words):
        identifier = self.send(relay)
        wait_until(lambda: relay.message(identifier)["history"], "an attempt")
        problem = relay.status()["smarthosts"][0]["problem"]
        self.assertRegex(problem, words)
        self.assertEqual([], server.messages)
        self.assertFalse([line for line in server.lines if line.startswith("AUTH")])
        self.assertEqual(1, relay.status()["queue"]["queued"])

    def test_no_starttls_means_no_delivery(self):
        server = self.fake(starttls=False)
        relay = self.relay(self.smarthost(server))
        self.expect_no_credentials_sent(server, relay, "STARTTLS")
        self.assertFalse([line for line in server.lines if line.startswith("MAIL")])

    def test_certificates_that_must_not_be_trusted(self):
        wrong_name = self.authority.issue("elsewhere", names=("DNS:elsewhere.example",))
        expired = self.authority.issue("expired", expired=True)
        client_only = self.authority.issue("client", purpose="clientAuth")
        stranger = type(self.authority)(self.scratch.path / "stranger").issue("fake")
        cases = {
            "another name": (wrong_name, "(?i)name|elsewhere|localhost"),
            "expired": (expired, "(?i)expired"),
            "made for clients": (client_only, "(?i)purpose|not issued for TLS servers"),
            "of an unknown authority": (stranger, "(?i)certificate|issuer|trust"),
        }
        for name, ((certificate, key), words) in cases.items():
            for implicit in (False, True):
                with self.subTest(name, implicit=implicit):
                    server = self.fake(certificate=certificate, key=key, implicit=implicit)
                    relay = self.relay(self.smarthost(server))
                    self.expect_no_credentials_sent(server, relay, words)
                    relay.kill()

    def test_a_reply_lost_after_the_dot_is_unknown_and_repeated_later(self):
        server = self.fake()
        server.faults.drop, server.faults.times = "after-commit", 1
        relay = self.relay(self.smarthost(server), delivery={"retry": ["1s", "2s"]})
        identifier = self.send(relay, "perhaps")
        server.wait_for(1)
        wait_until(lambda: relay.message(identifier)["state"] == "unknown",
                   lambda: f"the outcome unknown: {relay.message(identifier)}")
        self.assertEqual(1, relay.status()["queue"]["unknown"])
        server.wait_for(2)
        relay.wait_until_empty()
        self.assertEqual(server.messages[0].data, server.messages[1].data)

    def test_octets_between_220_and_the_handshake_end_the_connection(self):
        server = self.fake()
        server.faults.replies["starttls"] = "220 2.0.0 Ready\r\n250 injected"
        relay = self.relay(self.smarthost(server))
        identifier = self.send(relay)
        wait_until(lambda: relay.message(identifier)["history"], "an attempt")
        self.assertEqual([], server.messages)
        self.assertFalse([line for line in server.lines if line.startswith("AUTH")])

    def test_fail_over_to_the_next_priority(self):
        down = self.fake()
        down.stop()
        server = self.fake()
        relay = self.relay(self.smarthost(down, name="first", priority=0),
                           self.smarthost(server, name="second", priority=1))
        identifier = self.send(relay)
        server.wait_for(1)
        relay.wait_until_empty()
        first, second = relay.message(identifier)["history"]
        self.assertEqual(["first", "failover"], [first["smarthost"], first["outcome"]])
        self.assertIsNone(first["reply"])
        self.assertIn("refused", first["problem"])
        self.assertEqual(["second", "delivered"], [second["smarthost"], second["outcome"]])
        self.assertIsNone(second["problem"])
        self.assertTrue(second["reply"].startswith("250 "))
        story = relay.command("queue", "show", identifier).stdout
        self.assertRegex(story, r"failover +first .*refused.*; the next one was tried at once")

    def test_limits_of_the_smarthost_are_obeyed(self):
        server = self.fake(extensions=["PIPELINING", "LIMITS RCPTMAX=3 MAILMAX=2"])
        relay = self.relay(self.smarthost(server, max_connections=1))
        recipients = [f"r{number}@dest.example" for number in range(8)]
        self.send(relay, "limits", recipients)
        server.wait_for(3)
        relay.wait_until_empty()
        self.assertEqual(recipients, sorted(r for m in server.messages for r in m.recipients))
        self.assertLessEqual(max(len(m.recipients) for m in server.messages), 3)
        self.assertGreaterEqual(server.sessions, 2, "MAILMAX=2 allows two messages a session")

    def test_a_stop_waits_for_the_reply_to_the_dot(self):
        server = self.fake()
        server.faults.gate = threading.Event()
        relay = self.relay(self.smarthost(server))
        self.send(relay, "slow")
        server.wait_for_line("^(DATA|BDAT)")
        stopping = threading.Thread(target=relay.stop)
        stopping.start()
        relay.wait_for_log("stopping")
        server.faults.gate.set()
        stopping.join(40)
        self.assertEqual(1, len(server.messages))
        relay.start()
        relay.wait_until_empty()
        self.assertEqual(1, len(server.messages), "delivered again although it was accepted")

    def test_a_reload_that_waits_for_a_secret_keeps_neither_mail_nor_a_stop_waiting(self):
        secret = self.scratch.path / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        server = self.fake()
        smarthost = {**self.smarthost(server), "password_file": str(secret)}
        del smarthost["password"]
        relay = self.relay(smarthost)
        secret.unlink()
        os.mkfifo(secret, 0o600)
        relay.reload()
        with open(secret, "wb"):  # relay has come to read it, and nothing is said
            large = message("large", b"x\r\n" * 200_000)  # its file is read on another thread
            self.send(relay, "small")
            self.send(relay, octets=large)
            server.wait_for(2)
            relay.process.send_signal(signal.SIGTERM)
            relay.wait_for_log("stopping: open transactions may end first")
            self.assertNotIn("configuration", relay.log())  # the waiting had no end yet
        self.assertEqual(0, relay._ended(40))

    def test_a_reload_that_waits_for_another_file_keeps_neither_mail_nor_a_stop_waiting(self):
        users = self.scratch.path / "waited-for-users"
        users.write_text("# nobody yet\n")
        server = self.fake()
        relay = self.relay(self.smarthost(server), server={"users_file": str(users)})
        users.unlink()
        os.mkfifo(users, 0o600)
        relay.reload()
        with open(users, "wb"):  # relay has come to read it, and nothing is said
            self.send(relay)
            server.wait_for(1)
            self.assertNotIn("configuration reloaded", relay.log())
        relay.wait_for_log("configuration reloaded")
        relay.reload()
        with open(users, "wb"):
            relay.process.send_signal(signal.SIGTERM)
            self.assertEqual(0, relay._ended(40))

    def test_a_second_relay_on_the_same_spool_is_refused(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        done = relay.command("run", check=False, timeout=20)
        self.assertNotEqual(0, done.returncode)
        self.assertRegex(done.stderr + done.stdout, "(?i)already|another|in use")
        self.send(relay)
        server.wait_for(1)


if __name__ == "__main__":
    unittest.main()
