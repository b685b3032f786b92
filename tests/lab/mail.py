"""Mail servers that speak as the big operators do, and that can be told to fail at any step."""

import asyncio
import base64
import dataclasses
import re
import ssl

GOOD_USER, GOOD_PASSWORD = "app@example.com", "correct-horse-battery"
DROP = "drop"      # as a reply: closes the connection
SILENCE = "mute"   # as a reply: says nothing any more


@dataclasses.dataclass(frozen=True)
class Slow:
    """As a reply: the usual one, so late."""
    seconds: float


@dataclasses.dataclass
class Persona:
    """How a server behaves. In texts {client} is the peer's address and {host} the server's name."""
    host: str
    greeting: str = "220 {host} ESMTP"
    hello: str = "{host}"                      # first line of the EHLO reply
    extensions: tuple = ("PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES",
                         "SMTPUTF8")
    starttls: bool = True
    mechanisms: str = ""                       # AUTH after TLS; "" offers none
    mechanisms_before_tls: str = ""
    implicit: bool = False                     # TLS from the first byte
    context: ssl.SSLContext = None
    users: dict = dataclasses.field(default_factory=lambda: {GOOD_USER: GOOD_PASSWORD})
    # Replies by stage: greeting, ehlo, starttls, auth, mail, rcpt, data; by default success.
    replies: dict = dataclasses.field(default_factory=dict)
    families: dict = dataclasses.field(default_factory=dict)  # 4 or 6: replies in that family only

    def but(self, **changes):
        return dataclasses.replace(self, **changes)


def multiline(code, lines):
    return "".join(f"{code}{'-' if i < len(lines) - 1 else ' '}{line}\r\n"
                   for i, line in enumerate(lines))


def as_wire(reply):
    """Reply text as a catalogue or a log has it, line by line, to octets."""
    return "".join(line + "\r\n" for line in reply.rstrip("\n").split("\n"))


class Ended(Exception):
    pass


