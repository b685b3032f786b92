"""One measurement of one system: each function starts the system afresh on an empty queue, measures,
and returns figures by name."""

import json
import re
import shutil
import socket
import subprocess
import time

from support.certificates import Authority
from support.postfix import Postfix as PostfixSmarthost
from support.relay import UnixConnection
from support.waiting import free_port

from . import systems
from .load import Client, Sink, TimingSink, percentile, send, wait_listening
from .processes import PeakMemory, cpu_seconds, kill_tree, pss_bytes, wait_for, wait_quiet


class Running:
    """A system that accepts mail, for the length of a block."""

    def __init__(self, kind, folder, smarthost, tracer=()):
        shutil.rmtree(folder, ignore_errors=True)
        self.system = kind(folder, smarthost)
        self.system.tracer = tracer

    def __enter__(self):
        self.system.start()
        wait_listening(self.system.port)
        wait_quiet(self.system.pid, 0.3, 10)
        return self.system

    def __exit__(self, *_):
        self.system.stop()


def control(system, path):
    """What relay's control socket answers."""
    connection = UnixConnection(system.folder / "s/control.sock")
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def throughput(kind, folder, messages, sessions, size, reuse):
    port = free_port()
    sink = Sink(port, messages)
    wait_listening(port)
    try:
        with Running(kind, folder, systems.Smarthost(port)) as system, \
                PeakMemory(system.pid) as memory:
            before, began = cpu_seconds(system.pid), time.monotonic()
            accepted = send(system.port, messages, sessions, size, reuse)
            sink.wait(max(120, 30 * accepted))
            whole = time.monotonic() - began
            wait_quiet(system.pid)
            used = cpu_seconds(system.pid) - before
    finally:
        sink.stop()
    return {"accepted_per_s": messages / accepted, "end_to_end_per_s": messages / whole,
            "cpu_s_per_10k": used / messages * 1e4, "peak_pss_mib": memory.bytes / 2**20}


def latency(kind, folder, messages, size):
    port = free_port()
    sink = TimingSink(port)
    content = b"Subject: timing\r\n\r\n" + (b"x" * 70 + b"\r\n") * max(1, size // 72)
    to_reply, to_sink = [], []
    try:
        with Running(kind, folder, systems.Smarthost(port)) as system:
            client = Client(system.port).greet()
            for number in range(messages + 20):
                before, after = client.message(content)
                sink.arrived.acquire(timeout=60)
                if number >= 20:  # the first ones open connections and fill caches
                    to_reply.append((after - before) * 1e3)
            client.close()
            for _ in range(messages):
                began = time.perf_counter()
                client = Client(system.port).greet()
                client.message(content)
                sink.arrived.acquire(timeout=60)
                to_sink.append((sink.last - began) * 1e3)
                client.close()
    finally:
        sink.stop()
    return {"dot_to_250_p50_ms": percentile(to_reply, 0.5),
            "dot_to_250_p99_ms": percentile(to_reply, 0.99),
            "connect_to_sink_p50_ms": percentile(to_sink, 0.5),
            "connect_to_sink_p99_ms": percentile(to_sink, 0.99)}


def memory(kind, folder, connections):
    if kind.sessions_are_processes:
        connections = min(connections, 50)
    with Running(kind, folder, systems.Smarthost(free_port())) as system:
        idle = pss_bytes(system.pid)
        clients = []
        try:
            for _ in range(connections):
                clients.append(Client(system.port).greet())
            wait_quiet(system.pid, 0.5, 10)
            loaded = pss_bytes(system.pid)
        finally:
            for client in clients:
                client.close()
    return {"idle_pss_mib": idle / 2**20,
            "per_idle_connection_kib": (loaded - idle) / 1024 / connections}


def start(kind, folder):
    shutil.rmtree(folder, ignore_errors=True)
    system = kind(folder, systems.Smarthost(free_port()))
    try:
        system.start()  # once before, to make the queue
        first_banner(system.port)
        system.end()
        began = time.perf_counter()
        system.start()
        first_banner(system.port)
        return {"first_banner_ms": (time.perf_counter() - began) * 1e3}
    finally:
        system.stop()


def first_banner(port, timeout=60.0):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                if connection.recv(4).startswith(b"220"):
                    return
        except OSError:
            time.sleep(0.0005)
    raise TimeoutError(f"no banner on port {port}")


def syncs(kind, folder, messages, sessions, size):
    """fsync and fdatasync calls for a message accepted and forwarded, counted by strace."""
    port = free_port()
    sink = Sink(port, messages)
    wait_listening(port)
    trace = folder.with_suffix(".strace")
    try:
        with Running(kind, folder, systems.Smarthost(port), _counting_syncs(trace)) as system:
            before = _syncs_in(trace)
            send(system.port, messages, sessions, size, True)
            sink.wait(300)
            wait_quiet(system.pid)
            count = _syncs_in(trace) - before
            kill_tree(system.pid)  # what strace follows would outlive it
    finally:
        sink.stop()
    trace.unlink()
    return {"syncs_per_message": count / messages}


def _counting_syncs(trace):
    # The filter stops a server at these calls alone: one that waits at each call gathers less mail for
    # a sync than it would.
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=fsync,fdatasync", "-e", "signal=none",
            "-o", str(trace)]


