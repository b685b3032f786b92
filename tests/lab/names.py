"""A name server for the lab: authoritative for everything, UDP and TCP, and able to misbehave."""

import asyncio
import ipaddress
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28,
         "TLSA": 52, "CAA": 257}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
LARGEST_DATAGRAM = 1232
SEARCH_PAGE = "104.99.9.9"


def encode_name(name):
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def read_name(data, position):
    labels = []
    while data[position]:
        length = data[position]
        labels.append(data[position + 1:position + 1 + length].decode("latin-1"))
        position += 1 + length
    return ".".join(labels), position + 1


def reverse_name(address):
    return ipaddress.ip_address(address).reverse_pointer


def _text(value):
    octets = value.encode()
    parts = [octets[i:i + 255] for i in range(0, len(octets), 255)] or [b""]
    return b"".join(bytes([len(part)]) + part for part in parts)


def encode_data(kind, value):
    """Record data as written in a zone: "10 mx.example", "192.0.2.1", "v=spf1 -all"."""
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind in ("PTR", "CNAME", "NS"):
        return encode_name(value)
    if kind == "MX":
        preference, host = value.split()
        return struct.pack(">H", int(preference)) + encode_name(host)
    if kind == "TXT":
        return _text(value)
    if kind == "TLSA":
        usage, selector, matching, digest = value.split()
        return bytes([int(usage), int(selector), int(matching)]) + bytes.fromhex(digest)
    if kind == "SOA":
        master, contact, *numbers = value.split()
        return encode_name(master) + encode_name(contact) + struct.pack(">5I", *map(int, numbers))
    raise ValueError(kind)


class Zone:
    """Names and their records: {name: {type: [values]}}."""

    def __init__(self):
        self.records = {}

    def copy(self):
        other = Zone()
        other.records = {name: {kind: list(values) for kind, values in kinds.items()}
                         for name, kinds in self.records.items()}
        return other

    def add(self, name, kind, *values):
        self.records.setdefault(name.lower().rstrip("."), {}).setdefault(kind, []).extend(values)

    def put(self, name, kind, *values):
        """Replaces; without values the records of that kind go."""
        kinds = self.records.setdefault(name.lower().rstrip("."), {})
        kinds[kind] = list(values)
        if not values:
            del kinds[kind]

    def remove(self, name):
        self.records.pop(name.lower().rstrip("."), None)

    def add_host(self, name, *addresses, reverse=True):
        for address in addresses:
            self.add(name, "AAAA" if ":" in address else "A", address)
            if reverse and reverse_name(address) not in self.records:
                self.add(reverse_name(address), "PTR", name)

    def exists(self, name):
        return name in self.records or any(other.endswith("." + name) for other in self.records)

    def look_up(self, name, kind):
        """Response code and answers [(owner, type, value)], following aliases."""
        name, answers = name.lower().rstrip("."), []
        for _ in range(8):
            kinds = self.records.get(name)
            if kinds is None:
                return (NOERROR if self.exists(name) or answers else NXDOMAIN), answers
            if kind in kinds:
                return NOERROR, answers + [(name, kind, value) for value in kinds[kind]]
            if "CNAME" not in kinds:
                return NOERROR, answers
            target = kinds["CNAME"][0]
            answers.append((name, "CNAME", target))
            name = target.lower().rstrip(".")
        return SERVFAIL, []


class NameServer:
    """Answers from `zone`. `mode` is "healthy", "dead" (silence), "servfail", "refused",
    "nxdomain" (knows nothing), "internal" (knows hoster.example only), "no-aaaa" (silence about
    AAAA, as of some home routers), "search" (an address for names that do not exist), or an IPv4 address: the one lie for every name. Names in
    `failing` (and below them) get SERVFAIL."""

    def __init__(self, zone):
        self.zone, self.mode, self.failing, self.asked = zone, "healthy", set(), []

    def answer(self, query, datagram):
        """The response to one message, or None for silence."""
        if len(query) < 17 or self.mode == "dead":
            return None
        name, end = read_name(query, 12)
        kind = TYPE_NAMES.get(struct.unpack(">H", query[end:end + 2])[0], "?")
        self.asked.append((name.lower(), kind))
        if self.mode == "no-aaaa" and kind == "AAAA":
            return None
        code, answers = self._decide(name, kind)
        body = b"".join(
            encode_name(owner) + struct.pack(">HHIH", TYPES[k], 1, 60, len(data)) + data
            for owner, k, value in answers for data in [encode_data(k, value)])
        too_long = datagram and 12 + end - 12 + 4 + len(body) > LARGEST_DATAGRAM
        # A validating resolver asked with AD (or DO) says that it checked (RFC 6840 section 5.7).
        flags = 0x8580 | (query[2] & 1) << 8 | (query[3] & 0x20) | code | (0x0200 if too_long
                                                                         else 0)
        if too_long:
            answers, body = [], b""
        return (query[:2] + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0)
                + query[12:end + 4] + body)

    def _decide(self, name, kind):
        lowered = name.lower()
        if self.mode == "servfail" or any(lowered == bad or lowered.endswith("." + bad)
                                          for bad in self.failing):
            return SERVFAIL, []
        if self.mode == "refused":
            return REFUSED, []
        if self.mode == "nxdomain":
            return NXDOMAIN, []
        if self.mode == "internal" and not ("." + lowered).endswith(".hoster.example"):
            return NXDOMAIN, []
        if self.mode == "search":
            code, answers = self.zone.look_up(name, kind)
            page = [(name, "A", SEARCH_PAGE)] if kind == "A" else []
            return (NOERROR, page) if code == NXDOMAIN else (code, answers)
        if self.mode not in ("healthy", "internal", "no-aaaa"):
            return NOERROR, [(name, "A", self.mode)] if kind == "A" else []
        return self.zone.look_up(name, kind)

    # --- sockets -----------------------------------------------------------------------------------

    async def serve(self, udp, tcp):
        loop = asyncio.get_running_loop()
        server = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, peer):
                reply = server.answer(data, True)
                if reply:
                    self.transport.sendto(reply, peer)

        await loop.create_datagram_endpoint(Datagrams, sock=udp)
        await asyncio.start_server(self._stream, sock=tcp)

    async def _stream(self, reader, writer):
        try:
            while True:
                length = struct.unpack(">H", await reader.readexactly(2))[0]
                reply = self.answer(await reader.readexactly(length), False)
                if reply is None:
                    continue
                writer.write(struct.pack(">H", len(reply)) + reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
