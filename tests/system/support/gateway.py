"""relay in a network of its own, with neighbours and a default gateway."""

import shutil
import subprocess
import sys

from .relay import BINARY, Relay


def allowed():
    """Whether such a network can be made here."""
    probe = ["unshare", "-Urn", "sh", "-c", GatewayRelay.NETWORK]
    return bool(shutil.which("unshare")) and \
        subprocess.run(probe, capture_output=True).returncode == 0


class GatewayRelay(Relay):
    """10.9.0.1 is its gateway; from there and from 10.9.0.3 it can be spoken to."""

    NETWORK = ("ip link set lo up && ip link add name left type veth peer name right && "
               "ip link set right up && "
               "ip addr add 10.9.0.2/24 dev left && ip link set left up && "
               "ip route add default via 10.9.0.1 && "
               "ip addr add 10.9.0.1/32 dev lo && ip addr add 10.9.0.3/32 dev lo")

    namespaces = ["-U", "-r", "-n"]
    before = "true"  # done before it starts

    def spawn(self):
        script = f"{self.NETWORK} && {self.before} && exec {BINARY} run --config {self.config}"
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(["unshare", *self.namespaces, "sh", "-c", script],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def replies(self, source, port, says=b"", lines=1):
        """What a client at that address reads."""
        script = (f"import socket; s = socket.create_connection(('10.9.0.2', {port}), 20, "
                  f"('{source}', 0)); s.sendall({says!r}); f = s.makefile('r'); "
                  f"[print(f.readline(), end='') for _ in range({lines})]")
        own_user = ["-U", "--preserve-credentials"] if "-U" in self.namespaces else []
        return subprocess.run(
            ["nsenter", "-t", str(self.process.pid), "-n", *own_user,
             sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
