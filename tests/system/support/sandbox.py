"""Runs the unpacked mail servers below build/peers as if they were installed.

A private mount namespace gives them the users, the spool folders and the helpers they expect at
fixed places; a private process namespace ends all their daemons together. Nothing outside changes.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
PEERS = ROOT / "build" / "peers"

USERS = {"postfix": 981, "opensmtpd": 982, "opensmtpq": 983, "maildrop": 984,
         "Debian-exim": 986}
GROUPS = {**USERS, "postdrop": 985}


def why_not():
    """What keeps this machine from running the private servers, or None."""
    if os.geteuid() != 0:
        return "private mail servers need root"
    if not shutil.which("unshare"):
        return "there is no unshare command"
    if not (PEERS / ".unpacked").exists():
        return "the mail servers are not unpacked below build/peers; ./dev test does it"
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True)
    if probe.returncode != 0:
        return "this machine allows no mount namespaces"
    return None


def require():
    reason = why_not()
    if reason:
        raise unittest.SkipTest(reason)


class Sandbox:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None
        self._write_account_files()

    def _write_account_files(self):
        users = pathlib.Path("/etc/passwd").read_text()
        groups = pathlib.Path("/etc/group").read_text()
        users = "".join(f"{line}\n" for line in users.splitlines()
                        if line.split(":")[0] not in USERS)
        groups = "".join(f"{line}\n" for line in groups.splitlines()
                         if line.split(":")[0] not in GROUPS)
        users += "".join(f"{n}:x:{i}:{i}::{self.folder}:/usr/sbin/nologin\n"
                         for n, i in USERS.items())
        groups += "".join(f"{n}:x:{i}:\n" for n, i in GROUPS.items())
        (self.folder / "passwd").write_text(users)
        (self.folder / "group").write_text(groups)

    def command(self, script):
        """A command line that runs a shell script inside."""
        setup = f"""
            set -e
            mount --make-rprivate /
            mount --bind {self.folder}/passwd /etc/passwd
            mount --bind {self.folder}/group /etc/group
            mount -t tmpfs none /var/spool
            mount -t tmpfs none /run
            mount -t tmpfs none /var/lib
            mount --bind {PEERS}/usr/libexec /usr/libexec
            export LD_LIBRARY_PATH={PEERS}/usr/lib/postfix
        """
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                "sh", "-c", setup + script]

    def run(self, script, **options):
        done = subprocess.run(self.command(script), capture_output=True, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{script}\n{done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout

    def start(self, script, log):
        with open(log, "ab") as output:
            self.process = subprocess.Popen(self.command(script), stdout=output, stderr=output,
                                            stdin=subprocess.DEVNULL)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process is not None:
            # The first process of the namespace takes all others along. --kill-child alone would
            # not end it: whoever changes its user, as Postfix does, is no longer told of its
            # parent's end.
            with contextlib.suppress(OSError):
                pid = self.process.pid
                for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    os.kill(int(child), signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            self.process = None
