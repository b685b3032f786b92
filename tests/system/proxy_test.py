"""server.proxy_protocol: whom relay believes who a client is, and what that opens to nobody."""

import base64
import re
import socket
import ssl
import struct
import subprocess
import unittest

from support import gateway
from support.case import SystemCase, message
from support.raw_client import RawClient, dot_stuffed
from support.relay import BINARY
from support.waiting import PATIENCE, wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"
NO_CLIENT = SIGNATURE + b"\x21\0\0\0"


def line(client):
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {client} 40000 25\r\n".encode()


def binary(client, extra=b"\x04\0\x03pad"):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    ends = socket.inet_pton(family, client) * 2 + struct.pack(">HH", 40000, 25) + extra
    kind = b"\x21\x21" if ":" in client else b"\x21\x11"
    return SIGNATURE + kind + struct.pack(">H", len(ends)) + ends


class Proxied(RawClient):
    """A client behind a proxy that says `header`; as RawClient, and from any loopback address."""

    def __init__(self, port, header=b"", source="127.0.0.1", tls=None):
        if isinstance(port, int):
            here = "::1" if ":" in source else "127.0.0.1"
            self.socket = socket.create_connection((here, port), timeout=60 * PATIENCE,
                                                   source_address=(source, 0))
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(60 * PATIENCE)
            self.socket.connect(str(port))
        self.socket.sendall(header)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def answer_to_mail(self, signed_in=False):
        """The code of the greeting, the sign-in or MAIL: of the first that was refused."""
        if self.greeting[0] != 220:
            return self.greeting[0]
        self.expect("EHLO client.example", 250)
        if signed_in:
            code, _ = self.command(
                "AUTH PLAIN " + base64.b64encode(b"\0alice\0secret").decode())
            if code != 235:
                return code
        return self.command("MAIL FROM:<app@example.com>")[0]


class ProxyCase(SystemCase):
    def proxied(self, proxies=True, **server):
        return self.relay(self.smarthost(self.fake()),
                          server={"proxy_protocol": proxies, **server})

    def users(self):
        users = self.scratch.path / "users"
        if not users.exists():
            subprocess.run([BINARY, "user", "alice", "--file", str(users)], input="secret\n",
                           text=True, check=True, capture_output=True)
        return users


