"""The kill campaign: relay and its smarthost are SIGKILLed at random instants under load.

At the end every acknowledged (message, recipient) has arrived whole, and a second copy exists only
where the answer to the first was still on its way to relay's disk when one of the two died: relay
had not read it, or had read it (so its log says) just before.
"""

import collections
import datetime
import hashlib
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from .raw_client import RawClient, dot_stuffed
from .waiting import answers, free_port, wait_until

SMARTHOST = pathlib.Path(__file__).with_name("journal_smarthost.py")
# Small ones are rows of the database, those above 128 KiB files beside it.
SIZES = (200, 200, 1_000, 1_000, 4_000, 4_000, 20_000, 100_000, 140_000, 700_000)
DELIVERED = re.compile(r"^(\S+) info +delivered .*kept as ([0-9.]+)", re.MULTILINE)
# An answer that relay read this long before its death was to have been recorded.
TO_RECORD = 5.0
# One that left the smarthost this long before a death was to have been read, on a busy machine too.
TO_READ = 60.0
# Recipients: with so many on their way the senders wait, for relay takes mail faster than this
# smarthost does, and a spool of gigabytes proves no more.
ON_THEIR_WAY = 5_000


class SmarthostProcess:
    def __init__(self, folder, certificate, key):
        self.port = free_port()
        self.journal = pathlib.Path(folder) / "journal"
        self.command = [sys.executable, str(SMARTHOST), str(self.port), str(certificate), str(key),
                        str(self.journal)]
        self.process = None
        self.reading, self.read, self.kept = threading.Lock(), 0, 0

    def copies(self):
        """Of how many recipients it kept a message, those it kept twice counted twice."""
        with self.reading:
            if self.journal.exists():
                with self.journal.open() as journal:
                    journal.seek(self.read)
                    # A line in the making is left for the next time.
                    new = journal.read().rpartition("\n")[0]
                self.read += len(new)
                self.kept += sum(line.count(",") + 1 for line in new.splitlines()
                                 if line.startswith("kept"))
            return self.kept

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        wait_until(lambda: answers(self.port), "the smarthost to listen", 30)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Sender(threading.Thread):
    """Sends messages of all sizes until told to end; through deaths it connects anew."""

    def __init__(self, campaign, number):
        super().__init__(daemon=True)
        self.campaign, self.number = campaign, number
        self.random = random.Random(f"{campaign.seed} {number}")
        self.acknowledged, self.count, self.refusals = {}, 0, collections.Counter()
        self.recipients, self.queued_as = 0, set()

    def run(self):
        while not self.campaign.ending.is_set():
            try:
                with RawClient(self.campaign.relay.port, timeout=30) as client:
                    client.expect(f"EHLO client-{self.number}.example", 250)
                    for _ in range(self.random.choice((1, 3, 1000))):
                        self.campaign.wait_for_room()
                        if self.campaign.ending.is_set():
                            break
                        self.send(client)
            except (OSError, AssertionError, ValueError):
                self.campaign.ending.wait(0.01)  # killed: not acknowledged

    def send(self, client):
        self.count += 1
        identifier = f"s{self.number}.{self.count}"
        recipients = [f"r{n}@dest.example" for n in range(self.random.choice((1, 1, 1, 2, 7)))]
        line = bytes(self.random.choices(b"abcdefghijklmnop.", k=70)) + b"\r\n"
        body = line * (self.random.choice(SIZES) // len(line) + 1)
        octets = (f"From: app@example.com\r\nSubject: {identifier} "
                  f"{hashlib.sha256(body).hexdigest()}\r\n\r\n").encode() + body
        client.expect("MAIL FROM:<app@example.com>", 250)
        for recipient in recipients:
            client.expect(f"RCPT TO:<{recipient}>", 250)
        if self.random.random() < 0.5:
            code, reply = client.data(dot_stuffed(octets))
        else:
            code, reply = client.bdat(octets, [len(octets) // 3] if len(octets) > 999 else [])
        if code == 0:
            raise ConnectionError("closed without a reply")
        if code == 250:
            self.acknowledged[identifier] = recipients
            self.recipients += len(recipients)
            self.queued_as.add(reply.rsplit(" ", 1)[1])
        else:
            self.refusals[reply] += 1


class Campaign:
    """Needs a relay that was not started, and a SmarthostProcess that it forwards to."""

    def __init__(self, relay, smarthost, rounds, seed, senders=12, report=None):
        self.relay, self.smarthost, self.rounds, self.seed = relay, smarthost, rounds, seed
        self.random = random.Random(seed)
        self.ending = threading.Event()
        self.senders = [Sender(self, number) for number in range(senders)]
        self.kills = []  # (when, who)
        self.report = report or (lambda text: None)

    def run(self):
        self.smarthost.start()
        self.relay.start()
        for sender in self.senders:
            sender.start()
        for number in range(self.rounds):
            self.round()
            if (number + 1) % 10 == 0:
                self.let_all_go()
                self.report(f"round {number + 1}: {self.acknowledged_count()} acknowledged")
        self.ending.set()
        for sender in self.senders:
            sender.join(60)
        self.let_all_go()
        self.relay.wait_until_empty(1800)  # the smarthost is the slowest of the three
        return self.verdict()

    def let_all_go(self):
        """What died in three deliveries is on hold, and what died behind a final dot waits long:
        neither is lost, but both keep the senders waiting."""
        self.relay.command("queue", "release", "--all", check=False)
        self.relay.command("queue", "retry", "--all", check=False)

    def acknowledged_count(self):
        return sum(len(sender.acknowledged) for sender in self.senders)

    def wait_for_room(self):
        while not self.ending.is_set() and self.on_their_way() > ON_THEIR_WAY:
            self.ending.wait(0.05)

    def on_their_way(self):
        return sum(sender.recipients for sender in self.senders) - self.smarthost.copies()

    def round(self):
        """Some load, then a death at a random instant, then life again."""
        before = self.acknowledged_count()
        wait_until(lambda: self.acknowledged_count() > before, "a message to be acknowledged", 60)
        self.ending.wait(self.random.uniform(0, 1.0))
        victims = self.random.choice(("relay", "relay", "relay", "smarthost", "both"))
        if victims in ("smarthost", "both"):
            self.smarthost.kill()
            self.note_kill("smarthost")
        if victims in ("relay", "both"):
            self.relay.kill()
            self.note_kill("relay")
            if self.random.random() < 0.25:
                self.die_while_starting()
        if victims in ("smarthost", "both"):
            if self.random.random() < 0.5 and self.relay.process is not None:
                self.ending.wait(self.random.uniform(0, 1.0))  # mail gathers meanwhile
            self.smarthost.start()
        if self.relay.process is None:
            self.relay.start()

    def die_while_starting(self):
        self.relay.spawn()
        self.ending.wait(self.random.uniform(0, 0.1))
        self.relay.kill()
        self.note_kill("relay")

    def note_kill(self, who):
        self.kills.append((time.time(), who))

    def left_bodies(self):
        """They go once the outcomes that end them are synced: at the latest when relay is idle."""
        def left():
            return [file.name for file in self.relay.spool.glob("bodies/*") if file.is_file()]
        try:
            wait_until(lambda: not left(), "the bodies of ended messages to go", 20)
        except AssertionError:
            pass
        return left()

    def verdict(self):
        kept, said = collections.defaultdict(list), {}
        reports, torn = 0, []  # where they can be looked at
        for line in self.smarthost.journal.read_text().splitlines():
            what, when, number, *rest = line.split(" ")
            if what == "said":
                said[number] = float(when)
                continue
            if what == "report":
                reports += 1
                continue
            identifier, whole, recipients = rest
            if whole != "whole":
                torn.append(str(shutil.copy(self.smarthost.journal.with_name(f"torn-{number}"),
                                            tempfile.mkdtemp(prefix="relay-torn-"))))
            for recipient in recipients.split(","):
                kept[identifier, recipient].append((float(when), number))
        acknowledged = [(identifier, recipient) for sender in self.senders
                        for identifier, recipients in sender.acknowledged.items()
                        for recipient in recipients]
        queued_as = set().union(*(sender.queued_as for sender in self.senders))
        put_aside = {file.name for file in self.relay.spool.glob("bodies/orphaned/*")}
        refusals = sum((sender.refusals for sender in self.senders), collections.Counter())
        lost = [pair for pair in acknowledged if pair not in kept]
        repeats = Repeats(self.kills, said, read_by(self.relay.log()))
        for pair, copies in kept.items():
            copies.sort()
            for (when, number), (again, _) in zip(copies, copies[1:]):
                repeats.add(pair, number, when, again)
        return {"seed": self.seed, "rounds": self.rounds,
                "relay_kills": sum(who == "relay" for _, who in self.kills),
                "smarthost_kills": sum(who == "smarthost" for _, who in self.kills),
                "messages": self.acknowledged_count(), "recipients": len(acknowledged),
                "copies": sum(map(len, kept.values())), "lost": lost, "torn": torn,
                "reports": reports,
                "left_bodies": self.left_bodies(),
                "put_aside": len(put_aside), "put_aside_wrongly": sorted(put_aside & queued_as),
                **repeats.found(), "refusals": dict(refusals)}


def read_by(log):
    """When relay read the answer to which number, as its log says."""
    return {number: datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp()
            for when, number in DELIVERED.findall(log)}


class Repeats:
    """Copies that were followed by another. Each needs a death between the two, soon after what
    had become of its answer: sent, read by relay, recorded."""

    def __init__(self, kills, said, read):
        self.kills, self.said, self.read = kills, said, read
        self.counts = collections.Counter(unanswered=0, unread=0, unrecorded=0)
        self.oldest = collections.Counter()
        self.unexplained = []

    def add(self, pair, number, when, again):
        """A copy kept at `when`, the next one at `again`."""
        if number in self.read:
            stage, since, limit = "unrecorded", self.read[number], TO_RECORD
        elif number in self.said:
            stage, since, limit = "unread", self.said[number], TO_READ
        else:
            stage, since, limit = "unanswered", when, TO_READ
        age = self.age_at_death(since, again, "relay" if stage == "unrecorded" else None)
        self.counts[stage] += 1
        self.oldest[stage] = max(self.oldest[stage], age)
        if age > limit:
            self.unexplained.append((pair, number, stage, round(age, 3)))

    def age_at_death(self, since, until, who):
        """How long ago an event was when the next of the two, or `who`, died; infinite for none."""
        return min((kill - since for kill, victim in self.kills
                    if since - 0.05 <= kill <= until and who in (None, victim)),
                   default=float("inf"))

    def found(self):
        return {"answers_read": len(self.read), "repeated": dict(self.counts),
                "unexplained": self.unexplained,
                "oldest_s": {stage: round(age, 3) for stage, age in self.oldest.items()}}
