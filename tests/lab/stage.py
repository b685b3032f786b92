"""A bed with everything in it, on which one situation after the other plays."""

import os
import pathlib
import socket
import subprocess
import tempfile
import time

import namespaces
from bed import Bed
from host import Host, Result
from support.waiting import answers, wait_until

LONGEST_RUN = 60   # seconds, after which it is killed
HOST_NAME = "lab-host"


class Stage:
    def __init__(self, world, binary):
        """Call it first thing in a process of its own: it takes new namespaces."""
        namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS)
        socket.sethostname(HOST_NAME)
        namespaces.mount(None, "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
        # Empty for everybody else; whoever made the certificates' folder removes it.
        folder = tempfile.mkdtemp(dir=world.certificates.folder)
        namespaces.mount("lab", folder, "tmpfs", data="mode=755")
        self.folder = pathlib.Path(folder)
        self.bed, self.world = Bed(), world
        self.host = Host(self.bed.client, binary, world.certificates.trusted,
                         self.folder / "root")
        world.start(self.bed)
        self.binary, self.cleanups = binary, []

    def close(self):
        namespaces.unmount(self.folder)

    def prepare(self, situation, user):
        self.reset()
        self.host.write("etc/resolv.conf", "nameserver 84.150.53.53\n")
        for action in situation.setup:
            action(self)
        if situation.config is not None:
            self._write_config(situation.config, user)

    def clean_up(self):
        """Ends what the situation started beside its bed."""
        while self.cleanups:
            self.cleanups.pop()()

    def reset(self):
        self.clean_up()
        self.bed.reset()
        self.world.reset()
        self.host.undo()

    def _write_config(self, text, user):
        self.host.write("lab/relay.toml", text, 0o600)
        if user == "nobody" and self.host.really_root:
            os.chown(self.host.root / "lab/relay.toml", 65534, 65534)

    def words(self, situation, *more):
        config = [] if situation.config is None else ["--config", "/lab/relay.toml"]
        return ["/lab/relay", "diagnose", *config, *situation.run, *more]

    def play(self, situation, user):
        """Runs relay in the situation; the answer is its JSON report and exit status."""
        self.prepare(situation, user)
        began = time.monotonic()
        process = self.host.start(user, self.words(situation, "--json"), text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL)
        try:
            out, err = process.communicate(timeout=LONGEST_RUN)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += f"\nstill running after {LONGEST_RUN} s"
        done = subprocess.CompletedProcess([], process.returncode, out, err)
        return Result(done, time.monotonic() - began)

    def show(self, situation, user, words):
        """Runs it for somebody who looks on, with relay's own text."""
        self.prepare(situation, user)
        return self.host.start(user, self.words(situation, *words)).wait()

    def start_vantage(self):
        """Returns what ends it."""
        address = self.world.addresses_of("vantage.example")[0]
        token = self.folder / "token"
        token.write_text("0123456789abcdef0123456789abcdef\n")
        words = [self.binary, "vantage", "--token-file", str(token),
                 *(word for a in self.world.addresses_of("vantage.example") for word in
                   ("--listen", f"[{a}]:2580" if ":" in a else f"{a}:2580"))]
        process = self.bed.internet.inside(lambda: subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

        def end():
            process.kill()
            process.wait()
        try:
            wait_until(lambda: self.bed.internet.inside(lambda: answers(2580, address)),
                       "the vantage to listen")
        except AssertionError:
            end()
            raise
        return end

    def shell(self, situation, user):
        self.prepare(situation, user)
        return self.host.start(user, ["/bin/bash", "--norc", "-i"]).wait()
