"""Memory stays flat: mail of all sizes, refusals, lost connections and reconnecting, for as long as told.

In the suite some seconds; `./dev soak SECONDS` runs as long as it is told.
"""

import os
import pathlib
import statistics
import sys
import time
import unittest

from support.case import SystemCase, message
from support.raw_client import RawClient, dot_stuffed
from support.waiting import SANITIZED

SECONDS = float(os.environ.get("RELAY_SOAK_SECONDS", "8"))
WARM_UP = 400       # messages after which pools, caches and arenas have their size
MOST_GROWTH = 6 << 20


def private_memory(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


class SoakTest(SystemCase):
    def batch(self, relay):
        """A hundred messages on connections of their own kinds; returns how many were taken."""
        taken = 0
        for number in range(20):
            with RawClient(relay.port) as client:
                client.expect("EHLO client.example", 250)
                for size in (200, 2000, 20000, 200, 200000 if number % 10 == 0 else 200):
                    recipients = ["bad@dest.example"] if size == 2000 and number == 0 else \
                        ["ada@dest.example"]
                    client.expect("MAIL FROM:<app@example.com>", 250)
                    client.expect(f"RCPT TO:<{recipients[0]}>", 250)
                    body = (b"x" * 70 + b"\r\n") * (size // 72 + 1)
                    code, _ = client.data(dot_stuffed(message(f"soak-{number}", body)))
                    taken += code == 250
            with RawClient(relay.port) as rude:  # leaves in the middle
                rude.begin("app@example.com", ["ada@dest.example"])
                rude.expect("DATA", 354)
                rude.write(b"Subject: never whole\r\n")
        return taken

    def test_memory_does_not_grow(self):
        server = self.fake()
        server.faults.refuse = {"bad@dest.example": "550 5.1.1 No such user"}
        relay = self.relay(self.smarthost(server), spool={"keep_delivered": "0s"})
        sent, samples = 0, []
        while sent < WARM_UP:
            sent += self.batch(relay)
        started = time.monotonic()
        while time.monotonic() - started < SECONDS or len(samples) < 8:
            sent += self.batch(relay)
            relay.wait_until_empty(60)  # what waits in memory to be delivered is no growth
            samples.append(private_memory(relay.process))
            server.messages.clear()
            server.lines.clear()
        quarter = len(samples) // 4
        early = statistics.median(samples[quarter:2 * quarter])
        growth = statistics.median(samples[-quarter:]) - early
        print(f"{sent} messages in {time.monotonic() - started:.0f} s, {early / 1024:.0f} KiB early, "
              f"{growth / 1024:.0f} KiB of growth", file=sys.stderr)
        if not SANITIZED:  # freed memory is kept for a while, and its leak checker looks at the end
            self.assertLess(growth, MOST_GROWTH)


if __name__ == "__main__":
    unittest.main()
