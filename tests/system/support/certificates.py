"""A certificate authority of the test's own, made by the openssl command."""

import base64
import datetime
import hashlib
import pathlib
import subprocess


def _openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr}")
    return done.stdout


def public_key_pin(certificate):
    """As curl and `relay check --online` write it: SHA-256 of the public key, base64."""
    pem = _openssl("x509", "-in", str(certificate), "-noout", "-pubkey")
    der = base64.b64decode("".join(pem.splitlines()[1:-1]))
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Issues server certificates; `certificate` is what a client has to trust."""

    def __init__(self, folder, subject="/CN=Test authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "ca.pem"
        self.key = self.folder / "ca.key"
        _openssl("req", "-x509", *_NEW_KEY, "-keyout", str(self.key),
                 "-out", str(self.certificate), "-days", "30", "-subj", subject,
                 "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, names=("DNS:localhost", "IP:127.0.0.1"), purpose="serverAuth",
              expired=False):
        """Paths of a certificate for these names and of its key."""
        base = self.folder / name
        certificate, key = base.with_suffix(".pem"), base.with_suffix(".key")
        extensions = {"subjectAltName": ",".join(names), "extendedKeyUsage": purpose,
                      "basicConstraints": "CA:FALSE"}
        if expired:
            self._issue_expired(base, key, certificate, extensions)
            return certificate, key
        added = [word for name_, value in extensions.items()
                 for word in ("-addext", f"{name_}={value}")]
        _openssl("req", "-x509", *_NEW_KEY, "-keyout", str(key), "-out", str(certificate),
                 "-CA", str(self.certificate), "-CAkey", str(self.key), "-days", "30",
                 "-subj", f"/CN={name}", *added)
        return certificate, key

    def _issue_expired(self, base, key, certificate, extensions):
        """`openssl req` cannot set dates in the past; `openssl ca` can."""
        request, listed = base.with_suffix(".csr"), base.with_suffix(".ext")
        listed.write_text("".join(f"{name}={value}\n" for name, value in extensions.items()))
        _openssl("req", *_NEW_KEY, "-keyout", str(key), "-out", str(request),
                 "-subj", f"/CN={base.name}")
        (self.folder / "index.txt").write_text("")
        settings = self.folder / "ca.cnf"
        settings.write_text("\n".join([
            "[ca]", "default_ca=own", "[own]", f"database={self.folder}/index.txt",
            f"new_certs_dir={self.folder}", "rand_serial=yes", "default_md=sha256",
            "policy=any", "[any]", "commonName=supplied", ""]))
        def day(ago):
            moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=ago)
            return moment.strftime("%Y%m%d%H%M%SZ")
        _openssl("ca", "-batch", "-notext", "-config", str(settings), "-cert",
                 str(self.certificate), "-keyfile", str(self.key), "-in", str(request),
                 "-out", str(certificate), "-extfile", str(listed),
                 "-startdate", day(20), "-enddate", day(10))
