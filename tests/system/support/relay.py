"""The program under test: `relay run` with a configuration and a spool of its own."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

from .waiting import PATIENCE, SANITIZED, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("RELAY_BIN", str(ROOT / "build/debug/bin/relay"))
LISTENING = re.compile(
    r"listening\b.*?\baddress(?:=\"?|\":\")(?:\[::1\]|127\.0\.0\.1):(\d+)")
SANITIZER = re.compile(r"^.*(?:(?:Address|Leak|Thread)Sanitizer|: runtime error: )", re.MULTILINE)

BASE = {
    "server": {"listen": ["127.0.0.1:0"], "hostname": "relay.example"},
    "delivery": {"retry": ["200ms"]},
    "probe": {"enabled": False},
    "admin": {"listen": []},
}


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(str(value))  # a TOML basic string is written like a JSON one


def toml_text(settings):
    """Settings as {"section": {key: value}}; a list of tables becomes [[section]]."""
    lines = []
    for section, content in settings.items():
        for table in content if isinstance(content, list) else [content]:
            lines.append(f"[[{section}]]" if isinstance(content, list) else f"[{section}]")
            lines.extend(f"{key} = {toml_value(value)}" for key, value in table.items())
    return "\n".join(lines) + "\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10 * PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10 * PATIENCE)
        self.sock.connect(self.path)


class Relay:
    """Not started by itself. `settings` overrides single keys of BASE, section by section."""

    def __init__(self, folder, smarthosts, **settings):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        # A path of a unix socket may have 107 bytes, fewer than a deep test folder may need.
        self.spool = pathlib.Path(tempfile.mkdtemp(prefix="spool-", dir=self.folder))
        self.config = self.folder / "relay.toml"
        self.log_file = self.folder / "log"
        self.process = None
        self.port = None
        self.open_files = None  # (soft, hard) limit of the process
        self.environment = None  # the test's own
        self.configure(smarthosts, **settings)

    def configure(self, smarthosts, **settings):
        merged = {name: {**BASE.get(name, {}), **settings.get(name, {})}
                  for name in {**BASE, **settings}}
        merged["spool"] = {"directory": str(self.spool), "min_free": "1MiB",
                           **settings.get("spool", {})}
        self.config.write_text(toml_text({**merged, "smarthost": smarthosts}))
        self.config.chmod(0o600)

    def spawn(self):
        """Starts the process and waits for nothing."""
        command = [BINARY, "run", "--config", str(self.config)]
        if self.open_files:
            soft, hard = self.open_files
            command = ["prlimit", f"--nofile={soft}:{hard}", *command]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.environment)

    def start(self):
        offset = self.log_file.stat().st_size if self.log_file.exists() else 0
        self.spawn()

        def listening():
            if self.process.poll() is not None:
                raise RuntimeError(f"relay ended with {self.process.returncode}:\n{self.log()}")
            text = self.log()[offset:]
            return LISTENING.search(text) if "relay is ready" in text else None

        found = wait_until(listening, lambda: f"relay to listen:\n{self.log()}")
        self.port = int(found.group(1))
        return self

    def log(self):
        return self.log_file.read_text(errors="replace")

    def wait_for_log(self, pattern, timeout=20.0):
        return wait_until(lambda: re.search(pattern, self.log()),
                          lambda: f"{pattern!r} in the log:\n{self.log()[-4000:]}", timeout)

    def stop(self, timeout=40):
        """SIGTERM; returns the exit status."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self._ended(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"relay did not stop on SIGTERM:\n{self.log()[-4000:]}") from None

    def cut_log(self):
        """Half of what was written to the spool's log is left; room for more lies behind it."""
        log = self.spool / "spool.db-wal"
        written = log.read_bytes().rstrip(b"\0")
        log.write_bytes(written[:len(written) // 2])

    def kill(self):
        """SIGKILL; a relay that had already ended by itself is a failure of the test."""
        if self.process is None:
            return
        by_itself = self.process.poll()
        self.process.kill()
        self._ended(10)
        if by_itself is not None:
            raise AssertionError(f"relay ended by itself with {by_itself}:\n{self.log()[-4000:]}")

    def end(self):
        """For clean-ups. Under a sanitizer the end is a clean one, since leaks are told then."""
        if SANITIZED and self.process is not None and self.process.poll() is None:
            self.stop()
        else:
            self.kill()

    def _ended(self, timeout):
        status = self.process.wait(timeout * PATIENCE)
        self.process = None
        found = SANITIZED and SANITIZER.search(self.log())
        if found:
            raise AssertionError(f"a sanitizer complains:\n{self.log()[found.start():][:6000]}")
        return status

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def command(self, *words, check=True, timeout=60, config=True):
        """Runs another relay command, on this configuration unless told otherwise."""
        option = ["--config", str(self.config)] if config else []
        done = subprocess.run([BINARY, *words, *option], capture_output=True, text=True,
                              timeout=timeout * PATIENCE)
        if check and done.returncode != 0:
            raise AssertionError(f"relay {' '.join(words)} ended with {done.returncode}:\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def api(self, method, path, body=None):
        """Status and decoded answer of the control socket."""
        connection = UnixConnection(self.spool / "control.sock")
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            content = answer.read()
            is_json = "json" in (answer.getheader("Content-Type") or "")
            return answer.status, json.loads(content) if is_json else content
        finally:
            connection.close()

    def status(self):
        return self.api("GET", "/api/v1/status")[1]

    def messages(self, query=""):
        return self.api("GET", f"/api/v1/messages{query}")[1]["messages"]

    def message(self, identifier):
        return self.api("GET", f"/api/v1/messages/{identifier}")[1]

    def wait_until_empty(self, timeout=30.0):
        def empty():
            queue = self.status()["queue"]
            return queue["queued"] + queue["unknown"] == 0
        wait_until(empty,
                   lambda: f"the queue to empty: {self.status()['queue']}\n{self.log()[-3000:]}",
                   timeout)
