"""The lab's certificate authorities, and another one that nobody asked for."""

import pathlib
import ssl

from support.certificates import Authority


class Certificates:
    """Issues on demand and keeps what it issued."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.authority = Authority(self.folder / "lab")
        # Large operators do not share an issuer: Google has its own.
        self.second = Authority(self.folder / "second", "/CN=Second authority")
        self.foreign = Authority(self.folder / "foreign", "/CN=Inspection authority")
        self.trusted = self.folder / "trusted.pem"
        self.trusted.write_text(self.authority.certificate.read_text() +
                                self.second.certificate.read_text())
        self._contexts = {}

    def context(self, name, hosts, authority=None, expired=False):
        """A server's TLS context with a certificate for these names."""
        key = (name, authority is not None, expired)
        if key not in self._contexts:
            label = name.replace(".", "-") + ("-expired" if expired else "")
            usual = self.second if name in ("google", "smtp.gmail.com") else self.authority
            files = (authority or usual).issue(
                label, [f"DNS:{host}" for host in dict.fromkeys(hosts)], expired=expired)
            self._contexts[key] = self._load(files)
        return self._contexts[key]

    def self_signed(self, host):
        """What a fresh installation shows: a certificate that it signed itself."""
        key = ("self-signed", host)
        if key not in self._contexts:
            own = Authority(self.folder / f"self-{host}", f"/CN={host}")
            self._contexts[key] = self._load((own.certificate, own.key))
        return self._contexts[key]

    @staticmethod
    def _load(files):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        return context
