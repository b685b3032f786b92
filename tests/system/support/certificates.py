"""A certificate authority of the test's own, made by the openssl command."""

import datetime
import pathlib
import subprocess


def _openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr}")


class Authority:
    """Issues server certificates; `certificate` is what a client has to trust."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-keyout", str(self._key), "-out", str(self.certificate),
                 "-days", "30", "-subj", "/CN=Test authority",
                 "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, names=("DNS:localhost", "IP:127.0.0.1"), purpose="serverAuth",
              expired=False):
        """Paths of a certificate for these names and of its key."""
        base = self.folder / name
        certificate, key = base.with_suffix(".pem"), base.with_suffix(".key")
        request, extensions = base.with_suffix(".csr"), base.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage={purpose}\n"
                              "basicConstraints=CA:FALSE\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}")
        if expired:
            self._sign_expired(request, certificate, extensions)
        else:
            _openssl("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey",
                     str(self._key), "-CAcreateserial", "-days", "30", "-extfile",
                     str(extensions), "-out", str(certificate))
        return certificate, key

    def _sign_expired(self, request, certificate, extensions):
        """`openssl x509` cannot set dates in the past; `openssl ca` can."""
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
                 str(self.certificate), "-keyfile", str(self._key), "-in", str(request),
                 "-out", str(certificate), "-extfile", str(extensions),
                 "-startdate", day(20), "-enddate", day(10))
