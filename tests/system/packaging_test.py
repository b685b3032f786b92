"""What packaging/ installs: the units, the Debian package, the completion, the container's confinement."""

import configparser
import json
import os
import pathlib
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import unittest

from support.case import SystemCase
from support.relay import BINARY, LISTENING, ROOT

PACKAGING = ROOT / "packaging"
UNITS = PACKAGING / "systemd"
BUILD = pathlib.Path(BINARY).resolve().parent.parent
COMPLETION = PACKAGING / "completion" / "relay.bash"


def need(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise unittest.SkipTest(f"not installed here: {', '.join(missing)}")


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=120, **options)


class UnitsTest(SystemCase):
    def copy(self):
        """The units with the program at its place in the build, which exists."""
        folder = self.scratch.path / "units"
        folder.mkdir(exist_ok=True)
        for name in ("relay.service", "relay.socket"):
            text = (UNITS / name).read_text().replace("/usr/bin/relay", str(BINARY))
            (folder / name).write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
        return folder

    def test_the_service_is_locked_up(self):
        need("systemd-analyze")
        done = run("systemd-analyze", "security", "--offline=yes", "--no-pager",
                   self.copy() / "relay.service")
        level = re.search(r"exposure level for relay\.service: ([\d.]+)", done.stdout)
        self.assertIsNotNone(level, done.stdout + done.stderr)
        self.assertLess(float(level.group(1)), 1.5, done.stdout)

    def test_systemd_understands_the_units(self):
        need("systemd-analyze")
        folder = self.copy()
        done = run("systemd-analyze", "verify", folder / "relay.service", folder / "relay.socket")
        complaints = [line for line in done.stderr.splitlines() if "relay." in line]
        self.assertEqual([], complaints)

    def test_the_service_comes_back_however_often_it_could_not_start(self):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read(UNITS / "relay.service")
        self.assertEqual("0", unit["Unit"]["StartLimitIntervalSec"])
        self.assertEqual("on-failure", unit["Service"]["Restart"])
        late = self.relay(self.smarthost(self.fake()), start=False,
                          server={"listen": ["192.0.2.1:2525"],
                                  "allow_clients": ["192.0.2.0/24"]})
        status = late.command("run", check=False).returncode
        self.assertNotIn(str(status), ["0", *unit["Service"]["RestartPreventExitStatus"].split()])

    def test_the_user_of_the_service_is_made(self):
        need("systemd-sysusers")
        root = self.scratch.path / "root"
        (root / "etc").mkdir(parents=True)
        done = run("systemd-sysusers", f"--root={root}", UNITS / "relay.sysusers")
        self.assertEqual(0, done.returncode, done.stderr)
        user = re.search(r"^User=(.*)$", (UNITS / "relay.service").read_text(), re.M).group(1)
        self.assertRegex((root / "etc/passwd").read_text(), rf"(?m)^{user}:")

    def activated(self, server, *sockets, names=("relay.socket",)):
        """relay with sockets from systemd, as the .socket units hand them over."""
        relay = self.relay(self.smarthost(self.fake()), server=server, start=False)
        descriptors = [bound.fileno() for bound in sockets]
        # systemd's protocol: the sockets from descriptor 3 on, their names, and whom they are for.
        moves = " ".join(f"{to}<&{descriptor}" for to, descriptor in enumerate(descriptors, 3))
        script = (f"exec {moves}; LISTEN_FDS={len(sockets)} LISTEN_FDNAMES={':'.join(names)} "
                  'LISTEN_PID=$$ exec "$@"')
        with open(relay.log_file, "ab") as log:
            relay.process = subprocess.Popen(
                ["bash", "-c", script, "bash", BINARY, "run", "--config", str(relay.config)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, pass_fds=descriptors)
        return relay

    def test_sockets_handed_over_by_systemd(self):
        with socket.create_server(("127.0.0.1", 0)) as bound:
            relay = self.activated({"listen": ["systemd"]}, bound)
            relay.port = bound.getsockname()[1]
            relay.wait_for_log("relay is ready")
            self.assertEqual(relay.port, int(LISTENING.search(relay.log()).group(1)))
            self.send(relay)
            relay.wait_until_empty()

    def test_sockets_handed_over_but_not_asked_for(self):
        with socket.create_server(("127.0.0.1", 0)) as bound:
            relay = self.activated({"listen": [f"127.0.0.1:{bound.getsockname()[1]}"]}, bound)
            self.assertEqual(1, relay.process.wait(20))
            relay.process = None
        self.assertIn('listen = [\\"systemd\\"]', relay.log())

    def test_sockets_with_and_without_tls_are_told_apart_by_name(self):
        both = {"listen": ["systemd"], "tls_listen": ["systemd"],
                "certificate": self.certificate, "private_key": self.key}
        with socket.create_server(("127.0.0.1", 0)) as secure, \
                socket.create_server(("127.0.0.1", 0)) as plain:
            relay = self.activated(both, secure, plain, names=("tls", "relay.socket"))
            relay.wait_for_log("relay is ready")
            context = ssl.create_default_context(cafile=self.authority.certificate)
            with smtplib.SMTP("127.0.0.1", plain.getsockname()[1], timeout=20) as client:
                self.assertEqual(250, client.noop()[0])
            with smtplib.SMTP_SSL("127.0.0.1", secure.getsockname()[1], timeout=20,
                                  context=context) as client:
                self.assertEqual(250, client.noop()[0])
            nameless = self.activated(both, secure, plain, names=("a.socket", "b.socket"))
            self.assertEqual(1, nameless.process.wait(20))
            nameless.process = None
        self.assertIn("FileDescriptorName=tls", nameless.log())


class Containerfile:
    """What the image is made of and runs: its last stage, one instruction a row."""

    def __init__(self):
        text = (PACKAGING / "container/Containerfile").read_text()
        lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", text)).splitlines()
        rows = [line.split(None, 1) for line in lines if line.strip()]
        self.bases = [value.split()[0] for name, value in rows if name == "FROM"]
        last = max(i for i, row in enumerate(rows) if row[0] == "FROM")
        self.build, self.rows = rows[:last], rows[last + 1:]

    def values(self, name):
        return [value for found, value in self.rows if found == name]

    def words(self, name):
        return json.loads(self.values(name)[-1])

    def environment(self):
        return dict(pair.split("=", 1) for value in self.values("ENV") for pair in value.split())


class ContainerTest(SystemCase):
    def test_the_image_is_nobodys_and_holds_no_secrets(self):
        image = Containerfile()
        user, group = map(int, image.values("USER")[-1].split(":"))
        self.assertNotIn(0, (user, group))
        self.assertEqual("USER", next(name for name, _ in reversed(image.rows)
                                      if name in ("USER", "RUN", "COPY", "ADD")))
        self.assertEqual({"STATE_DIRECTORY", "RELAY_CONFIG"}, set(image.environment()))
        self.assertEqual([], image.values("ARG") + image.values("COPY") + image.values("ADD"))
        self.assertIn(image.environment()["STATE_DIRECTORY"], image.values("VOLUME"))
        # It runs on the release that its libraries were linked on.
        self.assertEqual(1, len({base.removesuffix("-slim") for base in image.bases}))

    def confined(self, relay, image):
        """A script that runs what follows as the image does: `podman run --read-only`."""
        state, config = image.environment()["STATE_DIRECTORY"], image.environment()["RELAY_CONFIG"]
        user, group = image.values("USER")[-1].split(":")
        program = image.words("ENTRYPOINT")[0]
        folder = relay.folder
        return f"""
            set -e
            mount --make-rprivate /
            for name in etc var/lib usr/bin; do
                mkdir -p {folder}/layers/$name/up {folder}/layers/$name/work
            done
            mkdir -p {folder}/layers/etc/up/relay {folder}/layers/var/lib/up/relay
            touch {folder}/layers/{pathlib.Path(program).relative_to("/").parent}/up/relay
            for name in etc var/lib usr/bin; do
                layers={folder}/layers/$name
                mount -t overlay none -o lowerdir=/$name,upperdir=$layers/up,workdir=$layers/work /$name
            done
            mount --bind {BINARY} {program}
            mount --bind {folder}/config {pathlib.Path(config).parent}
            mount -o remount,bind,ro {pathlib.Path(config).parent}
            mount --bind {relay.spool} {state}
            for name in etc var/lib usr/bin; do mount -o remount,ro /$name; done
            mount -o remount,bind,ro /
            for name in /tmp /run; do mount -t tmpfs -o mode=1777 none $name; done
            for path in /etc/x /usr/bin/x /var/lib/x /var/x {pathlib.Path(config).parent}/x; do
                if touch $path 2>/dev/null; then echo "$path was written"; exit 1; fi
            done
            {" ".join(f"export {key}={value};" for key, value in image.environment().items())}
            exec setpriv --reuid={user} --regid={group} --clear-groups --no-new-privs \\
                --bounding-set=-all --inh-caps=-all -- """

    def test_what_the_image_runs_on_a_read_only_root_without_privileges(self):
        need("unshare", "setpriv", "mount", "nsenter")
        probe = "mkdir /tmp/up /tmp/work; mount -t overlay none -o lowerdir=/etc,upperdir=/tmp/up," \
                "workdir=/tmp/work /etc"
        if os.geteuid() != 0 or run("unshare", "--mount", "sh", "-c", "mount --make-rprivate / && "
                                    "mount -t tmpfs none /tmp && " + probe).returncode != 0:
            self.skipTest("mount namespaces of one's own, with overlays, need root")
        image, server = Containerfile(), self.fake()
        relay = self.relay(self.smarthost(server, ca_file="ca.pem"), start=False)
        user = int(image.values("USER")[-1].split(":")[0])
        (relay.folder / "config").mkdir()
        text = relay.config.read_text().replace(f'directory = "{relay.spool}"\n', "")
        (relay.folder / "config/relay.toml").write_text(text)
        shutil.copy(self.authority.certificate, relay.folder / "config/ca.pem")
        for path in (relay.spool, relay.folder / "config", *(relay.folder / "config").iterdir()):
            os.chown(path, user, user)
        words = [*image.words("ENTRYPOINT"), *image.words("CMD")]
        with open(relay.log_file, "ab") as log:
            relay.process = subprocess.Popen(
                ["unshare", "--mount", "bash", "-c",
                 self.confined(relay, image) + " ".join(words)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        relay.wait_for_log("relay is ready")
        status = pathlib.Path(f"/proc/{relay.process.pid}/status").read_text()
        self.assertRegex(status, rf"(?m)^Uid:\t{user}\t{user}\t{user}")
        self.assertRegex(status, r"(?m)^CapBnd:\t0+$")
        relay.port = int(LISTENING.search(relay.log()).group(1))
        self.send(relay)
        server.wait_for(1)
        relay.wait_until_empty()
        health = image.values("HEALTHCHECK")[-1].split("CMD ", 1)[1]
        environment = [f"{key}={value}" for key, value in image.environment().items()]
        done = run("nsenter", "-t", relay.process.pid, "--mount", "setpriv", f"--reuid={user}",
                   f"--regid={user}", "--clear-groups", "env", *environment, *json.loads(health))
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertEqual("SIGTERM", image.values("STOPSIGNAL")[-1])
        self.assertEqual(0, relay.stop())
        self.assertTrue((relay.spool / "spool.db").exists())


class DebianPackageTest(SystemCase):
    def libraries(self, program):
        """Where those lie that it names itself."""
        names = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program).stdout)
        found = dict(re.findall(r"(\S+) => (\S+)", run("ldd", program).stdout))
        self.assertIn("libssl.so.3", names)
        return [str(pathlib.Path(found[name]).resolve()) for name in names if name in found]

    def test_it_holds_what_an_installation_needs(self):
        need("cpack", "dpkg-deb", "dpkg-shlibdeps", "file")
        done = run("cpack", "-G", "DEB", "-B", self.scratch.path / "package", cwd=BUILD)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        package = next((self.scratch.path / "package").glob("relay_*.deb"))
        root = self.scratch.path / "unpacked"
        run("dpkg-deb", "-x", package, root, check=True)
        run("dpkg-deb", "-e", package, root / "DEBIAN", check=True)
        for path in ("usr/share/man/man1/relay.1.gz", "usr/share/man/man5/relay.toml.5.gz",
                     "usr/share/doc/relay/copyright", "usr/share/doc/relay/examples/relay.toml",
                     "usr/share/bash-completion/completions/relay",
                     "usr/share/doc/relay/SECURITY.md", "usr/share/doc/relay/docs/api.md",
                     "usr/lib/systemd/system/relay.socket", "usr/lib/sysusers.d/relay.conf"):
            self.assertTrue((root / path).is_file(), path)
        unit = (root / "usr/lib/systemd/system/relay.service").read_text()
        program = re.search(r"^ExecStart=/(\S+)", unit, re.M).group(1)
        version = run(root / program, "version").stdout.splitlines()[0].split()[1]
        control = (root / "DEBIAN/control").read_text()
        self.assertIn(f"\nVersion: {version}\n", control)
        depends = set(re.findall(r"[\w.+-]+(?= \(|,|$| \|)",
                                 re.search(r"\nDepends: (.*)", control).group(1)))
        for library in self.libraries(root / program):
            # By its last folder: what lies in /usr/lib may be registered in /lib.
            place = "/".join(pathlib.Path(library).parts[-2:])
            owner = run("dpkg-query", "-S", f"*/{place}").stdout.split(":")[0]
            provided = run("dpkg-query", "-W", "-f", "${Provides}", owner).stdout
            names = {owner, *(name.split()[0] for name in provided.split(",") if name.strip())}
            self.assertTrue(names & depends, f"{library} of {names}, not in {depends}")
        for script in ("postinst", "prerm", "postrm"):
            self.assertEqual("", run("sh", "-n", root / "DEBIAN" / script).stderr)


class CompletionTest(unittest.TestCase):
    def complete(self, *words):
        script = f"""source {COMPLETION}
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() {{ :; }}
            _relay; printf '%s\\n' "${{COMPREPLY[@]}}" """
        return run("bash", "-c", script, "bash", BINARY, *words).stdout.split()

    def test_commands_verbs_and_options(self):
        self.assertIn("queue", self.complete(""))
        self.assertEqual(["status"], self.complete("sta"))
        self.assertIn("release", self.complete("queue", ""))
        self.assertEqual(["--attach"], self.complete("send", "--to", "a@example.com", "--at"))
        self.assertEqual(["--yes"], self.complete("queue", "delete", "--y"))
        self.assertEqual(["never"], self.complete("status", "--color", "n"))
        self.assertEqual(["--inbound"], self.complete("diagnose", "--in"))
        self.assertEqual(["--from"], self.complete("diagnose", "--fr"))

    def test_options_may_stand_in_front_of_the_command(self):
        here = str(COMPLETION)
        self.assertEqual([here], self.complete("--config", here[:-2]))
        self.assertEqual(["status"], self.complete("--config", "relay.toml", "sta"))
        self.assertEqual(["status"], self.complete("--config", "=", "relay.toml", "sta"))
        for front in (["--config", "x"], ["--config", "=", "x"], ["--json"],
                      ["--color", "=", "never", "--json"]):
            self.assertIn("release", self.complete(*front, "queue", ""))
            self.assertIn("release", self.complete("queue", *front, ""))
            self.assertEqual(["--attach"], self.complete(*front, "send", "--at"))

    def test_each_command_of_the_help_is_offered(self):
        listed = run(BINARY, "--help").stdout.split("Subcommands:")[1]
        commands = [line.split()[0] for line in listed.splitlines() if line.startswith("  ")]
        self.assertIn("diagnose", commands)
        self.assertEqual(sorted(commands), sorted(self.complete("")))

    def test_values_are_offered_as_the_help_names_them(self):
        here = str(COMPLETION)
        for words in (["diagnose", "--html"], ["diagnose", "--inbound", "--vantage-token-file"],
                      ["vantage", "--certificate"], ["queue", "export", "-o"]):
            with self.subTest(words=words):
                self.assertEqual([here], self.complete(*words, here[:-2]))
        self.assertEqual([], self.complete("diagnose", "--to", "rel"))
        self.assertEqual(["held"], self.complete("queue", "list", "--state", "h"))


if __name__ == "__main__":
    unittest.main()
