"""The mail servers that are compared. Each accepts on a loopback port, keeps a durable queue on the
disk, and forwards everything to one smarthost on loopback."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

from support.relay import toml_text
from support.sandbox import PEERS, Sandbox, why_not
from support.waiting import free_port

from .processes import kill_tree

ROOT = pathlib.Path(__file__).resolve().parents[2]
HARAKA = ROOT / "build/bench/haraka/node_modules/Haraka/bin/haraka"
MSMTPD = ROOT / "build/bench/msmtpd/usr/bin/msmtpd"


class Smarthost:
    """Where the servers forward to. With credentials: STARTTLS and a sign-in."""

    def __init__(self, port, username=None, password=None, ca_file=None):
        self.port, self.username, self.password, self.ca_file = port, username, password, ca_file


class System:
    name = ""
    sessions_are_processes = False  # thousands of idle sessions are no use case of it
    tracer = ()                     # the words of a command that runs it

    def __init__(self, folder, smarthost):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self.smarthost = smarthost
        self.port = free_port()
        self.process = None
        self.prepare()

    @classmethod
    def why_not(cls):
        """What is missing on this machine, or None."""
        return None

    def prepare(self):
        raise NotImplementedError

    def start(self):
        raise NotImplementedError

    def spawn(self, command, **options):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*self.tracer, *command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, **options)

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        """As at a shutdown: the queue stays."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            kill_tree(self.pid)
            self.process.wait()

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)


class Relay(System):
    name = "relay"
    binary = os.environ.get("RELAY_BIN", str(ROOT / "build/release/bin/relay"))

    def prepare(self):
        spool = self.folder / "s"
        spool.mkdir()
        self.settings = {
            "server": {"listen": [f"127.0.0.1:{self.port}"], "hostname": "relay.example"},
            "smarthost": self.smarthost_tables(),
            "spool": {"directory": str(spool), "min_free": "1MiB"},
            "delivery": {"retry": ["1h"]},
            "probe": {"enabled": False},
            "admin": {"listen": []},
        }
        self.config = self.folder / "relay.toml"
        self.config.touch(mode=0o600)
        self.config.write_text(toml_text(self.settings))

    def smarthost_tables(self):
        target = self.smarthost
        if not target.username:
            return [{"host": "127.0.0.1", "port": target.port, "tls": "none"}]
        return [{"host": "localhost", "port": target.port, "ca_file": target.ca_file,
                 "username": target.username, "password": target.password}]

    def start(self):
        self.spawn([self.binary, "run", "--config", str(self.config)])

    def command(self, *words):
        done = subprocess.run([self.binary, *words, "--config", str(self.config)],
                              capture_output=True, text=True, check=True)
        return done.stdout


POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {peers}/usr/sbin
daemon_directory = {peers}/usr/lib/postfix/sbin
shlib_directory = no
meta_directory = {folder}/etc
mail_owner = postfix
setgid_group = postdrop
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH={peers}/usr/lib/postfix
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = postfix.example
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [{host}]:{port}
default_process_limit = 250
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
message_size_limit = 120000000
in_flow_delay = 0
smtp_connection_cache_on_demand = yes
"""

POSTFIX_TLS = """\
smtp_tls_security_level = verify
smtp_tls_verify_cert_match = hostname
smtp_tls_CAfile = {ca_file}
smtp_tls_session_cache_database = btree:{folder}/data/smtp_scache
smtp_tls_connection_reuse = yes
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_password_maps = inline:{{ {{ [localhost]:{port} = {username}:{password} }} }}
smtp_host_lookup = native
"""

POSTFIX_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(System):
    name = "postfix"
    sessions_are_processes = True

    @classmethod
    def why_not(cls):
        return why_not()

    def prepare(self):
        from support.postfix import QUEUE_FOLDERS
        for name in ("etc", "data", "queue"):
            (self.folder / name).mkdir()
        for name in QUEUE_FOLDERS:
            (self.folder / "queue" / name).mkdir()
        target = self.smarthost
        main = POSTFIX_MAIN.format(folder=self.folder, peers=PEERS, port=target.port,
                                   host="localhost" if target.username else "127.0.0.1")
        if target.username:
            main += POSTFIX_TLS.format(folder=self.folder, port=target.port,
                                       ca_file=target.ca_file, username=target.username,
                                       password=target.password)
        (self.folder / "etc/main.cf").write_text(main)
        (self.folder / "etc/master.cf").write_text(POSTFIX_MASTER.format(port=self.port))
        for name in ("data", *(f"queue/{f}" for f in QUEUE_FOLDERS if f != "pid")):
            shutil.chown(self.folder / name, 981, 981)
            (self.folder / name).chmod(0o700)
        os.chown(self.folder / "queue/public", 981, 985)
        (self.folder / "queue/public").chmod(0o710)
        os.chown(self.folder / "queue/maildrop", 981, 985)
        (self.folder / "queue/maildrop").chmod(0o730)
        self.sandbox = Sandbox(self.folder / "sandbox")

    def start(self):
        master = PEERS / "usr/lib/postfix/sbin/master"
        self.spawn(self.sandbox.command(f"exec {master} -i -c {self.folder}/etc"))


HARAKA_PLUGIN = """\
// Takes mail from everybody and sends all of it to one smarthost, through Haraka's durable queue.
exports.hook_connect = (next, connection) => { connection.relaying = true; next() }
exports.hook_mail = (next) => next(OK)
exports.hook_rcpt = (next) => next(OK)
exports.hook_get_mx = (next) =>
    next(OK, { priority: 0, exchange: '127.0.0.1', port: %d })
