"""Real mail servers as smarthosts, real programs as clients."""

import email
import email.policy
import unittest

from support import clients
from support.case import SystemCase, message
from support.certificates import public_key_pin
from support.exim import Exim
from support.opensmtpd import OpenSmtpd
from support.postfix import Postfix
from support.raw_client import RawClient, dot_stuffed
from support.sandbox import require


class SmarthostsTest(SystemCase):
    @classmethod
    def setUpClass(cls):
        require()
        super().setUpClass()
        cls.postfix = cls.started(Postfix(cls.scratch.path / "postfix", cls.authority))

    @classmethod
    def started(cls, server):
        cls.addClassCleanup(server.stop)
        return server.start()

    def expect_exact(self, server, original, marker):
        """The maildir has the message as sent; there lines end in LF."""
        received = server.mail.wait_for_marker(marker)
        self.assertEqual(original.replace(b"\r\n", b"\n"), received.without_trace())
        return received

    def through(self, server, subject, **overrides):
        relay = self.relay(self.smarthost(server, **overrides))
        octets = message(subject, b".dots\r\n..\r\n\r\n8-bit: \xc3\xa4\r\nlast\r\n")
        self.send(relay, octets=octets)
        received = self.expect_exact(server, octets, b"Subject: " + subject.encode())
        self.assertIn(b"by relay.example", received.raw)
        relay.wait_until_empty()
        return relay

    def test_postfix_with_starttls_and_each_mechanism(self):
        for mechanism in ("auto", "plain", "login", "cram-md5", "scram-sha-256"):
            with self.subTest(mechanism):
                relay = self.through(self.postfix, f"postfix-{mechanism}", auth=mechanism)
                smarthost = relay.status()["smarthosts"][0]
                self.assertEqual("ok", smarthost["health"])
                self.assertIn("TLSv1.3", smarthost["tls"])
                relay.wait_for_log(r"delivered.*TLSv1\.3")

    def test_postfix_with_implicit_tls(self):
        self.through(self.postfix, "postfix-implicit", port=self.postfix.smtps, tls="implicit")

    def test_exim_with_starttls_and_implicit_tls(self):
        exim = self.started(Exim(self.scratch.path / "exim", self.authority))
        for mechanism in ("auto", "plain", "login", "cram-md5"):
            with self.subTest(mechanism):
                self.through(exim, f"exim-{mechanism}", auth=mechanism)
        self.through(exim, "exim-implicit", port=exim.smtps, tls="implicit")

    def test_exim_with_a_token_and_with_a_client_certificate(self):
        exim = self.started(Exim(self.scratch.path / "exim-tokens", self.authority))
        for mechanism in ("xoauth2", "oauthbearer"):
            with self.subTest(mechanism):
                self.through(exim, f"exim-{mechanism}", auth=mechanism, password=exim.TOKEN)
                stale = self.relay(self.smarthost(exim, auth=mechanism, password="stale"))
                self.send(stale, "never")
                stale.wait_for_log("sign-in refused.*535")
        certificate, key = self.authority.issue("application", purpose="clientAuth")
        self.through(exim, "exim-external", auth="external", username=None, password=None,
                     client_certificate=certificate, client_key=key)
        self.assertRegex(exim.log(), "A=external:CN=application")

    def test_a_pin_holds_and_a_strange_one_keeps_the_mail(self):
        pin = public_key_pin(self.postfix.certificate)
        # The pin is enough where nobody vouches for the certificate.
        self.through(self.postfix, "pinned", fingerprint=[pin], verify=False, ca_file=None)
        strange = self.relay(self.smarthost(self.postfix, fingerprint=["sha256//" + "A" * 43 + "="]))
        self.send(strange, "never")
        strange.wait_for_log("(?i)fingerprint")
        self.assertEqual(1, strange.status()["queue"]["queued"])

    def test_opensmtpd_without_tls(self):
        server = self.started(OpenSmtpd(self.scratch.path / "opensmtpd"))
        self.through(server, "opensmtpd-plain", port=server.port, tls="none", ca_file=None,
                     username=None, password=None)

    def test_nul_octets_reach_real_servers_and_end_no_message(self):
        """Only a line of NULs and one dot gets another one: OpenSMTPD takes ". NUL" for the end."""
        body = (b"\0\r\n\0\0x\r\n.\0\r\n.\0.\r\n\0..\r\n\0.x\r\nx\0.\r\n%b\r\n%b\r\n"
                b"MAIL FROM:<evil@x.example>\r\nlast\r\n")
        sent = message("nul", body % (b"\0.", b"\0\0.\0"))
        relay = self.relay(self.smarthost(self.postfix, port=self.postfix.smtps, tls="implicit"))
        self.send(relay, octets=sent)
        self.expect_exact(self.postfix, message("nul", body % (b"\0..", b"\0\0.\0.")), b"Subject: nul")

        server = self.started(OpenSmtpd(self.scratch.path / "opensmtpd-nul"))
        relay = self.relay({"host": "127.0.0.1", "port": server.port, "tls": "none"})
        self.send(relay, octets=sent)
        self.assertTrue(server.mail.wait_for(1)[0].raw.endswith(b"\nlast\n"))
        relay.wait_until_empty()
        self.assertEqual(1, server.mail.count())

    def test_a_wrong_password_at_postfix_pauses(self):
        relay = self.relay(self.smarthost(self.postfix, password="wrong"))
        self.send(relay, "never")
        relay.wait_for_log("(?i)535.*authentication failed")
        self.assertEqual(1, relay.status()["queue"]["queued"])

    def test_utf8_addresses_reach_postfix(self):
        relay = self.relay(self.smarthost(self.postfix))
        octets = ("From: app@example.com\r\nTo: grüße@dest.example\r\nSubject: Grüße aus UTF-8\r\n"
                  "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <u@app.example>\r\n\r\n"
                  "ä\r\n").encode()
        with RawClient(relay.port) as client:
            client.begin("app@example.com", ["grüße@dest.example"], " SMTPUTF8 BODY=8BITMIME")
            self.assertEqual(250, client.data(dot_stuffed(octets))[0])
        received = self.expect_exact(self.postfix, octets, "Grüße aus UTF-8".encode())
        self.assertEqual(["grüße@dest.example"], received.recipients)

    def test_clients(self):
        relay = self.relay(self.smarthost(self.postfix))
        for name in ("swaks", "msmtp", "nodemailer"):
            with self.subTest(name):
                send = getattr(clients, name)
                send(relay.port, "app@example.com", "ada@dest.example", f"by-{name}", "one line")
                received = self.postfix.mail.wait_for_marker(f"Subject: by-{name}".encode())
                parsed = email.message_from_bytes(received.raw, policy=email.policy.default)
                body = parsed.get_body(("plain",)).get_content()
                self.assertEqual("one line", body.strip())
                self.assertIsNotNone(parsed["Date"])
                self.assertIsNotNone(parsed["Message-ID"])
                if name == "nodemailer":
                    attached = next(parsed.iter_attachments()).get_content()
                    self.assertEqual(bytes(range(256)), attached)

    def test_many_messages_at_once(self):
        relay = self.relay(self.smarthost(self.postfix))
        before = self.postfix.mail.count()
        clients.smtp_source(relay.port, 20, 400, "load@example.com", "load@dest.example")
        self.postfix.mail.wait_for(before + 400, timeout=60)
        relay.wait_until_empty()
        self.assertEqual(before + 400, self.postfix.mail.count(), "some arrived twice")
        smarthost = relay.status()["smarthosts"][0]
        self.assertLess(smarthost["sessions"], 100, "connections are not reused")


if __name__ == "__main__":
    unittest.main()
