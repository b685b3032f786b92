#!/usr/bin/env python3
"""`./dev run`: relay in front of a demo smarthost, with one message sent through.

Everything lives in a folder of its own that goes away at the end; nothing leaves this host but the
look at port 25 that relay takes at its start.
"""

import argparse
import json
import os
import pathlib
import re
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

WANTED_PORT, WANTED_ADMIN_PORT = 2525, 8025
CONFIG = """\
[server]
listen = ["127.0.0.1:{port}"]

[smarthost]
host = "localhost"
port = {smarthost_port}
username = "demo"
password_file = "{folder}/password"
ca_file = "{folder}/ca.pem"

[spool]
directory = "{folder}/spool"
min_free = "16MiB"

[probe]
enabled = {probe}

[admin]
listen = ["127.0.0.1:{admin_port}"]
"""


def bold(text):
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR")
    return text if plain else f"\033[1m{text}\033[0m"


def say(text=""):
    print(text, flush=True)


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def holder_of(port):
    """The program that listens on a port, as far as /proc shows it to this user."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = pathlib.Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) in sockets for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue
    return "another program"


def choose_port(wanted, purpose):
    if is_free(wanted):
        return wanted
    say(f"Port {wanted} is taken by {holder_of(wanted)}; {purpose} uses another one.")
    return 0


class Demo:
    def __init__(self, binary, folder, once):
        self.binary, self.folder, self.once = str(binary), pathlib.Path(folder), once
        self.children = []
        self.config = self.folder / "relay.toml"
        self.log = self.folder / "relay.log"

    def start(self, words, log):
        # A session of its own: Ctrl-C reaches this script alone, which ends them in order.
        with open(log, "ab") as output:
            child = subprocess.Popen([self.binary, *words], stdout=output, stderr=output,
                                     stdin=subprocess.DEVNULL, start_new_session=True)
        self.children.append(child)
        return child

    def wait_for(self, child, log, condition):
        deadline = time.monotonic() + 20
        while not (found := condition()):
            if child.poll() is not None or time.monotonic() > deadline:
                text = log.read_text(errors="replace")
                sys.exit(f"The demo could not start; its log says:\n{text}")
            time.sleep(0.02)
        return found

    def start_smarthost(self):
        (self.folder / "password").write_text(secrets.token_urlsafe(12) + "\n")
        (self.folder / "password").chmod(0o600)
        ready, log = self.folder / "sink.json", self.folder / "sink.log"
        child = self.start(["sink", "--listen", "127.0.0.1:0", "--user", "demo",
                            "--password-file", str(self.folder / "password"),
                            "--directory", str(self.folder / "mail"),
                            "--ca-out", str(self.folder / "ca.pem"),
                            "--ready-file", str(ready)], log)
        text = self.wait_for(child, log, lambda: ready.exists() and ready.read_text())
        address = json.loads(text)["smtp"]
        say(f"{bold('smarthost')}  relay sink on {address}, STARTTLS with a CA of its own, sign-in")
        return int(address.rsplit(":", 1)[1])

    def start_relay(self, smarthost_port):
        port = choose_port(WANTED_PORT, "the relay")
        admin_port = choose_port(WANTED_ADMIN_PORT, "the admin interface")
        self.config.write_text(CONFIG.format(port=port, admin_port=admin_port, folder=self.folder,
                                             smarthost_port=smarthost_port,
                                             probe="false" if self.once else "true"))
        child = self.start(["run", "--config", str(self.config)], self.log)
        self.wait_for(child, self.log, lambda: "relay is ready" in self.log.read_text())
        self.port = self.logged_port("listening")
        self.admin_port = self.logged_port("admin interface")
        say(f"{bold('relay')}      relay run on localhost:{self.port}, "
            f"overview and API on http://127.0.0.1:{self.admin_port}/")
        return child

    def logged_port(self, message):
        found = re.search(rf"{message} .*?address=\"?[^\s\"]*:(\d+)", self.log.read_text())
        return int(found.group(1)) if found else 0

    def send_one(self):
        say(f"\n{bold('relay send --to ada@example.com')}")
        done = subprocess.run([self.binary, "send", "--config", str(self.config), "--to",
                               "ada@example.com", "--from", "app@example.com"])
        if done.returncode != 0:
            sys.exit(f"The message did not get through; relay's log:\n{self.log.read_text()}")
        for mail in sorted((self.folder / "mail").glob("*.eml")):
            say(f"{bold('The smarthost kept it as')} {mail}")

    def suggest(self):
        python = (f'import smtplib; smtplib.SMTP("localhost", {self.port}).sendmail('
                  '"me@example.com", "you@example.com", "Subject: hello\\r\\n\\r\\nHello.\\r\\n")')
        option = f"--config {self.config}"
        say(f"""
{bold('Try next')}, in another terminal:
  python3 -c '{python}'
  swaks --server localhost:{self.port} --to you@example.com --from me@example.com
  {self.binary} status {option}
  {self.binary} queue list --all {option}
  curl http://127.0.0.1:{self.admin_port}/
  ls {self.folder}/mail

relay's log follows; Ctrl-C ends both programs and removes the folder.
""")

    def follow_log(self, child):
        with open(self.log, "r", errors="replace") as log:
            while child.poll() is None:
                text = log.read()
                if text:
                    print(text, end="", flush=True)
                select.select([], [], [], 0.1)
        sys.exit(f"relay ended with status {child.returncode}")

    def stop(self):
        for child in reversed(self.children):  # the relay before its smarthost
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(30)
                except subprocess.TimeoutExpired:
                    child.kill()

    def run(self):
        child = self.start_relay(self.start_smarthost())
        self.send_one()
        if not self.once:
            self.suggest()
            self.follow_log(child)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--once", action="store_true", help="end after the message")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="relay-demo-") as folder:
        demo = Demo(arguments.binary.resolve(), folder, arguments.once)
        try:
            demo.run()
        except KeyboardInterrupt:
            say("\nStopping.")
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
