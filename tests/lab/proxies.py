"""Boxes on the path that answer for mail servers: each is a way in which port 25 is not what it
seems."""

import asyncio
import socket
import ssl
import struct

from mail import Persona, Session, Ended, SILENCE

SO_ORIGINAL_DST = 80


def original_destination(sock):
    """Where the client meant to connect, before a redirect rule caught it."""
    if sock.family == socket.AF_INET6 and not sock.getsockname()[0].startswith("::ffff:"):
        raw = sock.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28)
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), struct.unpack(">H", raw[2:4])[0]
    raw = sock.getsockopt(socket.IPPROTO_IP, SO_ORIGINAL_DST, 16)
    return socket.inet_ntoa(raw[4:8]), struct.unpack(">H", raw[2:4])[0]


class Proxy:
    """Listens where redirected connections end up. `kind` says what it does with them:

    own-banner     a mail server of the network's own answers
    pix            passes on, masks the greeting and the EHLO keywords as Cisco's inspection does
    strip          passes on, without STARTTLS
    tls            passes on, but ends TLS itself with a certificate of another authority
    mute           accepts and says nothing
    http           answers as a captive portal does
    close          accepts and closes
    """

    def __init__(self, namespace, host):
        self.namespace, self.host, self.kind, self.context = namespace, host, "mute", None

    async def serve(self, sock):
        await asyncio.start_server(self._session, sock=sock)

    async def _session(self, reader, writer):
        try:
            await getattr(self, "_" + self.kind.replace("-", "_"))(reader, writer)
        except (Ended, ConnectionError, OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _own_banner(self, reader, writer):
        persona = Persona(self.host, "220 {host} ESMTP mail filter", context=None)
        await Session(persona, reader, writer, []).run()

    async def _mute(self, reader, writer):
        await Session(Persona("", replies={"greeting": SILENCE}), reader, writer, []).run()

    async def _http(self, reader, writer):
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/\r\n\r\n")
        await writer.drain()

    async def _close(self, reader, writer):
        pass

    # --- those that pass the session on --------------------------------------------------------------

    async def upstream(self, writer):
        host, port = original_destination(writer.get_extra_info("socket"))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = self.namespace.inside(lambda: socket.socket(family, socket.SOCK_STREAM))
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
        return await asyncio.open_connection(sock=sock)

    async def _pass(self, reader, writer, change):
        far_reader, far_writer = await self.upstream(writer)

        async def towards_client():
            first = True
            while line := await far_reader.readline():
                text = change(line.decode("latin-1"), first)
                first = False
                if text:
                    writer.write(text.encode("latin-1"))
                    await writer.drain()
            writer.close()

        async def towards_server():
            while data := await reader.read(4096):
                far_writer.write(data)
                await far_writer.drain()
            far_writer.close()
        await asyncio.gather(towards_client(), towards_server())

    async def _pix(self, reader, writer):
        def change(line, first):
            if first or line.startswith("220"):
                return "220 " + "".join(c if c in "20 " else "*" for c in line[4:-2]) + "\r\n"
            if line[:3] == "250" and line[4:12].upper() == "STARTTLS":
                return line[:4] + "XXXXXXXA\r\n"
            return line
        await self._pass(reader, writer, change)

    async def _strip(self, reader, writer):
        def change(line, first):
            if line[:3] == "250" and line[4:12].upper() == "STARTTLS":
                return line[:4] + "HELP\r\n" if line[3] == " " else None
            return line
        await self._pass(reader, writer, change)

    async def _tls(self, reader, writer):
        """Speaks with the server only up to EHLO, to have its greeting; then TLS is its own."""
        far_reader, far_writer = await self.upstream(writer)
        greeting = (await far_reader.readline()).decode().rstrip()
        far_writer.write(b"EHLO filter.isp.example\r\n")
        lines = []
        while True:
            line = (await far_reader.readline()).decode().rstrip()
            lines.append(line[4:])
            if line[3:4] != "-":
                break
        far_writer.close()
        persona = Persona("", greeting, lines[0], tuple(w for w in lines[1:] if w != "STARTTLS"),
                          context=self.context)
        await Session(persona, reader, writer, []).run()
