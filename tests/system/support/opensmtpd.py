"""A private OpenSMTPD as smarthost on loopback, without TLS and sign-in.

Debian 12's OpenSMTPD 6.8 fails every TLS handshake it serves, whatever the key, because its key
process does not get along with OpenSSL 3 (OpenSMTPD issue 1171). Exim is the second server with TLS.
"""

import pathlib
import shutil

from .maildir import Maildir
from .sandbox import PEERS, Sandbox, require
from .waiting import answers, free_port, wait_until

CONFIG = """\
table everybody {{ "@" = "maildrop" }}
smtp max-message-size 120M
listen on 127.0.0.1 port {port} hostname smarthost.example
action "store" maildir "{folder}/mail" virtual <everybody>
match from any for any action "store"
"""


class OpenSmtpd:
    def __init__(self, folder):
        require()
        if not (PEERS / "usr/sbin/smtpd").exists():
            raise RuntimeError("build/peers holds no OpenSMTPD")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self.port = free_port()
        self.sandbox = Sandbox(self.folder / "sandbox")
        self.mail = Maildir(self.folder / "mail")
        (self.folder / "smtpd.conf").write_text(CONFIG.format(folder=self.folder, port=self.port))
        (self.folder / "smtpd.conf").chmod(0o600)
        (self.folder / "mail").mkdir()
        shutil.chown(self.folder / "mail", 984, 984)

    def start(self):
        script = f"""
            mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
            chmod 711 /var/spool/smtpd
            exec {PEERS}/usr/sbin/smtpd -d -f {self.folder}/smtpd.conf
        """
        self.sandbox.start(script, self.folder / "log")
        wait_until(self._up, lambda: f"OpenSMTPD to listen:\n{self.log()}")
        return self

    def _up(self):
        if not self.sandbox.running():
            raise RuntimeError(f"OpenSMTPD ended:\n{self.log()}")
        return answers(self.port)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def stop(self):
        self.sandbox.stop()
