"""kill -9 under load: what was answered with 250 arrives after the restart."""

import contextlib
import re
import sqlite3
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
        identifier = self.send(relay, "in-flight")
        server.wait_for_line("^(DATA|BDAT)")
        # The mark rides in a batch, behind the dot.
        wait_until(lambda: self.dots(relay, "counted = 0"), "the mark of the final dot")
        relay.kill()

        def shown():
            return relay.command("queue", "show", identifier).stdout
        self.assertIn(f"{identifier}  unknown", shown())
        relay.start()
        self.assertIn(f"{identifier}  unknown", shown())
        self.assertIn("after the final dot, before the reply", shown())
        self.assertIn("may have it already", shown())
        server.faults.gate.set()
        wait_until(lambda: any(b"Subject: in-flight" in m.data for m in server.messages),
                   "the message")
        relay.wait_until_empty()

    def test_a_message_that_takes_relay_along_before_its_dot_is_put_on_hold(self):
        server = self.fake(extensions=["PIPELINING", "8BITMIME"])  # without CHUNKING there is 354
        server.faults.replies["data"] = ""  # and it never comes
        relay = self.relay(self.smarthost(server, max_connections=1))
        identifier = self.send(relay, "poison")
        innocent = self.send(relay, "innocent")
        self.die_in_three_deliveries(relay, server)
        shown = relay.command("queue", "show", identifier).stdout
        self.assertIn(f"{identifier}  held", shown)
        self.assertEqual(3, shown.count("relay ended while it delivered this message"), shown)
        server.faults.replies.clear()
        relay.kill()
        relay.start()
        relay.wait_until_empty()
        self.assertEqual("delivered", relay.message(innocent)["state"])
        self.assertEqual("held", relay.message(identifier)["state"])
        relay.command("queue", "release", identifier)
        relay.wait_until_empty()
        self.assertEqual(["innocent", "poison"], [m.subject for m in server.messages])

    def test_the_hold_of_a_message_that_takes_relay_along_is_logged(self):
        server = self.fake(extensions=["PIPELINING", "8BITMIME"])
        server.faults.replies["data"] = ""
        relay = self.relay(self.smarthost(server))
        identifier = self.send(relay, "poison")
        self.die_in_three_deliveries(relay, server)
        relay.wait_for_log(f"put on hold.*id={identifier}.*relay queue release")
        self.assertEqual(1, relay.status()["queue"]["held"])

    def test_a_result_in_between_forgives_what_was_under_way_at_a_crash(self):
        server = self.fake(extensions=["PIPELINING", "8BITMIME"])
        relay = self.relay(self.smarthost(server))
        server.faults.replies["data"] = ""
        identifier = self.send(relay, "slow")
        for _ in range(4):
            wait_until(lambda: self.marked(relay), "the mark of the delivery")
            relay.kill()
            server.faults.replies["data"] = "451 4.3.0 Not now"
            relay.start()
            wait_until(lambda: "Not now" in str(relay.message(identifier)["history"][-1:]),
                       "a refusal")
            server.faults.replies["data"] = ""
        self.assertEqual("queued", relay.message(identifier)["state"])

    def die_in_three_deliveries(self, relay, server):
        for life in range(1, 4):
            server.wait_for_line("^DATA", life)
            # A delivery that takes more than a moment is marked; after a crash, each one at once.
            wait_until(lambda: self.marked(relay), "the mark of the delivery")
            relay.kill()
            relay.start()

    def dots(self, relay, condition):
        with contextlib.closing(sqlite3.connect(relay.spool / "spool.db", timeout=20)) as spool:
            return spool.execute(f"SELECT counted & 1 FROM dot WHERE {condition}").fetchall()

    def marked(self, relay):
        """Whether the spool knows that a transaction is under way."""
        return self.dots(relay, "counted > 2") == [(1,)]


if __name__ == "__main__":
    unittest.main()
