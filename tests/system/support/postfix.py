"""A private Postfix as smarthost: submission with STARTTLS, implicit TLS (without CHUNKING, so that
mail comes by DATA), Cyrus SASL (sasldb)."""

import os
import pathlib
import shutil
import subprocess

from .maildir import Maildir
from .sandbox import PEERS, Sandbox, require
from .waiting import answers, free_port, wait_until

QUEUE_FOLDERS = ("active bounce corrupt defer deferred flush hold incoming private saved trace "
                 "pid public maildrop").split()

MASTER = """\
127.0.0.1:{submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
  -o smtpd_discard_ehlo_keywords=chunking
127.0.0.1:{plain} inet n - n - - smtpd -o smtpd_tls_security_level=none
  -o smtpd_sasl_auth_enable=no -o smtpd_relay_restrictions=permit_mynetworks,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {peers}/usr/sbin
daemon_directory = {peers}/usr/lib/postfix/sbin
shlib_directory = no
meta_directory = {folder}/etc
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH={peers}/usr/lib/postfix
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = smarthost.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
local_transport = error:none here
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = static:ALL
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:mail/
virtual_uid_maps = static:984
virtual_gid_maps = static:984
virtual_minimum_uid = 100
virtual_mailbox_limit = 0
message_size_limit = 120000000
smtputf8_enable = yes
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_recipient_restrictions = {recipient_restrictions}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = example
smtpd_tls_session_cache_database =
always_add_missing_headers = no
"""


class Postfix:
    USER, PASSWORD = "app@example", "correct-horse-battery"

    def __init__(self, folder, authority, recipient_restrictions="permit_sasl_authenticated, reject"):
        require()
        if not (PEERS / "usr/lib/postfix/sbin/master").exists():
            raise RuntimeError("build/peers holds no Postfix")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self.authority = authority
        self.submission, self.smtps, self.plain = free_port(), free_port(), free_port()
        self.sandbox = Sandbox(self.folder / "sandbox")
        self.mail = Maildir(self.folder / "mail")
        self._write_files(recipient_restrictions)
        self._make_account()

    def _write_files(self, recipient_restrictions):
        self.certificate, key = self.authority.issue("postfix")
        for name in ("etc", "etc/sasl", "data", "sasl", "queue", "mail"):
            (self.folder / name).mkdir()
        for name in QUEUE_FOLDERS:
            (self.folder / "queue" / name).mkdir()
        (self.folder / "etc/main.cf").write_text(MAIN.format(
            folder=self.folder, peers=PEERS, certificate=self.certificate, key=key,
            recipient_restrictions=recipient_restrictions))
        (self.folder / "etc/master.cf").write_text(MASTER.format(
            submission=self.submission, smtps=self.smtps, plain=self.plain))
        # Debian's Postfix reads it here, whatever cyrus_sasl_config_path says.
        (self.folder / "etc/sasl/smtpd.conf").write_text(
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
            f"sasldb_path: {self.folder}/sasl/db\n"
            "mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\n")
        for name in ("data", *(f"queue/{f}" for f in QUEUE_FOLDERS if f != "pid")):
            shutil.chown(self.folder / name, 981, 981)
            (self.folder / name).chmod(0o700)
        os.chown(self.folder / "queue/public", 981, 985)
        (self.folder / "queue/public").chmod(0o710)
        os.chown(self.folder / "queue/maildrop", 981, 985)
        (self.folder / "queue/maildrop").chmod(0o730)
        shutil.chown(self.folder / "mail", 984, 984)

    def _make_account(self):
        user, realm = self.USER.split("@")
        subprocess.run([str(PEERS / "usr/sbin/saslpasswd2"), "-p", "-c", "-f",
                        str(self.folder / "sasl/db"), "-u", realm, user],
                       input=self.PASSWORD.encode() + b"\n", check=True)
        shutil.chown(self.folder / "sasl/db", 981, 981)

    def start(self):
        master = PEERS / "usr/lib/postfix/sbin/master"
        self.sandbox.start(f"exec {master} -i -c {self.folder}/etc", self.folder / "output")
        wait_until(lambda: self._up(), lambda: f"Postfix to listen:\n{self.log()}")
        return self

    def _up(self):
        if not self.sandbox.running():
            raise RuntimeError(f"Postfix ended:\n{self.log()}")
        return all(map(answers, (self.submission, self.smtps, self.plain)))

    def log(self):
        files = [self.folder / "output", self.folder / "log"]
        return "".join(f.read_text(errors="replace") for f in files if f.exists())[-4000:]

    def stop(self):
        self.sandbox.stop()
