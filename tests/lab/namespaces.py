"""Network namespaces and their links, held by file descriptors alone.

A namespace lives as long as this process does and leaves nothing behind. The namespace of a Linux
thread is its own, so whatever has to happen inside one runs on a thread that has entered it:
sockets made there stay there, and commands started there inherit it.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import traceback

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWNET = 0x40000000
MS_REC, MS_PRIVATE, MS_BIND, MS_RDONLY, MS_REMOUNT = 0x4000, 1 << 18, 4096, 1, 32

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(what, result):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags):
    _checked("unshare", _libc.unshare(flags))


def enter(descriptor):
    _checked("setns", _libc.setns(descriptor, CLONE_NEWNET))


def mount(source, target, kind=None, flags=0, data=None):
    encoded = [None if word is None else str(word).encode() for word in (source, target, kind)]
    _checked(f"mount {source} at {target}",
             _libc.mount(*encoded, ctypes.c_ulong(flags), data and data.encode()))


def unmount(target):
    _checked(f"unmount {target}", _libc.umount2(str(target).encode(), 2))


def bind(source, target):
    """Shows a tree at another place as well; nothing can be removed through it where the kernel
    lets us say so."""
    mount(source, target, flags=MS_BIND | MS_REC)
    with contextlib.suppress(OSError):
        mount(None, target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def die_with_parent():
    _libc.prctl(1, 9, 0, 0, 0)


def in_a_child(function):
    """Runs it in a child of this process and returns its exit status. What it mounts goes with it:
    the parent, which removes the folder, never sees the machine's own files in there."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            die_with_parent()
            status = function()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _on_a_thread(function):
    """Runs it on a thread of its own and returns, or raises, what it did."""
    outcome = {}

    def body():
        try:
            outcome["value"] = function()
        except BaseException as error:  # handed on to the caller
            outcome["error"] = error

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


class Namespace:
    """One host or router of the bed."""

    def __init__(self, name):
        self.name = name

        def make():
            unshare(CLONE_NEWNET)
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.descriptor = _on_a_thread(make)
        self.ip("link set lo up")

    @property
    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def inside(self, function):
        def body():
            enter(self.descriptor)
            return function()
        return _on_a_thread(body)

    def command(self, words, text=None, check=True, **options):
        done = self.inside(lambda: subprocess.run(words, input=text, capture_output=True,
                                                  text=True, **options))
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(words)}\n{text or ''}\n{done.stderr}")
        return done

    def ip(self, *lines):
        """`ip` commands without the word ip, in one batch."""
        self.command(["ip", "-batch", "-"], "\n".join(lines) + "\n")

    def nft(self, text):
        self.command(["nft", "-f", "-"], text)

    def sysctl(self, **values):
        """net.* settings; dots are written as double underscores."""
        def write():
            for key, value in values.items():
                with open("/proc/sys/net/" + key.replace("__", "/"), "w") as file:
                    file.write(str(value))
        self.inside(write)

    def link(self, name, other, other_name):
        """A cable between this namespace and another one."""
        self.ip(f"link add name {name} type veth peer name {other_name} netns {other.path}")
