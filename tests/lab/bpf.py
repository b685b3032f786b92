"""Two programs for a cgroup's egress, loaded by hand: what systemd's IPAddressDeny= and the sandboxes
of container platforms do to mail."""

import contextlib
import ctypes
import os
import platform
import secrets
import struct
import subprocess

_SYSCALL = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD, _PROG_ATTACH = 5, 8
_CGROUP_SKB, _CGROUP_SOCK_ADDR = 8, 18
_EGRESS, _CONNECT4, _CONNECT6 = 1, 10, 11
_UNIFIED = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, max(len(attributes), 128))
    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(f"the lab does not know the bpf call of {platform.machine()}")
    result = _libc.syscall(number, command, buffer, len(buffer))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf: {os.strerror(code)}")
    return result


def _op(code, target=0, source=0, offset=0, value=0):
    return struct.pack("<BBhi", code, source << 4 | target, offset, value)


def _load(kind, attach, instructions):
    code = ctypes.create_string_buffer(b"".join(instructions))
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack("<IIQQ", kind, len(instructions), ctypes.addressof(code),
                             ctypes.addressof(licence))
    attributes += struct.pack("<IIQII16sII", 0, 0, 0, 0, 0, b"lab", 0, attach)
    return _bpf(_PROG_LOAD, attributes)


def _drop_tcp_25():
    """Drops TCP to port 25; headers without options, as SYNs of this kernel have them. The packet
    begins at the IP header: version 4 has its port at 22, version 6 at 42."""
    def port_at(position):
        return [_op(0xbf, 1, 6), _op(0xb7, 2, value=position), _op(0xbf, 3, 10),
                _op(0x07, 3, value=-8), _op(0xb7, 4, value=2), _op(0x85, value=26),
                _op(0x69, 7, 10, -8)]           # r7 = 16 bits, as on the wire
    wanted = struct.unpack("<H", struct.pack(">H", 25))[0]
    four, six = 0x0008, 0xdd86                  # skb->protocol, in network order
    body = [_op(0xbf, 6, 1), _op(0x7a, 10, offset=-8, value=0), _op(0x61, 8, 6, 16)]
    fourth, sixth = port_at(22), port_at(42)
    verdict = [_op(0x55, 7, offset=2, value=wanted), _op(0xb7, 0, value=0), _op(0x95)]
    passing = [_op(0xb7, 0, value=1), _op(0x95)]
    part_six = [_op(0x55, 8, offset=len(sixth) + len(verdict), value=six), *sixth, *verdict]
    part_four = [_op(0x55, 8, offset=len(fourth) + len(verdict), value=four), *fourth, *verdict]
    # A port that does not match falls out of its part into the next one, and at last passes.
    return [*body, *part_four, *part_six, *passing]


def _deny_connect_25():
    """user_port of bpf_sock_addr is at 24; 0 denies with EPERM."""
    wanted = struct.unpack("<H", struct.pack(">H", 25))[0]
    return [_op(0x61, 2, 1, 24), _op(0xb7, 0, value=1), _op(0x55, 2, offset=1, value=wanted),
            _op(0xb7, 0, value=0), _op(0x95)]


def unified_hierarchy():
    for folder in _UNIFIED:
        if os.path.exists(f"{folder}/cgroup.controllers"):
            return folder
    return None


class Cgroup:
    """A control group in which port 25 is stopped: how is "drop" (packets) or "deny" (connect).
    A process joins by writing its number to `folder`/cgroup.procs."""

    def __init__(self, how):
        top = unified_hierarchy()
        if top is None:
            raise OSError("there is no cgroup2 hierarchy")
        self.folder = f"{top}/relay-lab-{os.getpid()}-{secrets.token_hex(4)}"
        self.descriptors = []
        os.mkdir(self.folder)
        try:
            self._attach(how)
            self._try_to_join()
        except OSError:
            self.close()
            raise

    def _attach(self, how):
        group = os.open(self.folder, os.O_RDONLY)
        try:
            programs = [(_CGROUP_SKB, _EGRESS, _drop_tcp_25())] if how == "drop" else [
                (_CGROUP_SOCK_ADDR, _CONNECT4, _deny_connect_25()),
                (_CGROUP_SOCK_ADDR, _CONNECT6, _deny_connect_25())]
            for kind, attach, instructions in programs:
                program = _load(kind, attach, instructions)
                self.descriptors.append(program)
                _bpf(_PROG_ATTACH, struct.pack("<IIII", group, program, attach, 0))
        finally:
            os.close(group)

    def _try_to_join(self):
        joined = subprocess.run(["sh", "-c", 'echo $$ > "$0/cgroup.procs"', self.folder],
                                capture_output=True, text=True)
        if joined.returncode != 0:
            raise OSError(joined.stderr.strip())

    def close(self):
        for descriptor in self.descriptors:
            os.close(descriptor)
        with contextlib.suppress(OSError):
            os.rmdir(self.folder)
