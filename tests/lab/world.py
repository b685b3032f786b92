"""Everything that answers in the bed: the operators of config/data/targets.toml, smarthosts, name
server, web, metadata, boxes on the path. Built once per bed; reset() undoes what a situation did.
"""

import asyncio
import pathlib
import socket
import threading
import tomllib

import mail
from bed import CLIENT, GATEWAY, HOME_CLIENT, METADATA, RESOLVER, RESOLVER6
from names import NameServer, Zone, reverse_name
from proxies import Proxy
from web import WebServer, connectivity_checks, metadata, portal

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "config" / "data"

PROXY_PORT = 10025
PORTAL_PORT = 10080
IMPLICIT = (443, 465, 2465, 8465)
BLOCK_LISTS = ("zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org", "psbl.surriel.com")


def data(name):
    return tomllib.loads((DATA / f"{name}.toml").read_text())


class Addresses:
    """Hands out public-looking addresses: one network for each operator."""

    def __init__(self):
        self.network, self.host, self.all = 0, 0, []

    def next_network(self):
        self.network, self.host = self.network + 1, 0

    def next(self, ipv6=True):
        self.host += 1
        pair = [f"104.{16 + self.network}.7.{self.host}"]
        if ipv6:
            pair.append(f"2606:4700:{self.network:x}::{self.host:x}")
        self.all += pair
        return pair


