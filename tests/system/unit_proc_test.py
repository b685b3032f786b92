"""relay with /proc mounted as its unit has it mounted: what it reads there it still finds."""

import subprocess
import unittest

from support import gateway, unit_proc
from support.case import SystemCase, message
from support.unit_proc import UnitProcRelay
from support.waiting import PATIENCE

NO_BOOT_ID = "the machine's boot id cannot be read"
PROCESSES_ONLY = ("hidepid=2", "subset=pid")  # no /proc/sys, no /proc/net


class UnitProcTest(SystemCase):
    def setUp(self):
        if reason := unit_proc.why_not():
            self.skipTest(reason)

    def with_a_cut_log(self, proc=()):
        """Killed with a message in its spool, of whose log half is left then."""
        nowhere = {"host": "127.0.0.1", "port": 1, "tls": "none"}
        number = len(list(self.scratch.path.glob("relay-*")))
        relay = UnitProcRelay(self.scratch.path / f"relay-{number}", [nowhere],
                              delivery={"retry": ["1h"]})
        relay.proc = proc
        self.addCleanup(relay.end)
        relay.start()
        for number in range(5):
            self.send(relay, octets=message(f"m{number}"))
        relay.kill()
        relay.cut_log()
        return relay

    def test_a_log_that_was_cut_stops_the_start(self):
        relay = self.with_a_cut_log()
        self.assertNotIn(NO_BOOT_ID, relay.log())
        done = subprocess.run(relay.words(), capture_output=True, text=True, timeout=60 * PATIENCE)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn("spool.db-wal is damaged or cut off", done.stderr)

    def test_without_a_boot_id_a_cut_is_told_as_what_may_be_lost(self):
        relay = self.with_a_cut_log(PROCESSES_ONLY)
        self.assertEqual(1, relay.log().count(NO_BOOT_ID))
        found = (relay.spool / "spool.db-wal").read_bytes()
        relay.start()
        said = relay.wait_for_log(r"error +the spool's log is shorter than its index tells.*")
        self.assertIn("mail that relay acknowledged may be lost", said.group(0))
        self.assertEqual(found, (relay.spool / "spool.db-wal.cut").read_bytes())
        self.assertLess(len(relay.messages()), 5)

    def test_a_gateway_is_noticed(self):
        if not gateway.allowed():
            self.skipTest("this machine allows no network namespaces with interfaces")
        for proc in (), PROCESSES_ONLY:
            with self.subTest(proc):
                number = len(list(self.scratch.path.glob("relay-*")))
                relay = gateway.GatewayRelay(
                    self.scratch.path / f"relay-{number}", [self.smarthost(self.fake())],
                    server={"listen": ["127.0.0.1:0", "10.9.0.2:0"],
                            "allow_clients": ["10.9.0.0/24"]})
                # Only the owner of the process namespace may mount its /proc.
                relay.namespaces, relay.before = ["-m", "-n"], unit_proc.mounting(*proc)
                self.addCleanup(relay.end)
                relay.start()
                port = int(relay.wait_for_log(r"address=\S*10\.9\.0\.2:(\d+)").group(1))
                self.assertTrue(relay.replies("10.9.0.1", port).startswith("220"))
                relay.wait_for_log("a client comes from this host's default gateway")


if __name__ == "__main__":
    unittest.main()