class AddressTest(ProxyCase):
    def test_the_named_client_is_in_the_trace_the_queue_and_the_log(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server), server={
            "proxy_protocol": True, "allow_clients": ["192.0.2.0/24", "2001:db8::/32"]})
        for number, client in enumerate(("192.0.2.7", "2001:db8::7")):
            for header in (line(client), binary(client)):
                with Proxied(relay.port, header) as proxied:
                    proxied.begin("app@example.com", ["ada@dest.example"])
                    code, reply = proxied.data(dot_stuffed(message(f"x{number}")))
                    self.assertEqual(250, code, reply)
                identifier = reply.rsplit(" ", 1)[1]
                self.assertEqual(client, relay.message(identifier)["origin"]["client"])
        for received in server.wait_for(4):
            trace = received.data.split(b"\r\nFrom:")[0]
            self.assertRegex(trace, rb"192\.0\.2\.7|2001:db8::7")
            self.assertNotIn(b"127.0.0.1", trace)
        self.assertRegex(relay.log(), r"queued .*client=\S*2001:db8::7")

    def test_the_limit_for_one_client_counts_the_named_ones(self):
        relay = self.proxied(allow_clients=["192.0.2.0/24"], max_connections_per_client=1)
        with Proxied(relay.port, line("192.0.2.7")) as first, \
                Proxied(relay.port, binary("192.0.2.7")) as again, \
                Proxied(relay.port, line("192.0.2.8")) as other:
            self.assertEqual([220, 421, 220],
                             [each.greeting[0] for each in (first, again, other)])
        relay.wait_for_log(r"connection refused.*192\.0\.2\.7")

        def room_again():
            with Proxied(relay.port, line("192.0.2.7")) as client:
                return client.greeting[0] == 220
        wait_until(room_again, "the client's place to be free again")

    def test_addresses_of_one_ipv6_network_are_one_client(self):
        relay = self.proxied(allow_clients=["2001:db8::/32"], max_connections_per_client=2)
        clients = [Proxied(relay.port, line(address))
                   for address in ("2001:db8:0:7::1", "2001:db8:0:7:a::2", "2001:db8:0:7::3",
                                   "2001:db8:0:8::1")]
        for each in clients:
            self.addCleanup(each.close)
        self.assertEqual([220, 220, 421, 220], [each.greeting[0] for each in clients])
        clients[0].close()

        def room_again():
            with Proxied(relay.port, line("2001:db8:0:7::4")) as client:
                return client.greeting[0] == 220
        wait_until(room_again, "the place of who left")

    def test_what_follows_the_header_in_one_piece_or_in_many_is_all_there(self):
        relay = self.proxied()
        for header in (line("127.0.0.1"), binary("127.0.0.1"), binary("127.0.0.1", b"x" * 4068)):
            with Proxied(relay.port, header + b"EHLO x\r\nNOOP\r\n") as client:
                self.assertEqual([220, 250, 250],
                                 [client.greeting[0], client.reply()[0], client.reply()[0]])
        for header in (line("127.0.0.1"), binary("127.0.0.1")):
            plain = socket.create_connection(("127.0.0.1", relay.port), timeout=60 * PATIENCE)
            with plain:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for octet in header:
                    plain.sendall(bytes([octet]))
                self.assertTrue(plain.recv(200).startswith(b"220"))

    def test_before_implicit_tls(self):
        relay = self.proxied(listen=["127.0.0.1:0"], tls_listen=["127.0.0.1:0"],
                             certificate=self.certificate, private_key=self.key,
                             allow_clients=["192.0.2.0/24"])
        port = int(relay.wait_for_log(r"127\.0\.0\.1:(\d+)\S* tls=\S*implicit").group(1))
        context = ssl.create_default_context(cafile=self.authority.certificate)
        for header in (line("192.0.2.7"), binary("192.0.2.7")):
            with Proxied(port, header, tls=context) as client:
                self.assertEqual(250, client.answer_to_mail())
        with Proxied(port, line("198.51.100.7")) as client:
            self.assertEqual(554, client.greeting[0])
        # TLS at once, without a header: no handshake, and the log says which key.
        with self.assertRaises((OSError, ssl.SSLError)):
            Proxied(port, tls=context)
        relay.wait_for_log(r"server\.proxy_protocol.*x16\S{1,2}x03")

    def test_relay_send_goes_through_a_listener_for_proxies(self):
        for listen in ("127.0.0.1:0", f"unix:{self.scratch.path}/send.sock"):
            with self.subTest(listen):
                relay = self.proxied(listen=[listen] + ["127.0.0.1:0"] * (listen[0] == "u"))
                done = relay.command("send", "--to", "ada@dest.example", check=False)
                self.assertEqual(0, done.returncode, done.stderr + relay.log())
                relay.stop()