class MailServer:
    """One host and port; `persona` may be changed between sessions. Logs every session's lines."""

    def __init__(self, persona):
        self.usual = self.persona = persona
        self.sessions = []

    def reset(self):
        self.persona, self.sessions = self.usual, []

    async def serve(self, sock):
        await asyncio.start_server(self._session, sock=sock)

    async def _session(self, reader, writer):
        lines = []
        self.sessions.append(lines)
        try:
            await Session(self.persona, reader, writer, lines).run()
        except (Ended, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, OSError,
                asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()


class Session:
    def __init__(self, persona, reader, writer, lines):
        self.persona, self.reader, self.writer, self.lines = persona, reader, writer, lines
        self.secure = False
        peer = writer.get_extra_info("peername")[0]
        self.client = peer.removeprefix("::ffff:")
        self.replies = {**persona.replies,
                        **persona.families.get(6 if ":" in self.client else 4, {})}

    def fill(self, text):
        return text.replace("{client}", self.client).replace("{host}", self.persona.host)

    async def say(self, octets):
        self.writer.write(octets.encode())
        await self.writer.drain()

    async def step(self, name, usual):
        """Answers a step; true when it was answered with success."""
        reply = self.replies.get(name, usual)
        if reply == DROP:
            raise Ended
        if reply == SILENCE:
            await self.reader.read()  # until the client gives up
            raise Ended
        if isinstance(reply, Slow):
            await asyncio.sleep(reply.seconds)
            reply = usual
        await self.say(as_wire(self.fill(reply)))
        return reply[:1] in "23"

    async def line(self):
        raw = await self.reader.readuntil(b"\n")
        text = raw.rstrip(b"\r\n").decode("utf-8", "replace")
        self.lines.append(text)
        return text

    async def start_tls(self):
        await self.writer.start_tls(self.persona.context)
        self.secure = True

    async def run(self):
        if self.persona.implicit:
            await self.start_tls()
        if not await self.step("greeting", self.persona.greeting):
            await self.refused()
        while True:
            text = await self.line()
            verb = re.split(r"[ :]", text, maxsplit=1)[0].lower()
            handler = getattr(self, f"do_{verb}", None)
            if handler is None:
                await self.say("502 5.5.1 Unrecognized command\r\n")
            else:
                await handler(text)

    async def refused(self):
        """After a 5xx greeting only QUIT is answered (RFC 5321 section 3.1)."""
        while True:
            text = await self.line()
            if text.upper().startswith("QUIT"):
                await self.do_quit(text)
            await self.say("503 5.5.1 bad sequence of commands\r\n")

    async def do_ehlo(self, text):
        persona = self.persona
        words = [self.fill(persona.hello), *persona.extensions]
        if persona.starttls and persona.context and not self.secure:
            words.append("STARTTLS")
        mechanisms = persona.mechanisms if self.secure else persona.mechanisms_before_tls
        if mechanisms:
            words.append(f"AUTH {mechanisms}")
        await self.step("ehlo", multiline(250, words).replace("\r\n", "\n"))

    async def do_helo(self, text):
        await self.step("ehlo", f"250 {self.fill(self.persona.hello)}")

    async def do_starttls(self, text):
        if self.persona.context is None or not self.persona.starttls:
            await self.say("502 5.5.1 Unrecognized command\r\n")
            return
        if await self.step("starttls", "220 2.0.0 Ready to start TLS"):
            await self.start_tls()

    async def do_auth(self, text):
        words = text.split()
        mechanism = words[1].upper() if len(words) > 1 else ""
        offered = self.persona.mechanisms if self.secure else self.persona.mechanisms_before_tls
        if mechanism not in offered.split():
            await self.say("504 5.5.4 Unrecognized authentication type\r\n")
            return
        user, secret = await self.credentials(mechanism, words[2] if len(words) > 2 else None)
        good = self.persona.users.get(user) == secret
        await self.step("auth", "235 2.7.0 Authentication succeeded" if good
                        else "535 5.7.8 Error: authentication failed")

    async def credentials(self, mechanism, initial):
        if mechanism == "LOGIN":
            user = initial or await self.challenge("VXNlcm5hbWU6")
            secret = await self.challenge("UGFzc3dvcmQ6")
            return self.decode(user), self.decode(secret)
        fields = self.decode(initial or await self.challenge("")).split("\0")
        return (fields[1], fields[2]) if len(fields) == 3 else ("", fields[0])

    @staticmethod
    def decode(text):
        return base64.b64decode(text + "==").decode("utf-8", "replace")

    async def challenge(self, text):
        await self.say(f"334 {text}\r\n")
        return await self.line()

    async def do_mail(self, text):
        await self.step("mail", "250 2.1.0 OK")

    async def do_rcpt(self, text):
        await self.step("rcpt", "250 2.1.5 OK")

    async def do_data(self, text):
        await self.step("data", "354 Go ahead")

    async def do_rset(self, text):
        await self.say("250 2.0.0 Flushed\r\n")

    async def do_noop(self, text):
        await self.say("250 2.0.0 OK\r\n")

    async def do_quit(self, text):
        await self.say("221 2.0.0 closing connection\r\n")
        raise Ended


# --- the operators' shapes -------------------------------------------------------------------------

def google(host):
    return Persona(host, "220 {host} ESMTP 4fb4d7f45d1cf-61a8sor1522a12.14 - gsmtp",
                   "{host} at your service, [{client}]",
                   ("SIZE 157286400", "8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING", "CHUNKING",
                    "SMTPUTF8"))


def microsoft(host):
    return Persona(host, "220 {host} Microsoft ESMTP MAIL Service ready at "
                   "Sun, 29 Nov 2026 07:40:12 +0000 [08DE2B3C1F5A7D21]",
                   "{host} Hello [{client}]",
                   ("SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "8BITMIME",
                    "BINARYMIME", "CHUNKING", "SMTPUTF8"))


def gmx(host):
    return Persona(host, "220 gmx.net (mxgmx016) Nemesis ESMTP Service ready",
                   "gmx.net Hello {host} [{client}]", ("8BITMIME", "SIZE 157286400"))


def yahoo(host):
    return Persona(host, "220 mtaproxy204.free.mail.ne1.yahoo.com ESMTP ready",
                   "mtaproxy204.free.mail.ne1.yahoo.com",
                   ("PIPELINING", "SIZE 41943040", "8BITMIME"))


def apple(host):
    return Persona(host, "220 p00-icloudmta-smtpin-us-central-1k-100-percent-8.mail.icloud.com ESMTP",
                   "p00-icloudmta-smtpin-us-central-1k-100-percent-8.mail.icloud.com")


def fastmail(host):
    return Persona(host, "220 mx1.messagingengine.com ESMTP . No UCE permitted.",
                   "mx1.messagingengine.com")


def proton(host):
    return Persona(host, "220-mailin028.protonmail.ch ESMTP Postfix\n"
                   "220 mailin028.protonmail.ch ESMTP Postfix", "mailin028.protonmail.ch")


def zoho(host):
    return Persona(host, "220 mx.zohomail.com SMTP Server ready November 29, 2026 7:40:12 AM UTC",
                   "mx.zohomail.com Hello {host} ({client})")


def yandex(host):
    return Persona(host, "220 mail-nwsmtp-mxfront-production-main-35.sas.yp-c.yandex.net ESMTP "
                   "(Want to use Yandex.Mail for your domain?)",
                   "mail-nwsmtp-mxfront-production-main-35.sas.yp-c.yandex.net")


SHAPES = {"google": google, "microsoft-consumer": microsoft, "gmx": gmx, "yahoo": yahoo,
          "apple": apple, "fastmail": fastmail, "proton": proton, "zoho": zoho, "yandex": yandex}


def submission(host, shape=None):
    """A submission host; Google's and Microsoft's echo the client's address here, too."""
    plain = shape(host) if shape in (google, microsoft) else Persona(host, "220 {host} ESMTP ready")
    return plain.but(mechanisms="PLAIN LOGIN")
