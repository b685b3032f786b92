"""kill -9 under load: what was answered with 250 arrives after the restart."""

import re
import threading
import unittest

from support.case import SystemCase, message
from support.raw_client import RawClient, dot_stuffed
from support.waiting import wait_until


class Sender(threading.Thread):
    """Sends numbered messages until its connection breaks; notes which were acknowledged."""

    def __init__(self, port, name, body):
        super().__init__(daemon=True)
        self.port, self.prefix, self.body = port, name, body
        self.acknowledged = []

    def run(self):
        try:
            with RawClient(self.port) as client:
                client.expect("EHLO client.example", 250)
                for number in range(100000):
                    subject = f"{self.prefix}-{number}"
                    client.expect("MAIL FROM:<app@example.com>", 250)
                    client.expect("RCPT TO:<ada@dest.example>", 250)
                    code, _ = client.data(dot_stuffed(message(subject, self.body)))
                    if code != 250:
                        return
                    self.acknowledged.append(subject)
        except (OSError, AssertionError, ValueError):
            pass  # killed in the middle: this message was not acknowledged


class CrashTest(SystemCase):
    def test_every_acknowledged_message_survives_kills(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server), start=False)
        acknowledged = []
        for life in range(3):
            relay.start()
            senders = [Sender(relay.port, f"m{life}-{n}",
                              b"x" * 70 + b"\r\n" if n else (b"y" * 78 + b"\r\n") * 4000)
                       for n in range(6)]
            for sender in senders:
                sender.start()
            wait_until(lambda: sum(len(s.acknowledged) for s in senders) >= 150,
                       "150 acknowledged messages", 40)
            relay.kill()
            for sender in senders:
                sender.join(20)
                acknowledged.extend(sender.acknowledged)
        relay.start()
        relay.wait_until_empty(90)
        arrived = {re.search(rb"^Subject: (\S+)\r$", m.data, re.MULTILINE).group(1).decode()
                   for m in server.messages}
        self.assertEqual(set(), set(acknowledged) - arrived)
        self.assertGreaterEqual(len(acknowledged), 450)
        for received in server.messages:
            self.assertTrue(received.data.endswith(b"\r\n"))

    def test_a_crash_while_a_reply_is_awaited_is_an_unknown_outcome(self):
        server = self.fake()
        server.faults.gate = threading.Event()
        relay = self.relay(self.smarthost(server), delivery={"retry": ["1s", "2s"]})
        self.send(relay, "in-flight")
        server.wait_for_line("^(DATA|BDAT)")
        relay.kill()
        relay.start()
        server.faults.gate.set()
        wait_until(lambda: any(b"Subject: in-flight" in m.data for m in server.messages),
                   "the message")
        relay.wait_until_empty()


if __name__ == "__main__":
    unittest.main()
