"""Plain HTTP for the lab: connectivity checks, captive portals, clouds' metadata services."""

import asyncio


class WebServer:
    """`pages` is a function (method, host, path, headers) -> (status, headers, body), or None to
    close without a word."""

    def __init__(self, pages):
        self.usual = self.pages = pages
        self.asked = []

    def reset(self):
        self.pages, self.asked = self.usual, []

    async def serve(self, sock, context=None):
        await asyncio.start_server(self._session, sock=sock, ssl=context)

    async def _session(self, reader, writer):
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError,
                OSError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {}
        for line in head[1:]:
            if ":" in line:
                name, value = line.split(":", 1)
                headers[name.strip().lower()] = value.strip()
        self.asked.append(f"{method} {headers.get('host', '')}{path}")
        answer = self.pages(method, headers.get("host", ""), path, headers)
        if answer is None:
            return
        status, extra, body = answer
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close",
                 *(f"{name}: {value}" for name, value in extra.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body.encode())
        await writer.drain()


def connectivity_checks(method, host, path, headers):
    if path == "/generate_204":
        return "204 No Content", {}, ""
    if path == "/success.txt":
        return "200 OK", {"Content-Type": "text/plain"}, "success\n"
    return "200 OK", {"Content-Type": "text/html"}, "<html><body>hello</body></html>"


def portal(method, host, path, headers):
    """What a hotel's gateway says to any request before somebody has logged in."""
    if host.startswith("login.hotel"):
        return "200 OK", {"Content-Type": "text/html"}, "<html>Welcome! Please log in.</html>"
    return ("302 Found", {"Location": "http://login.hotel.example/?from=" + host},
            "<html>Redirecting</html>")


def metadata(cloud, public_ip):
    """The metadata service of a [[cloud]] of clouds.toml."""
    marks = cloud["detect"]["metadata"]
    token = "TOKEN-0123456789"

    def path_of(url):
        return "/" + url.split("/", 3)[3]

    def header_value(text, headers):
        name, _, value = text.partition(":")
        given = headers.get(name.strip().lower())
        return given is not None and (value.strip() or token) in given

    def pages(method, host, path, headers):
        if "put_first" in marks and path == path_of(marks["put_first"]):
            name, _, value = marks["put_header"].partition(":")
            if method == "PUT" and headers.get(name.strip().lower()) == value.strip():
                return "200 OK", {}, token
            return "400 Bad Request", {}, ""
        if "header" in marks and not header_value(marks["header"], headers):
            return "401 Unauthorized", {}, ""
        extra = dict([marks["answer_header"].split(": ", 1)]) if "answer_header" in marks else {}
        if path == path_of(marks["url"]):
            return "200 OK", extra, marks.get("answer_prefix", "") + "0123456789"
        if "public_ip" in marks and path == path_of(marks["public_ip"]):
            return "200 OK", extra, public_ip
        return "404 Not Found", {}, ""
    return pages
