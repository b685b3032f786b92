"""The load: Postfix's smtp-source and smtp-sink, and a client that times single messages."""

import contextlib
import os
import socket
import statistics
import subprocess
import threading
import time

from .processes import wait_for
from .systems import PEERS

# smtp-source frees and takes two 128 KiB buffers with each connection: without these it gives the
# pages back to the system each time, and spends four times the time of its work on page faults.
KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
                     "MALLOC_TOP_PAD_": str(1 << 26)}
ENVIRONMENT = {**os.environ, **KEEP_FREED_MEMORY,
               "LD_LIBRARY_PATH": str(PEERS / "usr/lib/postfix")}
# Where their memory happens to lie makes the two up to twice as slow, so it is the same each time.
SAME_ADDRESSES = ["setarch", "-R"]
AS_NOBODY = ["-u", "nobody"] if os.geteuid() == 0 else []


def wait_listening(port, timeout=30.0):
    def connected():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                return True
        except OSError:
            return False
    wait_for(connected, f"port {port} to answer", timeout, 0.02)


class Sink:
    """smtp-sink; with a count it ends after so many messages."""

    def __init__(self, port, messages=None):
        count = [] if messages is None else ["-M", str(messages)]
        self.process = subprocess.Popen(
            [*SAME_ADDRESSES, PEERS / "usr/sbin/smtp-sink", *AS_NOBODY, "-4", "-m", "4000", *count, f"127.0.0.1:{port}", "4096"],
            env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self, timeout):
        self.process.wait(timeout)

    def stop(self):
        self.process.kill()
        self.process.wait()


def send(port, messages, sessions, size, reuse, recipients=1):
    """Runs smtp-source to its end; returns the seconds it took."""
    words = ["-4", "-s", str(sessions), "-m", str(messages), "-l", str(size), "-r", str(recipients),
             "-f", "app@client.example", "-t", "someone@recipient.example"]
    if reuse:
        words.append("-d")
    began = time.monotonic()
    done = subprocess.run([*SAME_ADDRESSES, PEERS / "usr/sbin/smtp-source", *words, f"127.0.0.1:{port}"],
                          env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"smtp-source: {done.stderr[-500:]}")
    return time.monotonic() - began


class Client:
    """One plain SMTP session, as a library would hold it."""

    def __init__(self, port, timeout=30.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def reply(self):
        while True:
            *lines, rest = self.buffer.split(b"\r\n")
            for at, line in enumerate(lines):
                if line[3:4] != b"-":
                    self.buffer = b"\r\n".join([*lines[at + 1:], rest])
                    return line
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            self.buffer += more

    def command(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def greet(self):
        self.reply()
        self.command("EHLO client.example")
        return self

    def message(self, content):
        """Returns the moments before the dot left and after the reply to it came."""
        self.command("MAIL FROM:<app@client.example>")
        self.command("RCPT TO:<someone@recipient.example>")
        self.command("DATA")
        self.socket.sendall(content)
        before = time.perf_counter()
        answer = self.command(".")
        after = time.perf_counter()
        if not answer.startswith(b"250"):
            raise RuntimeError(f"refused: {answer!r}")
        return before, after

    def close(self):
        self.socket.close()


class TimingSink:
    """An SMTP server that notes when each message's final dot has come."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.arrived = threading.Semaphore(0)
        self.last = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:  # a server that is stopped resets it
            self._converse(connection)

    def _converse(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"220 sink.example ESMTP\r\n")
        content = False
        for line in connection.makefile("rb"):
            if content:
                if line == b".\r\n":
                    self.last = time.perf_counter()
                    self.arrived.release()
                    content = False
                    connection.sendall(b"250 2.0.0 Ok\r\n")
                continue
            verb = line[:4].upper()
            content = verb == b"DATA"
            answer = {b"EHLO": b"250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
                      b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
            connection.sendall(answer.get(verb, b"250 2.0.0 Ok\r\n"))
            if verb == b"QUIT":
                break

    def stop(self):
        self.listener.close()


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def spread(values):
    """Median, lowest and highest."""
    return statistics.median(values), min(values), max(values)