def _syncs_in(trace):
    return len(re.findall(r"\bf(?:data)?sync\(", trace.read_text(errors="replace")))


def sign_in(kind, folder, messages, sessions, size):
    """Over STARTTLS with a sign-in to a real Postfix: what the sender itself spends."""
    authority = Authority(folder.with_name("authority"))
    place = folder.with_name("smarthost")
    shutil.rmtree(place, ignore_errors=True)
    smarthost = PostfixSmarthost(place, authority)
    try:
        smarthost.start()
        target = systems.Smarthost(smarthost.submission, smarthost.USER, smarthost.PASSWORD,
                                   str(authority.certificate))
        with Running(kind, folder, target) as system:
            before, began = cpu_seconds(system.pid), time.monotonic()
            send(system.port, messages, sessions, size, True)
            arrived = place / "mail/new"
            wait_for(lambda: arrived.exists() and len(list(arrived.iterdir())) >= messages,
                     f"{messages} messages to arrive", 600, 0.2)
            whole = time.monotonic() - began
            wait_quiet(system.pid)
            used = cpu_seconds(system.pid) - before
        log = (place / "log").read_text(errors="replace")
    finally:
        smarthost.stop()
        shutil.rmtree(place, ignore_errors=True)
    connections = len(re.findall(r"smtpd\[\d+\]: connect from", log))
    return {"own_cpu_s_per_10k": used / messages * 1e4, "end_to_end_per_s": messages / whole,
            "connections": connections}


def backlog(kind, folder, messages, size):
    """A queue filled while the smarthost is away; then a restart with it, and the drain."""
    port = free_port()
    with_queue = {}
    shutil.rmtree(folder, ignore_errors=True)
    system = kind(folder, systems.Smarthost(port))
    sink = None
    try:
        system.start()
        wait_listening(system.port)
        with PeakMemory(system.pid) as filling:
            with_queue["filled_per_s"] = messages / send(system.port, messages, 50, size, True)
        wait_quiet(system.pid, 1.0, 600)
        system.process.terminate()
        system.process.wait(60)
        sink = Sink(port, messages)
        wait_listening(port)
        began = time.perf_counter()
        system.start()
        first_banner(system.port)
        with_queue["first_banner_ms"] = (time.perf_counter() - began) * 1e3
        wait_quiet(system.pid, 0.5, 20)
        with_queue["idle_pss_mib"] = pss_bytes(system.pid) / 2**20
        before, began = cpu_seconds(system.pid), time.monotonic()
        with PeakMemory(system.pid) as draining:
            system.command("queue", "retry", "--all")
            sink.wait(3600)
        seconds = time.monotonic() - began
        wait_quiet(system.pid)
        with_queue["drain_cpu_s_per_10k"] = (cpu_seconds(system.pid) - before) / messages * 1e4
    finally:
        if sink:
            sink.stop()
        system.stop()
    return {**with_queue, "drained_per_s": messages / seconds,
            "filling_peak_pss_mib": filling.bytes / 2**20,
            "draining_peak_pss_mib": draining.bytes / 2**20}
