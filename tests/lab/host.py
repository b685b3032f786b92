"""The machine that relay runs on, as relay sees it: a root file system of the bed's own, so that
the marks of the machine underneath (cloud, container, resolver) do not show.
"""

import json
import os
import pathlib
import shutil
import subprocess

import namespaces

# What programs are run from; the rest of the root is made here.
_SHARED = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_NOBODY = 65534


class Result:
    """What one run of the program gave."""

    def __init__(self, done, seconds):
        self.status, self.out, self.err, self.seconds = (done.returncode, done.stdout, done.stderr,
                                                         seconds)

    def report(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"no JSON; exit status {self.status}\n{self.out[-2000:]}\n"
                                 f"{self.err[-2000:]}") from None


class Host:
    def __init__(self, namespace, binary, trusted, folder):
        self.namespace, self.root = namespace, pathlib.Path(folder)
        self.really_root = maps_other_users()
        self.root.mkdir(parents=True)
        namespaces.mount("lab", self.root, "tmpfs", data="mode=755")
        self._lay_out()
        shutil.copy(trusted, self.root / "lab" / "ca.pem")
        program = self.root / "lab" / "relay"
        program.touch()
        namespaces.mount(os.path.realpath(binary), program, flags=namespaces.MS_BIND)
        self.reset()

    def _lay_out(self):
        for name in _SHARED:
            source = pathlib.Path("/") / name
            if source.is_symlink():
                (self.root / name).symlink_to(os.readlink(source))
            elif source.is_dir():
                (self.root / name).mkdir()
                namespaces.bind(source, self.root / name)
        for name in ("proc", "dev"):
            (self.root / name).mkdir()
            namespaces.bind(f"/{name}", self.root / name)
        for name in ("lab", "etc", "run", "var", "root", "tmp", "home", "home/user"):
            (self.root / name).mkdir()
        os.chmod(self.root / "tmp", 0o1777)
        os.chmod(self.root / "home/user", 0o777)
        (self.root / "var/run").symlink_to("../run")
        self._write_etc()

    def _write_etc(self):
        etc = self.root / "etc"
        for name in ("ld.so.cache", "ld.so.conf", "ssl", "alternatives"):
            source = pathlib.Path("/etc") / name
            if source.is_dir():
                (etc / name).mkdir()
                namespaces.bind(source, etc / name)
            elif source.exists():
                shutil.copy(source, etc / name)
        (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\n"
                                    "nobody:x:65534:65534::/home/user:/usr/sbin/nologin\n")
        (etc / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
        (etc / "nsswitch.conf").write_text("hosts: files dns\n")

    # --- what a situation changes ------------------------------------------------------------------

    def reset(self):
        self.environment, self.added, self.mounted, self.cgroup = {}, [], [], None
        shutil.rmtree(self.root / "sys", ignore_errors=True)
        (self.root / "sys/class").mkdir(parents=True)
        self.write("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        self.write("etc/hostname", "lab-host\n")
        self.added.clear()

    def undo(self):
        for target in self.mounted:
            namespaces.unmount(target)
        for path in self.added:
            path.unlink(missing_ok=True)
        self.reset()

    def write(self, path, text, mode=0o644):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        os.chmod(target, mode)
        self.added.append(target)

    def set_dmi(self, **values):
        for name, value in values.items():
            secret = name in ("product_uuid", "product_serial")
            self.write(f"sys/class/dmi/id/{name}", value + "\n", 0o400 if secret else 0o444)

    def cover(self, path, text):
        """Puts other content in the place of a file that cannot be written, as in /proc."""
        self.write("lab/covers" + path.replace("/", "-"), text)
        namespaces.mount(self.root / ("lab/covers" + path.replace("/", "-")),
                         self.root / path.lstrip("/"), flags=namespaces.MS_BIND)
        self.mounted.append(self.root / path.lstrip("/"))

    # --- running -----------------------------------------------------------------------------------

    def command(self, user, words):
        """A command line that runs inside as "root" or as "nobody", who has no capabilities."""
        command = ["chroot", str(self.root)]
        if user != "root" and self.really_root:
            command += ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups",
                        "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        elif user != "root":
            # Who is in a changed root may make no user namespace, so it is made first.
            command = ["unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}",
                       f"--root={self.root}"]
        command += words
        if self.cgroup is None:
            return command
        return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.cgroup, *command]

    def start(self, user, words, **options):
        home = "/root" if user == "root" else "/home/user"
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home,
                       "SSL_CERT_FILE": "/lab/ca.pem", "LANG": "C.UTF-8", **self.environment}
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        return self.namespace.inside(lambda: subprocess.Popen(
            self.command(user, words), env=environment, **options))


def maps_other_users():
    """Whether a process here may become another user: that takes root's namespace."""
    lines = pathlib.Path("/proc/self/uid_map").read_text().split()
    return int(lines[2]) > 1
