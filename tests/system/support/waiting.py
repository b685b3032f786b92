"""Waiting for conditions, never for a length of time."""

import os
import socket
import threading
import time

# Under a sanitizer the program is some ten times slower; CMake says so.
PATIENCE = float(os.environ.get("RELAY_TEST_PATIENCE", "1"))
SANITIZED = PATIENCE > 1
_never = threading.Event()


def wait_until(condition, what, timeout=20.0, step=0.02):
    """Returns the first true value of condition(); fails naming what was waited for."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            described = what() if callable(what) else what
            raise AssertionError(f"waited {timeout:g} s in vain for {described}")
        _never.wait(step)


def free_port():
    """A loopback port nobody listens on now. Only for servers that cannot bind port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False
