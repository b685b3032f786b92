"""What no server can better on this machine: the load without a server, the disk's sync, the start of
the libraries."""

import os
import pathlib
import re
import subprocess
import time

from support.waiting import free_port

from .load import Sink, percentile, send, wait_listening
from .measure import first_banner
from .processes import cpu_seconds
from .systems import Relay

BANNER = pathlib.Path(__file__).with_name("banner.c")


def straight(folder, messages, sessions, size, reuse):
    """smtp-source into smtp-sink, nothing between."""
    port = free_port()
    sink = Sink(port)
    try:
        wait_listening(port)
        before = cpu_seconds(sink.process.pid)
        seconds = send(port, messages, sessions, size, reuse)
        used = cpu_seconds(sink.process.pid) - before
    finally:
        sink.stop()
    return {"accepted_per_s": messages / seconds, "end_to_end_per_s": messages / seconds,
            "cpu_s_per_10k": used / messages * 1e4}


def one_sync(folder, messages, size):
    """A write of the message behind the others in a file, and its fdatasync."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / "log", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    content, took = b"x" * size, []
    try:
        for _ in range(messages):
            time.sleep(0.002)  # as between messages: the disk is at rest
            began = time.perf_counter()
            os.write(file, content)
            os.fdatasync(file)
            took.append((time.perf_counter() - began) * 1e3)
    finally:
        os.close(file)
        (folder / "log").unlink()
    return {"dot_to_250_p50_ms": percentile(took, 0.5), "dot_to_250_p99_ms": percentile(took, 0.99)}


def same_libraries(folder):
    """A program that loads relay's libraries and greets."""
    folder.mkdir(parents=True, exist_ok=True)
    program, port = folder / "banner", free_port()
    if not program.exists():
        needed = re.findall(r"\[(lib[^]]+)\]", subprocess.run(
            ["readelf", "-d", Relay.binary], capture_output=True, text=True, check=True).stdout)
        subprocess.run(["cc", "-O2", "-o", program, BANNER, "-Wl,--no-as-needed",
                        *(f"-l:{name}" for name in needed)], check=True)
    began = time.perf_counter()
    process = subprocess.Popen([program, str(port)])
    try:
        first_banner(port)
        return {"first_banner_ms": (time.perf_counter() - began) * 1e3}
    finally:
        process.kill()
        process.wait()
