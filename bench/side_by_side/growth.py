"""How relay's cost grows: one curve for each thing that may grow, from figures of relay alone."""

import dataclasses
import shutil
import time
import typing

from support.relay import UnixConnection
from support.waiting import free_port

from . import measure, systems
from .load import Sink, send, wait_listening
from .processes import PeakMemory, cpu_seconds, wait_for, wait_quiet

KIB, MIB = 1024, 1024 * 1024


@dataclasses.dataclass
class Curve:
    name: str
    title: str
    grows: str                 # what the points count
    points: tuple
    figures: tuple             # the ones that are drawn
    measure: typing.Callable   # (folder, point) -> figures by name
    quick: tuple = ()          # fewer points


class Fleet(systems.Relay):
    """relay with several equal smarthosts."""

    def smarthost_tables(self):
        return [{"name": f"s{port}", "host": "127.0.0.1", "port": port, "tls": "none"}
                for port in self.smarthost]


def delivered(system, messages):
    """Whether the queue is empty and so many messages have left it."""
    queue = measure.control(system, "/api/v1/status")["queue"]
    return queue["queued"] + queue["unknown"] == 0 and queue["delivered"] >= messages


def forward(folder, messages, sessions, size, recipients=1, smarthosts=1):
    """Accepts and forwards everything; the smarthosts are counted on by relay's own queue."""
    ports, sinks = [], []
    try:
        for _ in range(smarthosts):
            ports.append(free_port())  # one after the other: free twice is the same port
            sinks.append(Sink(ports[-1]))
            wait_listening(ports[-1])
        with measure.Running(Fleet, folder, ports) as system, PeakMemory(system.pid) as memory:
            before, began = cpu_seconds(system.pid), time.monotonic()
            accepted = send(system.port, messages, sessions, size, True, recipients)
            wait_for(lambda: delivered(system, messages), "the queue to empty", 1800, 0.02)
            whole = time.monotonic() - began
            wait_quiet(system.pid)
            used = cpu_seconds(system.pid) - before
    finally:
        for sink in sinks:
            sink.stop()
    return {"accepted_per_s": messages / accepted, "end_to_end_per_s": messages / whole,
            "cpu_s_per_10k": used / messages * 1e4,
            "recipients_per_s": messages * recipients / whole,
            "cpu_ms_per_1k_recipients": used / messages / recipients * 1e6,
            "seconds": whole, "cpu_s": used, "peak_pss_mib": memory.bytes / MIB}


def by_sessions(folder, sessions):
    return forward(folder, 1000 if sessions == 1 else 10000, sessions, 4 * KIB)


def by_size(folder, size):
    messages = max(20, min(10000, 400 * MIB // size))
    figures = forward(folder, messages, 10, size)
    return {**figures, "mib_per_s": figures["end_to_end_per_s"] * size / MIB,
            "cpu_ms_per_message": figures["cpu_s_per_10k"] / 10}


def by_recipients(folder, recipients):
    return forward(folder, max(100, min(10000, 100_000 // recipients)), 10, 4 * KIB, recipients)


def by_smarthosts(folder, smarthosts):
    return forward(folder, 10000, 50, 4 * KIB, smarthosts=smarthosts)


def by_backlog(folder, messages):
    return measure.backlog(systems.Relay, folder, messages, KIB)


def burst(folder, recipients):
    """A newsletter: all recipients at once, a hundred to a message."""
    return forward(folder, recipients // 100, 10, 4 * KIB, 100)


CURVES = [
    Curve("sessions", "Sessions at once, 4 KiB", "sessions", (1, 3, 10, 30, 100, 300, 1000),
          ("end_to_end_per_s", "cpu_s_per_10k", "peak_pss_mib"), by_sessions, (1, 10, 100)),
    Curve("size", "Size of a message, 10 sessions", "bytes",
          tuple(KIB * 4**n for n in range(8)),
          ("mib_per_s", "cpu_ms_per_message", "peak_pss_mib"), by_size, (KIB, 64 * KIB, MIB)),
    Curve("recipients", "Recipients of a message, 4 KiB, 10 sessions", "recipients",
          (1, 3, 10, 30, 100, 300, 1000),
          ("recipients_per_s", "cpu_ms_per_1k_recipients", "peak_pss_mib"), by_recipients,
          (1, 10, 100)),
    Curve("smarthosts", "Smarthosts that share the load, 50 sessions, 4 KiB", "smarthosts",
          (1, 2, 5, 10, 20, 50), ("end_to_end_per_s", "cpu_s_per_10k", "peak_pss_mib"),
          by_smarthosts, (1, 5, 20)),
    Curve("backlog", "Messages that wait, 1 KiB", "messages",
          (1000, 10_000, 100_000, 1_000_000),
          ("drained_per_s", "drain_cpu_s_per_10k", "first_banner_ms", "draining_peak_pss_mib"),
          by_backlog, (1000, 10_000)),
    Curve("burst", "A burst to many recipients, 100 to a message, 4 KiB", "recipients",
          (1000, 10_000, 100_000), ("seconds", "cpu_s", "peak_pss_mib"), burst, (1000, 10_000)),
]


def run(curve, folder, quick, say):
    """The figures at each point, in the order of growth."""
    found = []
    for point in curve.quick if quick else curve.points:
        shutil.rmtree(folder, ignore_errors=True)
        figures = curve.measure(folder, point)
        say(curve, point, figures)
        found.append({"point": point, "figures": figures})
    return found
