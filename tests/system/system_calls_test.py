"""relay's whole life under the systemd unit's filter of system calls and its writable paths."""

import os
import pathlib
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
import unittest

from support import seccomp
from support.case import SystemCase, message
from support.fake_smarthost import PASSWORD
from support.relay import BINARY, ROOT, Relay
from support.waiting import PATIENCE, SANITIZED

UNIT = (ROOT / "packaging/systemd/relay.service").read_text()
ORDINARY = 10001
CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", re.MULTILINE)
# What makes or changes a file, at the end of its line the result; a call that another thread's
# interrupts is taken for one that succeeds.
CHANGE = re.compile(r"^\d+ +(openat|mkdirat|mkdir|unlinkat|unlink|rename|renameat2?|link|linkat|"
                    r"symlink|chmod|fchmodat|truncate)\((.*)(?:\) += \d+| <unfinished \.\.\.>)$",
                    re.MULTILINE)
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT")


def traceable():
    """Whether one process may follow another here."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"],
                          capture_output=True).returncode == 0


class WatchedRelay(Relay):
    """Started with a command in front of it, or with something done before it is executed."""

    before = ()
    preparation = None

    def spawn(self):
        # Not as root, for whom SQLite keeps the owners of its files.
        someone = {}
        if os.geteuid() == 0:
            for path in (self.folder, self.spool, self.config):
                os.chown(path, ORDINARY, ORDINARY)
            if not self.before:
                someone = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []}
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.before, BINARY, "run", "--config", str(self.config)], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, preexec_fn=self.preparation, **someone)


class SystemCallsTest(SystemCase):
    def setUp(self):
        if SANITIZED:
            self.skipTest("a sanitizer makes calls of its own")
        if reason := seccomp.why_not():
            self.skipTest(reason)

    def watched(self, **watching):
        self.server = self.fake()
        number = len(list(self.scratch.path.glob("relay-*")))
        folder = self.scratch.path / f"relay-{number}"
        self.settings = {
            "server": {"listen": ["127.0.0.1:0", f"unix:{folder}/smtp.sock"],
                       "certificate": self.certificate, "private_key": self.key},
            "admin": {"listen": ["127.0.0.1:0"]},
            "probe": {"enabled": True, "targets": ["localhost:1"], "timeout": "200ms"},
        }
        smarthost = self.smarthost(self.server, password=None,
                                   password_command=f"echo {PASSWORD}")
        pathlib.Path(self.key).chmod(0o644)  # it is nobody's
        relay = WatchedRelay(folder, [smarthost], **self.settings)
        for name, value in watching.items():
            setattr(relay, name, value)
        self.addCleanup(relay.end)
        return relay.start()

    def live(self, relay):
        """Mail in with TLS, small and large; delivery, refusal, queue, reload, diagnosis, stop."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        for number, size in enumerate((100, 400_000)):
            with smtplib.SMTP("localhost", relay.port, timeout=30 * PATIENCE) as client:
                client.starttls(context=context)
                body = (b"y" * 70 + b"\r\n") * (size // 72)
                client.sendmail("app@example.com", ["ada@dest.example"],
                                message(f"m{number}", body))
        self.server.wait_for(2)
        relay.wait_until_empty()
        self.server.faults.refuse = {"late@dest.example": "451 4.2.1 Later",
                                     "never@dest.example": "550 5.1.1 No such user"}
        late = self.send(relay, "late", ["late@dest.example"])
        self.send(relay, "never", ["never@dest.example"])
        relay.wait_for_log("550 5.1.1")
        for words in (["hold", late], ["release", late], ["retry", late], ["hold", late],
                      ["delete", "--yes", late]):
            relay.command("queue", *words)
        for words in (["queue", "list", "--all"], ["queue", "stats"], ["status"]):
            relay.command(*words)
        relay.reload()
        relay.wait_for_log("reloaded")
        status, report = relay.api("POST", "/api/v1/diagnose")
        self.assertIn(status, (200, 201, 202), report)
        self.send(relay, "after")
        self.server.wait_for(3)
        relay.wait_until_empty()
        self.assertEqual(0, relay.stop(), relay.log()[-2000:])

    def test_under_the_filter_itself(self):
        filter_ = seccomp.confine(seccomp.allowed_calls(UNIT))
        refused = subprocess.run(["chroot", "/", "true"], preexec_fn=filter_)
        if refused.returncode == seccomp.NO_FILTER:
            self.skipTest("this machine lets a process set no filter of system calls")
        self.assertEqual(-signal.SIGSYS, refused.returncode)
        self.live(self.watched(preparation=filter_))

    def test_each_call_is_allowed_and_each_change_where_the_unit_lets_it(self):
        if not traceable():
            self.skipTest("no strace, or this machine allows no tracing")
        trace = self.scratch.path / "calls"
        before = ["strace", "-D", "-f", "-qq", "-s", "300", "--signal=none", "-o", str(trace)]
        if os.geteuid() == 0:
            before += ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups",
                       "--"]
        relay = self.watched(before=before)
        spool, folder = str(relay.spool), str(relay.folder)
        self.live(relay)
        text = trace.read_text(errors="replace")
        text = text[re.search(rf'execve\("{re.escape(BINARY)}".* = 0', text).end():]
        used = set(CALL.findall(text))
        self.assertLess({"execve", "fdatasync", "epoll_wait"}, used)
        self.assertEqual(set(), used - seccomp.allowed_calls(UNIT))
        self.assertNotIn("ReadWritePaths", UNIT)
        self.assertIn("StateDirectory=relay", UNIT)  # the spool; beside it /tmp and /dev/null
        self.assertIn("PrivateTmp=yes", UNIT)
        if os.geteuid() != 0:
            self.skipTest("of a program that is not dumpable only root sees the paths")
        changed = [path for call, arguments in CHANGE.findall(text)
                   if call != "openat" or WRITING.search(arguments)
                   for path in re.findall(r'"([^"]*)"', arguments)]
        self.assertIn(f"{spool}/spool.db", changed)
        ours = str(self.scratch.path)  # itself in /tmp, where others may be
        for path in changed:
            temporary = path.startswith(("/tmp/", "/var/tmp/")) and not path.startswith(ours)
            # The socket is where this test put it; the unit's would be below /run/relay.
            fits = path.startswith(spool) or path in ("/dev/null", f"{folder}/smtp.sock")
            self.assertTrue(fits or temporary, path)


if __name__ == "__main__":
    unittest.main()
