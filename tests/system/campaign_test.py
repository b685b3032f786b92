"""kill -9 of relay, of the smarthost and of both, at random instants under load.

In the suite a few rounds; `./dev campaign [ROUNDS]` runs as many as it is told, 300 by default.
"""

import json
import os
import random
import sys
import unittest

from support.campaign import Campaign, SmarthostProcess
from support.case import SystemCase

ROUNDS = int(os.environ.get("RELAY_CAMPAIGN_ROUNDS", "12"))
SEED = int(os.environ.get("RELAY_CAMPAIGN_SEED", random.randrange(10**6)))


def say(text):
    print(text, file=sys.stderr, flush=True)


class CampaignTest(SystemCase):
    def test_nothing_acknowledged_is_lost_and_only_unanswered_mail_is_repeated(self):
        say(f"seed {SEED}; RELAY_CAMPAIGN_SEED={SEED} makes the same choices again")
        smarthost = SmarthostProcess(self.scratch.path, self.certificate, self.key)
        self.addCleanup(smarthost.kill)
        relay = self.relay(self.smarthost(smarthost), start=False)
        found = Campaign(relay, smarthost, ROUNDS, SEED, report=say).run()
        say(json.dumps(found, indent=2)[:4000])
        self.assertEqual([], found["lost"])
        self.assertEqual(0, found["torn"])
        self.assertEqual([], found["unexplained"])
        self.assertEqual({}, found["refusals"])
        self.assertGreater(found["messages"], ROUNDS)
        self.assertGreater(found["answers_read"], ROUNDS)
        self.assertEqual([], list((relay.spool / "bodies").iterdir()))


if __name__ == "__main__":
    unittest.main()
