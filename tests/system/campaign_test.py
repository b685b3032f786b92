"""kill -9 of relay, of the smarthost and of both, at random instants under load.

In the suite a few rounds; `./dev campaign [ROUNDS]` runs as many as it is told, 300 by default.
"""

import json
import os
import random
import sys
import unittest

from support.campaign import Campaign, Repeats, SmarthostProcess
from support.case import SystemCase

ROUNDS = int(os.environ.get("RELAY_CAMPAIGN_ROUNDS", "12"))
SEED = int(os.environ.get("RELAY_CAMPAIGN_SEED", random.randrange(10**6)))


def say(text):
    print(text, file=sys.stderr, flush=True)


class RepeatsTest(unittest.TestCase):
    """The campaign's own judge, on journals made by hand."""

    def judge(self, kills, said, read, copies):
        repeats = Repeats(kills, said, read)
        for (when, number), (again, _) in zip(copies, copies[1:]):
            repeats.add(("m", "r"), number, when, again)
        return repeats.found()

    def test_a_death_between_two_copies_explains_the_second(self):
        for who, said, read, stage in (("smarthost", {}, {}, "unanswered"),
                                       ("relay", {"1": 10.1}, {}, "unread"),
                                       ("relay", {"1": 10.1}, {"1": 10.2}, "unrecorded")):
            found = self.judge([(10.3, who)], said, read, [(10.0, "1"), (12.0, "2")])
            self.assertEqual([], found["unexplained"], stage)
            self.assertEqual(1, found["repeated"][stage])

    def test_a_copy_sent_twice_without_a_death_between_is_unexplained(self):
        for said, read in (({}, {}), ({"1": 10.1}, {}), ({"1": 10.1}, {"1": 10.2})):
            found = self.judge([(9.0, "relay"), (13.0, "relay")], said, read,
                               [(10.0, "1"), (12.0, "2")])
            self.assertEqual(1, len(found["unexplained"]))

    def test_an_answer_that_relay_had_read_long_before_it_died_is_unexplained(self):
        found = self.judge([(25.0, "relay")], {"1": 10.1}, {"1": 10.2}, [(10.0, "1"), (26.0, "2")])
        self.assertEqual(1, len(found["unexplained"]))

    def test_the_death_of_the_smarthost_is_no_excuse_for_an_answer_that_relay_had_read(self):
        found = self.judge([(10.3, "smarthost")], {"1": 10.1}, {"1": 10.2},
                           [(10.0, "1"), (12.0, "2")])
        self.assertEqual(1, len(found["unexplained"]))


class CampaignTest(SystemCase):
    def test_nothing_acknowledged_is_lost_and_only_unanswered_mail_is_repeated(self):
        say(f"seed {SEED}; RELAY_CAMPAIGN_SEED={SEED} makes the same choices again")
        smarthost = SmarthostProcess(self.scratch.path, self.certificate, self.key)
        self.addCleanup(smarthost.kill)
        relay = self.relay(self.smarthost(smarthost), start=False)
        found = Campaign(relay, smarthost, ROUNDS, SEED, report=say).run()
        say(json.dumps(found, indent=2)[:4000])
        self.assertEqual([], found["lost"])
        self.assertEqual([], found["torn"])
        self.assertEqual([], found["unexplained"])
        self.assertEqual({}, found["refusals"])
        self.assertGreater(found["messages"], ROUNDS)
        self.assertGreater(found["answers_read"], ROUNDS)
        self.assertEqual([], found["left_bodies"])
        self.assertEqual([], found["put_aside_wrongly"])


if __name__ == "__main__":
    unittest.main()
