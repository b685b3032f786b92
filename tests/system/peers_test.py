"""The private mail servers themselves, so that a failure elsewhere is the relay's."""

import smtplib
import ssl
import unittest

from support.certificates import Authority
from support.exim import Exim
from support.opensmtpd import OpenSmtpd
from support.postfix import Postfix
from support.sandbox import require
from support.scratch import Scratch

MESSAGE = (b"From: app@example.com\r\nTo: ada@dest.example\r\nSubject: straight\r\n"
           b"Message-ID: <1@example.com>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n"
           b"..two dots\r\nsecond\r\n")


class PeersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require()
        cls.scratch = Scratch(cls)
        cls.authority = Authority(cls.scratch.path / "ca")

    def send_over_tls(self, server):
        context = ssl.create_default_context(cafile=self.authority.certificate)
        with smtplib.SMTP("127.0.0.1", server.submission, timeout=20) as client:
            client.starttls(context=context)
            client.login(server.USER, server.PASSWORD)
            client.sendmail("app@example.com", ["ada@dest.example"], MESSAGE)
        with smtplib.SMTP_SSL("127.0.0.1", server.smtps, timeout=20, context=context) as client:
            with self.assertRaises(smtplib.SMTPAuthenticationError):
                client.login(server.USER, "wrong")

    def expect_the_message(self, server):
        try:
            received = server.mail.wait_for(1)[0]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{server.log()}") from error
        self.assertEqual(MESSAGE.replace(b"\r\n", b"\n"), received.without_trace())

    def started(self, server):
        self.addCleanup(server.stop)
        return server.start()

    def test_postfix_takes_and_stores_mail(self):
        server = self.started(Postfix(self.scratch.path / "postfix", self.authority))
        self.send_over_tls(server)
        self.expect_the_message(server)
        self.assertEqual(["ada@dest.example"], server.mail.messages()[0].recipients)

    def test_exim_takes_and_stores_mail(self):
        server = self.started(Exim(self.scratch.path / "exim", self.authority))
        self.send_over_tls(server)
        self.expect_the_message(server)

    def test_opensmtpd_takes_and_stores_mail(self):
        server = self.started(OpenSmtpd(self.scratch.path / "opensmtpd"))
        with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as client:
            client.sendmail("app@example.com", ["ada@dest.example"], MESSAGE)
        self.expect_the_message(server)


if __name__ == "__main__":
    unittest.main()
