"""Disks that are full, read-only, damaged or gone: refused with the right code, said, survived."""

import json
import re
import shutil
import sqlite3
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from support.case import SystemCase, message
from support.raw_client import RawClient, dot_stuffed
from support.relay import BINARY, Relay
from support.waiting import wait_until

PAGE = 4096
TABLE_INTERIOR, TABLE_LEAF = 5, 13
TREE_PAGES = (2, TABLE_INTERIOR, 10, TABLE_LEAF)


def mounts_allowed():
    return subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode == 0


class MountedRelay(Relay):
    """Its spool is a small disk of its own, in a mount namespace that ends with it."""

    size = "4m"
    THEN = "true"  # done to it before relay starts

    def spawn(self):
        script = (f"mount -t tmpfs -o size={self.size},mode=0700 tmpfs {self.spool} && "
                  f"{self.THEN} && exec {BINARY} run --config {self.config}")
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(["unshare", "-Urm", "sh", "-c", script], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)

    def inside(self, command):
        """Its output."""
        return subprocess.run(
            ["nsenter", "-t", str(self.process.pid), "-U", "-m", "--preserve-credentials", "sh", "-c",
             command], check=True, capture_output=True, timeout=20).stdout


class DiskTest(SystemCase):
    def setUp(self):
        if not mounts_allowed():
            raise unittest.SkipTest("this machine allows no mount namespaces")

    def mounted(self, start=True, size="4m", **settings):
        number = len(list(self.scratch.path.glob("relay-*")))
        # Nothing leaves: what is taken stays on the disk.
        nowhere = {"host": "127.0.0.1", "port": 1, "tls": "none"}
        relay = MountedRelay(self.scratch.path / f"relay-{number}", [nowhere],
                             delivery={"retry": ["1h"]}, **settings)
        relay.size = size
        self.addCleanup(relay.kill)
        return relay.start() if start else relay

    def try_to_send(self, relay, size):
        with RawClient(relay.port) as client:
            client.expect("EHLO client.example", 250)
            code, reply = client.command("MAIL FROM:<app@example.com>")
            if code != 250:
                return code, reply
            client.expect("RCPT TO:<ada@dest.example>", 250)
            return client.data(dot_stuffed(message("x", (b"y" * 70 + b"\r\n") * (size // 72 or 1))))

    def fill(self, relay, size):
        for _ in range(400):
            code, reply = self.try_to_send(relay, size)
            if code != 250:
                return code, reply
        raise AssertionError("the disk never fills")

    def test_a_full_disk_is_452_and_passes_without_a_restart(self):
        for size in (20000, 300000):  # rows, and files beside the database
            with self.subTest(size):
                relay = self.mounted(spool={"min_free": "0B"})
                relay.inside(f"head -c 2500000 /dev/zero > {relay.spool}/ballast")
                code, reply = self.fill(relay, size)
                self.assertEqual((452, True), (code, "4.3.1" in reply), reply)
                relay.wait_for_log(r"error +\S.*(no space|No space).* free")
                self.assertIn(str(relay.spool), relay.log())
                relay.inside(f"rm {relay.spool}/ballast")
                self.assertEqual(250, self.try_to_send(relay, size)[0])

    def test_min_free_refuses_before_the_disk_is_full(self):
        relay = self.mounted(spool={"min_free": "2MiB"})
        relay.inside(f"head -c 2500000 /dev/zero > {relay.spool}/ballast")

        def refused():
            return self.try_to_send(relay, 100)[0] == 452
        wait_until(refused, "min_free to be noticed")
        relay.wait_for_log(r"mail is refused.*spool\.min_free = 2")
        relay.inside(f"rm {relay.spool}/ballast")
        wait_until(lambda: self.try_to_send(relay, 100)[0] == 250, "room again")

    def test_mail_never_takes_what_min_free_keeps(self):
        """Large mail of undeclared size, one by one, at once, and one that alone is too much."""
        mib = 1 << 20
        for sizes, senders in (((4 * mib,) * 9, 1), ((4 * mib,) * 9, 9), ((30 * mib,), 1)):
            with self.subTest(sizes=sizes, senders=senders):
                relay = self.mounted(size="40m", spool={"min_free": "20MiB"})
                with ThreadPoolExecutor(senders) as pool:
                    answers = list(pool.map(lambda size: self.try_to_send(relay, size), sizes))
                taken = [reply for code, reply in answers if code == 250]
                refused = [reply for code, reply in answers if code == 452]
                self.assertEqual(len(sizes), len(taken) + len(refused), answers)
                if senders == 1:
                    self.assertEqual(sizes[0] < 20 * mib, bool(taken), answers)
                self.assertTrue(refused and all("4.3.1" in reply for reply in refused), answers)
                relay.wait_for_log(r"mail is refused.*spool\.min_free = 20")
                free = int(relay.inside(f"df --output=avail -B1 {relay.spool}").split()[-1])
                self.assertGreater(free, 20 * mib - 2 * mib)  # the database takes its part
                stored = relay.inside(f"ls {relay.spool}/bodies").split()
                self.assertEqual(len(taken), len([name for name in stored if b"." not in name]))

    def test_a_read_only_disk_stops_the_start_and_says_so(self):
        for emptied in (True, False):
            with self.subTest(emptied=emptied):
                relay = self.mounted(start=False)
                used = "" if emptied else f"{BINARY} queue stats --config {relay.config} && "
                relay.THEN = used + f"mount -o remount,ro {relay.spool}"
                relay.spawn()
                self.assertEqual(1, relay._ended(20))
                self.assertRegex(relay.log(), "relay cannot start.*[Rr]ead-only file system.*"
                                              "needs a disk it can write to")

    def test_a_disk_that_becomes_read_only_is_451_until_it_is_not(self):
        """Of large bodies; the kernel lets no disk turn whose database is open for writing."""
        relay = self.mounted(size="16m")
        bodies = relay.spool / "bodies"
        taken = [self.try_to_send(relay, size) for size in (100, 300000)]
        relay.inside(f"! mount -o remount,ro {relay.spool}")
        relay.inside(f"mount --bind {bodies} {bodies} && mount -o remount,bind,ro {bodies}")
        code, reply = self.try_to_send(relay, 300000)
        self.assertEqual((451, True), (code, "4.3.0" in reply), reply)
        self.assertRegex(relay.log(), r"error +a message could not be stored.*"
                                      r"[Rr]ead-only file system")
        self.assertIn(str(bodies), relay.log())
        taken.append(self.try_to_send(relay, 100))  # a row, for which there is room
        relay.inside(f"umount {bodies}")
        taken.append(self.try_to_send(relay, 300000))
        self.assertEqual([250] * 4, [code for code, _ in taken], relay.log()[-2000:])
        # Nothing that was answered with 250 is lost, and all of it can be read.
        for _, reply in taken:
            identifier = reply.rsplit(" ", 1)[1]
            content = relay.inside(f"{BINARY} queue export {identifier} --config {relay.config}")
            self.assertIn(b"Subject: x", content)
            self.assertEqual(len(content) > 200000, taken.index((250, reply)) in (1, 3))
        listed = relay.inside(f"{BINARY} queue list --json --config {relay.config}")
        self.assertEqual(4, len(json.loads(listed)["messages"]))

    def test_a_lost_folder_is_451_until_it_is_back(self):
        relay = self.mounted()
        self.assertEqual(250, self.try_to_send(relay, 100)[0])
        relay.inside(f"rm -rf {relay.spool}/bodies")
        code, reply = self.try_to_send(relay, 300000)
        self.assertEqual((451, True), (code, "4.3.0" in reply), reply)
        relay.inside(f"mkdir -m 700 {relay.spool}/bodies")
        self.assertEqual(250, self.try_to_send(relay, 300000)[0])


class VanishedTest(SystemCase):
    def test_a_spool_moved_away_takes_nothing_and_says_so(self):
        relay = self.relay(self.smarthost(self.fake()), delivery={"retry": ["1h"]})
        self.send(relay, "before")
        relay.wait_until_empty()
        away = relay.spool.with_name("away")
        relay.spool.rename(away)
        with RawClient(relay.port) as client:
            client.begin("app@example.com", ["ada@dest.example"])
            code, reply = client.data(dot_stuffed(message("lost?")))
        self.assertEqual((451, True), (code, "4.3.0" in reply), reply)
        relay.wait_for_log("was removed or replaced while relay runs")
        away.rename(relay.spool)
        self.send(relay, "after")


class DamagedTest(SystemCase):
    def waiting_relay(self):
        """Stopped, with ten messages in its spool."""
        nowhere = {"host": "127.0.0.1", "port": 1, "tls": "none"}
        relay = self.relay(nowhere, delivery={"retry": ["1h"]})
        identifiers = [self.send(relay, f"m{n}", octets=message(f"m{n}", b"z" * 900 + b"\r\n"))
                       for n in range(10)]
        relay.stop()
        return relay, identifiers

    def damaged_copy(self, relay, octets, page):
        """Another relay, on a copy of the spool in which one page is overwritten."""
        nowhere = {"host": "127.0.0.1", "port": 1, "tls": "none"}
        other = self.relay(nowhere, start=False, delivery={"retry": ["1h"]})
        shutil.copytree(relay.spool, other.spool, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("control.sock"))
        (other.spool / "spool.db").write_bytes(octets[:page * PAGE] + b"\xa5" * PAGE
                                               + octets[(page + 1) * PAGE:])
        return other

    def least_exported(self, octets, page):
        """How many of the ten can be read without this page; None if it is page one."""
        if page == 0:
            return None
        content = octets[page * PAGE:(page + 1) * PAGE]
        if content[0] == TABLE_LEAF and b"zzzz" in content:
            return 10 - int.from_bytes(content[3:5], "big")  # those whose bodies are in it
        return 0 if content[0] == TABLE_INTERIOR else 10

    def test_a_damaged_database_stops_the_start_and_the_rest_is_exported(self):
        relay, _ = self.waiting_relay()
        octets = (relay.spool / "spool.db").read_bytes()
        # Page two holds no rows, but tells which page points to which.
        trees = [page for page in range(len(octets) // PAGE)
                 if page == 0 or page > 1 and octets[page * PAGE] in TREE_PAGES]
        self.assertGreater(len(trees), 10)
        for page in trees:
            with self.subTest(page=page):
                other = self.damaged_copy(relay, octets, page)
                refused = other.command("run", check=False)
                self.assertEqual(1, refused.returncode, refused.stderr)
                self.assertRegex(refused.stderr, "spool.db is damaged.*relay queue export --all")
                before = {f.name: f.read_bytes() for f in other.spool.glob("spool.*")}
                exported = other.folder / "exported"
                exported.mkdir()
                done = other.command("queue", "export", "--all", "--directory", str(exported),
                                     check=False)
                listed = other.command("queue", "list", "--json", check=False)
                least = self.least_exported(octets, page)
                if least is None:
                    self.assertIn("first page of the spool database", done.stderr)
                    continue
                files = [f.read_bytes() for f in exported.iterdir()]
                self.assertGreaterEqual(len(files), least, done.stderr)
                self.assertTrue(all(b"Subject: m" in f and b"zzz" in f for f in files))
                self.assertEqual(0, listed.returncode, listed.stderr)
                self.assertGreaterEqual(len(json.loads(listed.stdout)["messages"]), least)
                after = {f.name: f.read_bytes() for f in other.spool.glob("spool.*")}
                self.assertEqual(before, after)  # looking changes nothing

    def test_damage_met_while_relay_runs_is_said_once_and_refuses_mail(self):
        relay, identifiers = self.waiting_relay()
        relay.start()
        database = relay.spool / "spool.db"
        octets = database.read_bytes()
        bodies = [page for page in range(2, len(octets) // PAGE)
                  if octets[page * PAGE] == TABLE_LEAF
                  and b"zzzz" in octets[page * PAGE:(page + 1) * PAGE]]
        with open(database, "r+b") as file:
            for page in bodies:
                file.seek(page * PAGE)
                file.write(b"\xa5" * PAGE)
        for identifier in identifiers:
            self.assertNotEqual(0, relay.command("queue", "export", identifier,
                                                 check=False).returncode)
        for _ in range(3):
            with RawClient(relay.port) as client:
                client.expect("EHLO client.example", 250)
                code, reply = client.command("MAIL FROM:<app@example.com>")
                self.assertEqual((451, True), (code, "4.3.0" in reply), reply)
        status, answer = relay.api("GET", "/readyz")
        self.assertEqual(503, status)
        self.assertIn("spool.db is damaged", json.dumps(answer))
        said = re.findall(r"error +the spool's database is damaged.*spool\.db.*relay queue export",
                          relay.log())
        self.assertEqual(1, len(said), relay.log())

    def test_a_database_that_is_none_or_was_lost_is_never_begun_anew(self):
        harms = {"overwrite": "spool.db is damaged", "truncate": "spool.db is empty",
                 "remove": "spool.db is missing", "remove with its log": "spool.db is missing",
                 "remove the log": "spool.db-wal is missing",
                 "cut off the log": "spool.db-wal is damaged or cut off"}
        for harm, said in harms.items():
            with self.subTest(harm):
                nowhere = {"host": "127.0.0.1", "port": 1, "tls": "none"}
                relay = self.relay(nowhere, delivery={"retry": ["1h"]})
                self.send(relay, octets=b"Subject: x\r\n\r\n" + b"y" * 80 + b"\r\n")
                relay.wait_for_log("deferred")
                relay.kill() if "log" in harm else relay.stop()
                database = relay.spool / "spool.db"
                log = relay.spool / "spool.db-wal"
                if "remove" in harm and harm != "remove the log":
                    database.unlink()
                elif harm in ("overwrite", "truncate"):
                    database.write_bytes(b"no database" * 1000 if harm == "overwrite" else b"")
                if harm.startswith("remove") and "log" in harm:
                    log.unlink()
                if harm == "cut off the log":
                    relay.cut_log()
                refused = relay.command("run", check=False)
                self.assertEqual(1, refused.returncode, refused.stderr)
                self.assertIn(said, refused.stderr)
                self.assertRegex(refused.stderr, "[Pp]ut .* back|keep a copy")

    def test_a_message_whose_content_is_lost_is_put_on_hold(self):
        server = self.fake()
        nowhere = {"host": "127.0.0.1", "port": 1, "tls": "none"}
        relay = self.relay(nowhere, delivery={"retry": ["1h"]})
        lost = self.send(relay, octets=message("x", (b"y" * 70 + b"\r\n") * 4000))
        relay.stop()
        (relay.spool / "bodies" / lost).unlink()
        relay.configure([self.smarthost(server)])
        relay.start()
        relay.command("queue", "retry", lost, check=False)  # it may be held already
        relay.wait_for_log("put on hold: its content is lost")
        shown = relay.command("queue", "show", lost).stdout
        self.assertIn("held", shown)
        self.assertRegex(shown, f"put on hold: the content of message {lost} is lost")
        server.wait_for(1)  # only the report to its sender
        self.assertEqual(["Delayed mail: your message waits for the operator"],
                         [mail.subject for mail in server.messages])

    def test_a_spool_of_a_newer_version_is_refused_with_the_remedy(self):
        relay, _ = self.waiting_relay()
        with sqlite3.connect(relay.spool / "spool.db") as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        refused = relay.command("run", check=False)
        self.assertNotEqual(0, refused.returncode)
        self.assertIn("newer relay", refused.stderr)
        checked = relay.command("check", check=False)
        self.assertEqual(refused.returncode, checked.returncode)
        self.assertIn("newer relay", checked.stdout + checked.stderr)


if __name__ == "__main__":
    unittest.main()
