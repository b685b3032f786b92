"""A unit's SystemCallFilter: which calls it names, and the same filter for a process of our own."""

import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys

NUMBERS = pathlib.Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
AUDIT_ARCH_X86_64 = 0xC000003E
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
NO_FILTER = 99  # the exit status when none could be set
ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06


def why_not():
    """What keeps this machine from reading the filter, or None."""
    if not shutil.which("systemd-analyze"):
        return "there is no systemd-analyze"
    if not NUMBERS.exists():
        return f"{NUMBERS} is not there: the numbers of system calls are known for x86-64 only"
    return None


def _group(name):
    """The calls of "@group" as systemd expands it, groups within it included."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name],
                          capture_output=True, text=True, check=True, timeout=60)
    words = re.findall(r"^    ([@\w-]+)$", done.stdout, re.MULTILINE)
    calls = set()
    for word in words:
        calls |= _group(word) if word.startswith("@") else {word}
    return calls


def allowed_calls(unit):
    """systemd.exec(5): the first line allows, one with ~ takes away; @default is always there."""
    lines = re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE)
    if not lines or lines[0].startswith("~"):
        raise AssertionError(f"no list of allowed calls: {lines}")
    calls = _group("@default")
    for line in lines:
        named = set()
        for word in line.lstrip("~").split():
            named |= _group(word) if word.startswith("@") else {word}
        calls = calls - named if line.startswith("~") else calls | named
    return calls


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jump_true", ctypes.c_ubyte),
                ("jump_false", ctypes.c_ubyte), ("constant", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction))]


def confine(calls):
    """For preexec_fn: from here on any other call ends the process with SIGSYS.

    Stricter than the unit, which answers EPERM: a program may hide that.
    """
    numbers = dict(re.findall(r"^#define __NR_(\w+) (\d+)$", NUMBERS.read_text(), re.MULTILINE))
    program = [(LOAD, 0, 0, 4), (JUMP_EQUAL, 1, 0, AUDIT_ARCH_X86_64),
               (RETURN, 0, 0, KILL_PROCESS), (LOAD, 0, 0, 0)]
    for name in sorted(calls & numbers.keys()):
        program += [(JUMP_EQUAL, 0, 1, int(numbers[name])), (RETURN, 0, 0, ALLOW)]
    program.append((RETURN, 0, 0, KILL_PROCESS))
    filters = (_Instruction * len(program))(*program)
    described = _Program(len(program), filters)
    library = ctypes.CDLL(None, use_errno=True)

    def set_filter():
        if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or library.prctl(
                PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(described), 0, 0) != 0:
            sys.stderr.write(f"no filter: {os.strerror(ctypes.get_errno())}\n")
            os._exit(NO_FILTER)
    return set_filter