"""


class Haraka(System):
    name = "haraka"

    @classmethod
    def why_not(cls):
        if not HARAKA.exists():
            return "Haraka is not in build/bench/haraka; ./dev bench fetches it"
        return None if shutil.which("node") else "there is no node command"

    def prepare(self):
        config = self.folder / "config"
        for name in ("config", "plugins", "queue"):
            (self.folder / name).mkdir()
        (config / "smtp.ini").write_text(
            f"listen=127.0.0.1:{self.port}\nnodes=0\n")
        # With a folder of its own Haraka has no defaults for this one.
        shutil.copy(HARAKA.parents[1] / "config/connection.ini", config)
        (config / "me").write_text("haraka.example\n")
        (config / "plugins").write_text("to_smarthost\n")
        (config / "loglevel").write_text("WARN\n")
        (config / "outbound.ini").write_text("local_mx_ok=true\nenable_tls=false\n")
        (self.folder / "plugins/to_smarthost.js").write_text(HARAKA_PLUGIN % self.smarthost.port)

    def start(self):
        self.spawn(["node", str(HARAKA), "-c", str(self.folder)],
                   env={**os.environ, "NODE_ENV": "production"})


class OpenSmtpd(System):
    name = "opensmtpd"

    @classmethod
    def why_not(cls):
        return why_not()

    def prepare(self):
        (self.folder / "smtpd.conf").write_text(
            "smtp max-message-size 120M\nsmtp limit max-mails 1000000\n"
            f"listen on 127.0.0.1 port {self.port} hostname opensmtpd.example\n"
            f'action "out" relay host smtp://127.0.0.1:{self.smarthost.port}\n'
            'match from any for any action "out"\n')
        (self.folder / "smtpd.conf").chmod(0o600)
        (self.folder / "spool").mkdir(mode=0o711)
        self.sandbox = Sandbox(self.folder / "sandbox")

    def start(self):
        self.spawn(self.sandbox.command(f"""
            mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
            mount --bind {self.folder}/spool /var/spool/smtpd
            chmod 711 /var/spool/smtpd
            exec {PEERS}/usr/sbin/smtpd -d -f {self.folder}/smtpd.conf
        """))


class Msmtpd(System):
    """No queue: it hands each message to a program. Only its start can be compared."""
    name = "msmtpd"
    sessions_are_processes = True

    @classmethod
    def why_not(cls):
        return None if MSMTPD.exists() else f"{MSMTPD} is missing; ./dev bench fetches it"

    def prepare(self):
        pass

    def start(self):
        self.spawn([str(MSMTPD), "--interface=127.0.0.1", f"--port={self.port}",
                    "--command=false"])


class Least(System):
    """What no relay that syncs before its 250 can better here: least_relay.cpp."""
    name = "least"
    binary = ROOT / "build/release/bin/least_relay"

    @classmethod
    def why_not(cls):
        return None if cls.binary.exists() else f"{cls.binary} is missing; ./dev bench builds it"

    def prepare(self):
        pass

    def start(self):
        self.spawn([str(self.binary), str(self.port), str(self.smarthost.port),
                    str(self.folder / "written")])


ALL = {system.name: system for system in (Relay, Postfix, Haraka, OpenSmtpd, Msmtpd, Least)}


def versions():
    found = {"relay": json.loads(subprocess.run([Relay.binary, "version", "--json"],
                                                capture_output=True, text=True).stdout or "{}")}
    package = HARAKA.parents[1] / "package.json"
    if package.exists():
        found["haraka"] = json.loads(package.read_text())["version"]
    return found