class OpenRelayTest(ProxyCase):
    def answer(self, relay, header, **options):
        signed_in = options.pop("signed_in", False)
        with Proxied(options.pop("port", relay.port), header, **options) as client:
            return client.answer_to_mail(signed_in)

    def test_the_named_address_decides_and_not_the_proxys(self):
        relay = self.proxied()  # allow_clients: loopback
        for header in (line, binary):
            self.assertEqual(250, self.answer(relay, header("127.0.0.1")))
            self.assertEqual(250, self.answer(relay, header("::1")))
            for outside in ("192.0.2.7", "2001:db8::7", "10.0.0.1", "0.0.0.0"):
                with self.subTest(outside, header=header.__name__):
                    self.assertEqual(554, self.answer(relay, header(outside)))

    def test_a_client_that_the_proxy_does_not_name_sends_only_signed_in(self):
        unnamed = (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 127.0.0.1 127.0.0.1 1 2\r\n", LOCAL,
                   NO_CLIENT)
        rows = (
            ({"auth": "none"}, 554),
            ({"auth": "none", "allow_clients": ["192.0.2.0/24"]}, 554),
            ({"auth": "accept-any"}, 554),
            ({"auth": "required", "users_file": self.users()}, 530),
        )
        for server, reply in rows:
            relay = self.proxied(**server)
            for header in unnamed:
                with self.subTest(server=server, header=header):
                    self.assertEqual(reply, self.answer(relay, header))
                    # A health check is content all the same.
                    with Proxied(relay.port, header) as client:
                        client.expect("EHLO check", 250)
                        client.expect("QUIT", 221)
            relay.stop()

    def test_nobody_behind_a_proxy_counts_as_local(self):
        """Neither passwords in clear text nor the place without limits are for them."""
        relay = self.proxied(auth="required", users_file=self.users(),
                             certificate=self.certificate, private_key=self.key)
        for header in (line("192.0.2.7"), b"PROXY UNKNOWN\r\n", LOCAL):
            with Proxied(relay.port, header) as client:
                self.assertNotRegex(client.expect("EHLO client.example", 250), "AUTH.*PLAIN")
                context = ssl.create_default_context(cafile=self.authority.certificate)
                client.expect("STARTTLS", 220)
                client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
                client.file = client.socket.makefile("rb")
                self.assertEqual(250, client.answer_to_mail(signed_in=True))

    def test_a_list_names_the_proxies_and_all_others_are_clients(self):
        relay = self.proxied(["127.0.0.2/32"], listen=["127.0.0.1:0"])
        self.assertEqual(554, self.answer(relay, line("192.0.2.7"), source="127.0.0.2"))
        self.assertEqual(250, self.answer(relay, line("127.0.0.1"), source="127.0.0.2"))
        self.assertEqual(250, self.answer(relay, b""))  # 127.0.0.1, without a header

    def test_at_a_unix_socket(self):
        path = self.scratch.path / "smtp.sock"
        relay = self.proxied(listen=["127.0.0.1:0", f"unix:{path}"])
        self.assertEqual(554, self.answer(relay, line("192.0.2.7"), port=path))
        self.assertEqual(250, self.answer(relay, line("127.0.0.1"), port=path))
        self.assertEqual(554, self.answer(relay, LOCAL, port=path))
        relay.stop()
        relay = self.proxied(["127.0.0.0/8"], listen=["127.0.0.1:0", f"unix:{path}"])
        self.assertEqual(250, self.answer(relay, b"", port=path))

    def test_a_proxy_on_another_host_cannot_make_its_clients_local(self):
        if not gateway.allowed():
            self.skipTest("this machine allows no network namespaces with interfaces")
        relay = gateway.GatewayRelay(
            self.scratch.path / "elsewhere", [self.smarthost(self.fake())],
            server={"listen": ["127.0.0.1:0", "10.9.0.2:0"], "proxy_protocol": ["10.9.0.3"],
                    "allow_clients": ["127.0.0.0/8", "::1/128", "10.9.0.0/24"]})
        self.addCleanup(relay.end)
        relay.start()
        port = int(relay.wait_for_log(r"address=\S*10\.9\.0\.2:(\d+)").group(1))
        says = b"HELO x\r\nMAIL FROM:<app@example.com>\r\n"
        for client, reply in (("127.0.0.1", "554"), ("::1", "554"), ("10.9.0.77", "250")):
            for header in (line, binary):
                with self.subTest(client, header=header.__name__):
                    got = relay.replies("10.9.0.3", port, header(client) + says, 3).split("\n")
                    self.assertEqual(["220", "250", reply], [each[:3] for each in got[:3]])

    def test_a_reload_takes_and_gives_the_trust(self):
        relay = self.proxied(False)
        self.assertEqual(250, self.answer(relay, b""))
        smarthost = self.smarthost(self.fake())
        for proxies, header, reply in ((True, line("192.0.2.7"), 554), (False, b"", 250)):
            relay.configure([smarthost], server={"proxy_protocol": proxies})
            seen = relay.log().count("configuration reloaded")
            relay.reload()
            wait_until(lambda: relay.log().count("configuration reloaded") > seen, "the reload")
            self.assertEqual(reply, self.answer(relay, header))


