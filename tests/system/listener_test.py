"""What open connections see when relay stops or reloads."""

import socket
import ssl
import unittest

from support.case import SystemCase, message
from support.raw_client import RawClient, dot_stuffed


class StopTest(SystemCase):
    def test_a_stop_says_421_to_each_client_and_lets_a_transaction_end(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        with RawClient(relay.port) as idle, RawClient(relay.port) as busy, \
                RawClient(relay.port) as stuck:
            idle.expect("EHLO client.example", 250)
            for client in (busy, stuck):
                client.begin("app@example.com", ["ada@dest.example"])
                client.expect("DATA", 354)
            stuck.write(b"Subject: never ends\r\n")
            relay.process.terminate()
            relay.wait_for_log("stopping")
            self.assertEqual(421, idle.reply()[0])
            self.assertEqual(0, idle.reply()[0])
            busy.write(dot_stuffed(message("last")))
            self.assertEqual(250, busy.reply()[0])
            self.assertEqual(421, busy.reply()[0])
            # Whoever does not end within the grace of ten seconds is told too.
            self.assertEqual(421, stuck.reply()[0])
            self.assertEqual(0, stuck.reply()[0])
        self.assertEqual(0, relay.stop())
        self.assertLessEqual({m.subject for m in server.messages}, {"last"})


class ReloadTest(SystemCase):
    def greets_within_tls(self, port):
        """False when the connection is closed instead."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, \
                    context.wrap_socket(plain, server_hostname="localhost") as secure:
                return secure.recv(4) == b"220 "
        except ConnectionError:
            return False
        except ssl.SSLEOFError:
            return False

    def test_a_port_for_tls_without_a_certificate_serves_nobody_in_clear(self):
        server = self.fake()
        tls = {"tls_listen": ["127.0.0.1:0"], "certificate": self.certificate,
               "private_key": self.key}
        relay = self.relay(self.smarthost(server), server=tls)
        port = int(relay.wait_for_log(r"127\.0\.0\.1:(\d+)\S* tls=\S*implicit").group(1))
        self.assertTrue(self.greets_within_tls(port))
        relay.configure([self.smarthost(server)])
        relay.reload()
        relay.wait_for_log("configuration reloaded")
        self.assertFalse(self.greets_within_tls(port))
        relay.wait_for_log("taken out of the configuration: restart relay")
        self.send(relay)  # the other port goes on
        server.wait_for(1)


if __name__ == "__main__":
    unittest.main()