class World:
    def __init__(self, certificates):
        self.bed, self.certificates = None, certificates
        self.addresses, self.zone = Addresses(), Zone()
        self.mail = {}        # (host, port): MailServer
        self.web = {}         # host: WebServer
        self.sockets = []     # (server, how, namespace, address, port)
        self.operators = {}   # id: {"mx": [...], "control": [...]}
        self._populate()
        self._usual_zone = self.zone.copy()
        self.names = NameServer(self.zone)
        self.metadata = WebServer(lambda *_: None)
        self.portal = WebServer(portal)
        self.proxy = self.gateway_proxy = None

    # --- who is there ------------------------------------------------------------------------------

    def _populate(self):
        targets = data("targets")
        for target in targets["target"]:
            self._add_operator(target)
        for target in targets["alt_target"]:
            self.add_mail_host(target["host"], target["ports"])
        for control in targets["plain_control"]:
            self.add_web_host(control["url"].split("/")[2])
        for host, ports in {"smtp-relay.gmail.com": [587, 465, 25],
                            "smtp.eu.mailgun.org": [587, 2525, 465],
                            "smtp.postmarkapp.com": [587, 2525], "smtp-relay.brevo.com":
                            [587, 2525, 465], "smtp.sparkpostmail.com": [587, 2525],
                            "in-v3.mailjet.com": [587, 2525, 465],
                            "smtp.tem.scaleway.com": [587, 2587, 465, 2465],
                            "smtp.hoster.example": [587, 465, 2525, 25]}.items():
            self.add_mail_host(host, ports)
        for literal in targets.get("plain_address", []):
            self._add_literal(literal)
        self._add_recipients()
        self._add_local_names()
        # Beds share the files, so all are made before there are beds.
        self._inspection = self.certificates.context("inspection", ["inspection.example"],
                                                     self.certificates.foreign)
        for kind in ("expired", "other-name", "foreign", "self-signed"):
            self.faulty_context("smtp.hoster.example", kind)

    def _add_literal(self, literal):
        """A well-known address that is asked when no name resolves; it only accepts."""
        server = mail.MailServer(mail.Persona("", replies={"greeting": mail.SILENCE}))
        self.addresses.all.append(literal["host"])
        self.sockets += [(server.serve, "tcp", "internet", literal["host"], port)
                         for port in literal["ports"]]

    def _add_operator(self, target):
        self.addresses.next_network()
        shape = mail.SHAPES[target["id"]]
        names = [*target["mx_hosts"], *([target["cert"]] if "cert" in target else [])]
        context = self.certificates.context(target["id"], names)
        for number, host in enumerate(target["mx_hosts"]):
            self.zone.add(target["mx_domain"], "MX", f"{10 * (number + 1)} {host}")
            self._add_host(host, [25], shape(host).but(context=context),
                           target["ipv6"] is not False)
        self.add_web_host(target["mx_domain"], (80, 443))
        for control in target["control"]:
            self.add_mail_host(control["host"], control["ports"],
                               mail.submission(control["host"], shape))
        self.operators[target["id"]] = {
            "mx": target["mx_hosts"], "control": [c["host"] for c in target["control"]]}

    def _add_host(self, name, ports, persona, ipv6=True):
        addresses = self.addresses.next(ipv6)
        self.zone.add_host(name, *addresses)
        for port in ports:
            server = mail.MailServer(persona.but(implicit=port in IMPLICIT))
            self.mail[name, port] = server
            self.sockets += [(server.serve, "tcp", "internet", a, port) for a in addresses]
        return addresses

    def add_mail_host(self, name, ports, persona=None):
        persona = persona or mail.submission(name)
        context = self.certificates.context(name, [name])
        return self._add_host(name, ports, persona.but(context=context))

    def add_web_host(self, name, ports=(80,), pages=connectivity_checks, extra_names=()):
        addresses = self.addresses.next()
        self.zone.add_host(name, *addresses, reverse=False)
        server = self.web[name] = WebServer(pages)
        context = self.certificates.context(name, [name, *extra_names]) if 443 in ports else None
        for port in ports:
            for address in addresses:
                self.sockets.append((lambda s, c=context if port == 443 else None, w=server:
                                     w.serve(s, c), "tcp", "internet", address, port))

    def _add_recipients(self):
        """Domains that people write to, good and bad ones."""
        self.addresses.next_network()
        def mx(domain, *hosts):
            for number, host in enumerate(hosts):
                self.zone.add(domain, "MX", f"{10 * (number + 1)} {host}")
        mx("partner.example", "mx1.partner.example", "mx2.partner.example")
        for host in ("mx1.partner.example", "mx2.partner.example"):
            self._add_host(host, [25], mail.Persona(
                host, context=self.certificates.context(host, [host])))
        mx("refuses.example", "mx.refuses.example")
        self._add_host("mx.refuses.example", [25], mail.Persona(
            "mx.refuses.example", context=self.certificates.context("mx.refuses.example",
                                                                    ["mx.refuses.example"])))
        self.zone.add("nullmx.example", "MX", "0 .")
        mx("nowhere.example", "mx.gone.example")
        mx("loopback.example", "mx.loopback.example")
        self.zone.add("mx.loopback.example", "A", "127.0.0.1")
        self.zone.add("nothing.example", "TXT", "v=spf1 -all")
        self._add_host("implicit.example", [25], mail.Persona("implicit.example"))
        closed = self.addresses.next()   # answers on no port
        mx("closed.example", "mx.closed.example")
        self.zone.add_host("mx.closed.example", *closed)

    def _add_local_names(self):
        self.zone.add_host("vantage.example", *self.addresses.next())
        for address in (*CLIENT, *GATEWAY[:1], HOME_CLIENT[1]):
            self.zone.add(reverse_name(address), "PTR", "vm7.rack.example")
        self.zone.add("vm7.rack.example", "A", CLIENT[0])
        self.zone.add("vm7.rack.example", "AAAA", CLIENT[1])
        for blocklist in BLOCK_LISTS:   # each has the entry that proves that it answers (RFC 5782)
            self.zone.add("2.0.0.127." + blocklist, "A", "127.0.0.2")
        self.zone.add("240.10.85.in-addr.arpa", "SOA",
                      "ns1.hoster.example hostmaster.hoster.example 1 3600 900 86400 60")

    # --- life --------------------------------------------------------------------------------------

    def start(self, bed):
        """Opens every service in the bed's namespaces."""
        self.bed = bed
        self.proxy = Proxy(bed.isp, "mail-filter.isp.example")
        self.gateway_proxy = Proxy(bed.gateway, "shield.gateway.example")
        self.proxy.context = self.gateway_proxy.context = self._inspection
        self.bed.give_internet(self.addresses.all)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        for where, how in ((self.bed.isp, self.proxy), (self.bed.gateway, self.gateway_proxy)):
            self.sockets.append((how.serve, "any", where.name, "::", PROXY_PORT))
        self.sockets.append((self.portal.serve, "any", "gateway", "::", PORTAL_PORT))
        self.sockets += [(self.metadata.serve, "tcp", "gateway", a, 80) for a in METADATA]
        listening = {}
        for namespace in self.bed.all:
            mine = [s for s in self.sockets if s[2] == namespace.name]
            listening.update(namespace.inside(lambda mine=mine: {
                id(s): listen(s[1], s[3], s[4]) for s in mine}))
        pairs = self.bed.isp.inside(lambda: [(listen("udp", a, 53), listen("tcp", a, 53))
                                             for a in (RESOLVER, RESOLVER6)])
        self.call(self._serve(listening, pairs))

    async def _serve(self, listening, pairs):
        for entry in self.sockets:
            await entry[0](listening[id(entry)])
        for pair in pairs:
            await self.names.serve(*pair)

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def reset(self):
        self.zone.records = self._usual_zone.copy().records
        self.names.mode, self.names.failing, self.names.asked = "healthy", set(), []
        for server in (*self.mail.values(), *self.web.values(), self.metadata, self.portal):
            server.reset()
        self.proxy.kind = self.gateway_proxy.kind = "mute"

    # --- what situations change ----------------------------------------------------------------------

    def servers(self, host):
        return [server for (name, _), server in self.mail.items() if name == host]

    def set_replies(self, host, port=None, **replies):
        for (name, number), server in self.mail.items():
            if name == host and port in (None, number):
                server.persona = server.persona.but(replies={**server.persona.replies, **replies})

    def change(self, host, port=None, **changes):
        for (name, number), server in self.mail.items():
            if name == host and port in (None, number):
                server.persona = server.persona.but(**changes)

    def addresses_of(self, host):
        kinds = self._usual_zone.records[host]
        return [*kinds.get("A", ()), *kinds.get("AAAA", ())]

    def faulty_context(self, host, kind):
        if kind == "expired":
            return self.certificates.context(host, [host], expired=True)
        if kind == "other-name":
            return self.certificates.context("other", ["somewhere-else.example"])
        if kind == "foreign":
            return self.certificates.context(f"{host}-foreign", [host], self.certificates.foreign)
        return self.certificates.self_signed(host)

    def serve_in_client(self, address, port, greeting, behind_proxy=False):
        """Greets and knows QUIT, on the client itself; behind a proxy it waits for that one's header
        first. Returns what ends it."""
        async def session(reader, writer):
            if behind_proxy and not (await reader.readline()).startswith(b"PROXY "):
                writer.close()
                return
            writer.write(greeting)
            await reader.readline()
            writer.write(b"221 2.0.0 Bye\r\n")
            writer.close()
        sock = self.bed.client.inside(lambda: listen("tcp", address, port))

        async def start():
            return await asyncio.start_server(session, sock=sock)
        service = self.call(start())

        async def close():
            service.close()
        return lambda: self.call(close())

    def start_metadata(self, cloud, public_ip):
        self.metadata.pages = metadata(cloud, public_ip)
        host = cloud["detect"]["metadata"]["url"].split("/")[2]
        if not host[0].isdigit():
            self.zone.put(host, "A", METADATA[3] if "tencent" in host else METADATA[0])
        self.bed.allow_metadata()


def listen(how, address, port):
    kind = socket.SOCK_DGRAM if how == "udp" else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if how == "any" else 1)
    sock.bind((address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(100)
    sock.setblocking(False)
    return sock