class SpoofingTest(ProxyCase):
    def test_a_header_from_a_peer_that_is_no_proxy_is_refused_and_named(self):
        for proxies in (False, ["127.0.0.2/32"]):
            relay = self.proxied(proxies, allow_clients=["127.0.0.1/32", "192.0.2.0/24"])
            for header in (line("192.0.2.7"), binary("192.0.2.7"), b"PROXY UNKNOWN\r\n"):
                with self.subTest(proxies=proxies, header=header), \
                        Proxied(relay.port, header) as client:
                    self.assertEqual(220, client.greeting[0])
                    replies = []
                    try:
                        while not replies or replies[-1][0] != 0:
                            replies.append(client.reply())
                    except ConnectionResetError:
                        pass  # what it sent on was not read
                    refusals = [text for code, text in replies if code == 554]
                    self.assertEqual(["554 5.5.0 No PROXY header is taken here"], refusals)
            wait_until(lambda: relay.log().count("in server.proxy_protocol") == 3,
                       lambda: f"three lines about it:\n{relay.log()}")
            self.assertNotRegex(relay.log(), r"client=\S*192\.0\.2\.7")
            # Nor does it open what the peer's own address does not.
            with Proxied(relay.port, line("192.0.2.7"), source="127.0.0.3") as client:
                self.assertEqual(554, client.greeting[0])
            relay.stop()

    def test_a_spoofed_header_before_implicit_tls_is_named_too(self):
        relay = self.proxied(False, tls_listen=["127.0.0.1:0"], certificate=self.certificate,
                             private_key=self.key)
        port = int(relay.wait_for_log(r"127\.0\.0\.1:(\d+)\S* tls=\S*implicit").group(1))
        named = re.compile(r"said PROXY .*none of the proxies in server\.proxy_protocol")
        for seen, header in enumerate((line("192.0.2.7"), binary("192.0.2.7"), LOCAL)):
            with self.subTest(header=header), \
                    socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(header)
                wait_until(lambda seen=seen: len(named.findall(relay.log())) > seen,
                           lambda: f"a line about it:\n{relay.log()}")

    def test_a_second_header_behind_the_proxys_changes_nothing(self):
        relay = self.proxied()
        with Proxied(relay.port, line("127.0.0.1") + line("192.0.2.7")) as client:
            self.assertEqual([220, 554], [client.greeting[0], client.reply()[0]])
        with Proxied(relay.port, line("192.0.2.7") + line("127.0.0.1")) as client:
            self.assertEqual(554, client.greeting[0])

    def test_a_proxy_without_a_header_is_closed_and_the_log_names_the_key(self):
        relay = self.proxied()
        cases = ((b"EHLO client.example\r\n", r"does not begin with a PROXY header.*EHLO client"),
                 (b"GET / HTTP/1.1\r\n\r\n", r"does not begin with a PROXY header.*G"),
                 (b"\x16\x03\x01\x02\0\x01", r"does not begin"),
                 (b"PROXY TCP4 192.0.2.7 192.0.2.1 1 99999\r\n", r"faulty address or port"),
                 (b"PROXY UNKNOWN" + b" " * 200, r"more than 107 bytes"),
                 (SIGNATURE + b"\x21\x11\xff\xff", r"more than 4096 bytes"))
        for header, problem in cases:
            with self.subTest(header=header):
                try:
                    with Proxied(relay.port, header) as client:
                        self.assertEqual(421, client.greeting[0])
                        self.assertEqual(0, client.reply()[0])
                except ConnectionResetError:
                    pass
                relay.wait_for_log(rf"server\.proxy_protocol.*{problem}")

    def test_a_look_whether_the_port_is_open_is_no_refusal(self):
        relay = self.proxied()
        with socket.create_connection(("127.0.0.1", relay.port)) as look:
            look.shutdown(socket.SHUT_WR)
            look.settimeout(20 * PATIENCE)
            self.assertEqual(b"", look.recv(100))
        self.assertNotIn("no PROXY header", relay.log())

    def test_a_slow_header_has_its_time_and_is_in_nobodys_way(self):
        relay = self.proxied(max_connections=3)
        slow = [socket.create_connection(("127.0.0.1", relay.port), timeout=60 * PATIENCE)
                for _ in range(2)]
        for each in slow:
            self.addCleanup(each.close)
        slow[1].sendall(b"PROXY TCP4 192.")
        with Proxied(relay.port, line("127.0.0.1")) as client:
            self.assertEqual(250, client.answer_to_mail())
            with Proxied(relay.port, line("127.0.0.1")) as fourth:  # the slow ones count
                self.assertEqual(421, fourth.greeting[0])
        for each in slow:
            self.assertTrue(each.recv(200).startswith(b"421 "))
        relay.wait_for_log(r"server\.proxy_protocol.*nothing was sent \(after 5s")
        relay.wait_for_log(r"server\.proxy_protocol.*no end.*PROXY TCP4 192\..*after 5s")
        with Proxied(relay.port, line("127.0.0.1")) as client:
            self.assertEqual(220, client.greeting[0])

    def test_a_stop_does_not_wait_for_headers(self):
        relay = self.proxied()
        with socket.create_connection(("127.0.0.1", relay.port)) as silent:
            silent.settimeout(60 * PATIENCE)
            with Proxied(relay.port, line("127.0.0.1")) as client:  # accepted after it
                self.assertEqual(220, client.greeting[0])
            # Less than a header's time, which no PATIENCE stretches.
            self.assertEqual(0, relay.stop(timeout=4.5))
            self.assertEqual(b"", silent.recv(200))


if __name__ == "__main__":
    unittest.main()
