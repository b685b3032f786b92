"""The rows of the comparison: what is measured, with how much load, and what is compared in it."""

import dataclasses
import typing

from . import limits, measure

KIB, MIB = 1024, 1024 * 1024
# OpenSMTPD takes some seconds for a message at times, and minutes for these rows.
FAST = ("postfix", "haraka")


@dataclasses.dataclass
class Row:
    name: str
    title: str
    measure: typing.Callable
    load: dict
    key: str                      # the figure that stands for the row in plots
    quick: dict = dataclasses.field(default_factory=dict)  # a smaller load
    peers: tuple = ("postfix", "haraka", "opensmtpd")
    limit: typing.Callable = None  # measures what no server can better
    limit_title: str = "source straight into sink"


def _throughput():
    for reuse in (True, False):
        for sessions in (1, 10, 50, 200):
            way = "kept open" if reuse else "one message a session"
            yield Row(f"4k-{sessions}-{'kept' if reuse else 'each'}",
                      f"4 KiB, {sessions} session{'s' if sessions > 1 else ''}, {way}",
                      measure.throughput,
                      {"messages": 4000 if sessions == 1 else 20000, "sessions": sessions,
                       "size": 4 * KIB, "reuse": reuse},
                      "end_to_end_per_s", {"messages": 1000 if sessions == 1 else 4000},
                      peers=("postfix", "haraka", "opensmtpd", "least"), limit=limits.straight)
    yield Row("100k-10", "100 KiB, 10 sessions", measure.throughput,
              {"messages": 4000, "sessions": 10, "size": 100 * KIB, "reuse": True},
              "end_to_end_per_s", {"messages": 1000}, limit=limits.straight)
    yield Row("5m-10", "5 MiB, 10 sessions", measure.throughput,
              {"messages": 300, "sessions": 10, "size": 5 * MIB, "reuse": True},
              "end_to_end_per_s", {"messages": 60}, limit=limits.straight)


ROWS = [
    *_throughput(),
    Row("latency", "One session, 4 KiB, one message at a time", measure.latency,
        {"messages": 500, "size": 4 * KIB}, "dot_to_250_p50_ms", {"messages": 100},
        peers=(*FAST, "least"), limit=limits.one_sync, limit_title="a write and its fdatasync"),
    Row("memory", "Memory idle and for each idle connection", measure.memory,
        {"connections": 9000}, "idle_pss_mib", {"connections": 1000},
        peers=FAST),
    Row("start", "Start to first banner, with an empty queue on the disk", measure.start, {},
        "first_banner_ms", peers=("postfix", "haraka", "opensmtpd", "msmtpd"),
        limit=limits.same_libraries, limit_title="relay's libraries and a banner"),
    Row("syncs", "fsync and fdatasync, 50 sessions", measure.syncs,
        {"messages": 5000, "sessions": 50, "size": 4 * KIB}, "syncs_per_message",
        {"messages": 1000}, peers=FAST),
    Row("sign-in", "STARTTLS and sign-in to a Postfix smarthost, 4 KiB, 10 sessions",
        measure.sign_in, {"messages": 5000, "sessions": 10, "size": 4 * KIB},
        "own_cpu_s_per_10k", {"messages": 1000}, peers=("postfix",)),
    Row("backlog", "A backlog of 1,000,000 messages of 1 KiB", measure.backlog,
        {"messages": 1_000_000, "size": KIB}, "drained_per_s", {"messages": 20_000}, peers=()),
]


def loads_of(row, quick):
    return {**row.load, **(row.quick if quick else {})}


def fewer_for(system, load):
    """The slow ones get fewer messages, so that a row takes seconds from each."""
    part = {"relay": 1, "limit": 1, "postfix": 4, "haraka": 4, "opensmtpd": 20, "msmtpd": 20,
            "least": 1}[system]
    if "messages" not in load:
        return load
    least = max(2 * load.get("sessions", 1), 40)
    return {**load, "messages": max(min(least, load["messages"]), load["messages"] // part)}
