"""What open connections see when relay stops or reloads."""

import contextlib
import http.client
import os
import re
import select
import socket
import ssl
import time
import unittest

from support import gateway
from support.case import SystemCase, message
from support.fake_smarthost import PASSWORD
from support.raw_client import RawClient, dot_stuffed
from support.waiting import wait_until


class StopTest(SystemCase):
    def test_a_stop_says_421_to_each_client_and_lets_a_transaction_end(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        with RawClient(relay.port) as idle, RawClient(relay.port) as busy, \
                RawClient(relay.port) as stuck:
            idle.expect("EHLO client.example", 250)
            for client in (busy, stuck):
                client.begin("app@example.com", ["ada@dest.example"])
                client.expect("DATA", 354)
            stuck.write(b"Subject: never ends\r\n")
            relay.process.terminate()
            relay.wait_for_log("stopping")
            self.assertEqual(421, idle.reply()[0])
            self.assertEqual(0, idle.reply()[0])
            busy.write(dot_stuffed(message("last")))
            self.assertEqual(250, busy.reply()[0])
            self.assertEqual(421, busy.reply()[0])
            # Whoever does not end within the grace of ten seconds is told too.
            self.assertEqual(421, stuck.reply()[0])
            self.assertEqual(0, stuck.reply()[0])
        self.assertEqual(0, relay.stop())
        self.assertLessEqual({m.subject for m in server.messages}, {"last"})


    def test_a_second_signal_cuts_what_the_first_one_waits_for(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        with RawClient(relay.port) as stuck:
            stuck.expect("EHLO client.example", 250)
            stuck.begin("app@example.com", ["ada@dest.example"])
            stuck.expect("DATA", 354)
            relay.process.terminate()
            relay.wait_for_log("stopping: open transactions")
            began = time.monotonic()
            relay.reload()
            relay.wait_for_log("no reload while relay stops")
            self.assertNotIn("stopping at once", relay.log())
            relay.process.terminate()
            relay.wait_for_log("stopping at once")
            self.assertEqual(421, stuck.reply()[0])
            self.assertEqual(0, relay.process.wait(60))
        self.assertLess(time.monotonic() - began, 8, "the grace is ten seconds")
        self.assertEqual(0, relay.stop())


class EarlyReloadTest(SystemCase):
    """A reload that is asked for before relay is ready is done once it is."""

    def being_read(self, fifo):
        """The far end of a fifo that relay has come to read."""
        def opened():
            with contextlib.suppress(OSError):  # nobody reads
                return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        return wait_until(opened, f"somebody to read {fifo}")

    def reload_while_read(self, relay, path, content):
        """SIGHUP while the start waits for that file, which is an ordinary one from then on."""
        os.mkfifo(path, 0o600)
        relay.spawn()
        descriptor = self.being_read(path)
        relay.reload()
        path.unlink()
        path.write_bytes(content)
        path.chmod(0o600)
        os.write(descriptor, content)
        os.close(descriptor)
        relay.wait_for_log("relay is ready(.|\n)*configuration reloaded")
        self.assertEqual(0, relay.stop())

    def test_while_the_configuration_is_read(self):
        secret = self.scratch.path / "secret"
        smarthost = {**self.smarthost(self.fake()), "password_file": str(secret)}
        del smarthost["password"]
        self.reload_while_read(self.relay(smarthost, start=False), secret,
                               PASSWORD.encode())

    def test_while_the_parts_of_relay_start(self):
        users = self.scratch.path / "users"
        relay = self.relay(self.smarthost(self.fake()), start=False,
                           server={"users_file": str(users), "auth": "required"})
        self.reload_while_read(relay, users, b"# nobody yet\n")

    def test_at_the_word_that_relay_is_ready(self):
        path = self.scratch.path / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(str(path))
            notified.settimeout(30)
            relay = self.relay(self.smarthost(self.fake()), start=False)
            relay.environment = {**os.environ, "NOTIFY_SOCKET": str(path)}
            for _ in range(10):
                relay.spawn()
                self.assertEqual(b"READY=1", notified.recv(100))
                relay.reload()
                self.assertEqual(b"RELOADING=1", notified.recv(100))
                self.assertEqual(b"READY=1", notified.recv(100))
                self.assertEqual(0, relay.stop())
                self.assertEqual(b"STOPPING=1", notified.recv(100))


class AbsentAddressTest(SystemCase):
    """An address that this host does not have is passed over for others of its own list."""

    here, absent = "127.0.0.1:0", "192.0.2.1:0"

    def with_addresses(self, listen, tls_listen):
        server = {"listen": listen, "tls_listen": tls_listen, "certificate": self.certificate,
                  "private_key": self.key, "allow_clients": ["127.0.0.0/8", "192.0.2.0/24"]}
        return self.relay(self.smarthost(self.fake()), server=server, start=False)

    def test_it_is_passed_over_where_its_list_has_another(self):
        for listen, tls_listen in (([self.here], [self.here, self.absent]),
                                   ([self.absent, self.here], [self.here]),
                                   ([self.absent, self.here], [self.here, self.absent])):
            with self.subTest(listen=listen, tls_listen=tls_listen):
                relay = self.with_addresses(listen, tls_listen).start()
                skipped = (listen + tls_listen).count(self.absent)
                self.assertEqual(skipped, relay.log().count("address skipped"))
                self.assertEqual(2, len(relay.status()["listener"]["addresses"]))
                self.assertEqual(0, relay.stop())

    def test_nothing_starts_where_none_of_a_list_is_left(self):
        for listen, tls_listen, problem in (
                ([self.here, self.here], [self.absent], "cannot listen on 192.0.2.1"),
                ([self.absent], [self.here, self.here], "cannot listen on 192.0.2.1"),
                ([self.here], [self.absent] * 2, "none of the addresses in server.tls_listen "),
                ([self.absent] * 2, [self.here], "none of the addresses in server.listen ")):
            with self.subTest(listen=listen, tls_listen=tls_listen):
                relay = self.with_addresses(listen, tls_listen)
                relay.spawn()
                self.assertNotEqual(0, relay._ended(20))
                self.assertRegex(relay.log(), problem)


class RefusalsTest(SystemCase):
    def test_what_is_refused_is_in_the_log_and_counted(self):
        relay = self.relay(self.smarthost(self.fake()), server={"max_message_size": "1KiB",
                                                                "auth": "accept-any"})
        with RawClient(relay.port) as client:
            client.expect("EHLO client.example", 250)
            client.expect("AUTH PLAIN c2VjcmV0", 501)
            client.expect("MAIL FROM:<app@example.com> SIZE=5000", 552)
            client.begin("app@example.com", ["ada@dest.example"])
            client.expect("RCPT TO:<nonsense", 501)
            self.assertEqual(552, client.data(dot_stuffed(b"x" * 900 + b"\r\n" + b"x" * 900 + b"\r\n"))[0])
        relay.wait_for_log(r"refused client=127.0.0.1 command=AUTH arguments=\"\" reply=\"501 ")
        relay.wait_for_log(r'command=MAIL arguments="FROM:<app@example.com> SIZE=5000" reply="552 ')
        relay.wait_for_log(r"command=RCPT arguments=TO:<nonsense reply=\"501 ")
        relay.wait_for_log(r"command=DATA .*552 ")
        self.assertNotIn("c2VjcmV0", relay.log())
        self.assertEqual(2, relay.status()["listener"]["messages_refused"])

    def test_a_client_that_goes_on_being_refused_does_not_fill_the_log(self):
        relay = self.relay(self.smarthost(self.fake()), server={"max_message_size": "1KiB"})
        with RawClient(relay.port) as client:
            client.expect("EHLO client.example", 250)
            for _ in range(50):
                client.expect("MAIL FROM:<app@example.com> SIZE=5000", 552)
        relay.wait_for_log("more refusals of this connection are not logged")
        self.assertEqual(20, relay.log().count("refused client="))


    def test_strangers_who_may_not_connect_do_not_fill_the_log(self):
        relay = self.relay(self.smarthost(self.fake()), server={"allow_clients": ["192.0.2.0/24"]})
        for _ in range(500):
            with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as stranger:
                self.assertTrue(stranger.makefile("rb").readline().startswith(b"554 "))
        self.assertEqual(500, relay.status()["listener"]["connections_refused"])
        self.assertEqual(0, relay.stop())
        written = relay.log().count(" connection refused client=")
        self.assertLessEqual(written, 40)  # twenty a minute
        self.assertLess(len(relay.log().splitlines()), written + 20)
        told = re.findall(r"left out of the log line=\"connection refused\" .*left_out=(\d+)", relay.log())
        self.assertEqual(500, written + sum(map(int, told)), relay.log())

    def test_a_declared_size_that_has_no_room_is_refused_before_the_content(self):
        relay = self.relay(self.smarthost(self.fake()), spool={"max_size": "100KiB"})
        with RawClient(relay.port) as client:
            client.expect("EHLO client.example", 250)
            client.expect("MAIL FROM:<app@example.com> SIZE=200000", 452)
            client.expect("MAIL FROM:<app@example.com> SIZE=50000", 250)

    def test_the_log_names_who_signed_in(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server), server={"auth": "accept-any"})
        with RawClient(relay.port) as client:
            client.expect("EHLO client.example", 250)
            client.expect("AUTH PLAIN AGFwcABzZWNyZXQ=", 235)
            client.begin("app@example.com", ["ada@dest.example"])
            client.data(dot_stuffed(message("signed in")))
        self.send(relay, "not signed in")
        server.wait_for(2)
        lines = [line for line in relay.log().splitlines() if "queued" in line]
        self.assertEqual([True, False], ["user=app" in line for line in lines])


class ReloadTest(SystemCase):
    def admin_status(self, relay, token):
        port = int(relay.wait_for_log(r"admin interface address=127\.0\.0\.1:(\d+)").group(1))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", "/api/v1/status",
                               headers={"Authorization": f"Bearer {token}"})
            return connection.getresponse().status
        finally:
            connection.close()

    def test_a_new_token_counts_at_once_and_what_needs_a_restart_is_named(self):
        server = self.fake()
        admin = {"listen": ["127.0.0.1:0"], "token": "first-token-of-the-admin"}
        relay = self.relay(self.smarthost(server), admin=admin)
        self.assertEqual(200, self.admin_status(relay, admin["token"]))
        fresh = {**admin, "token": "second-token-of-the-admin"}
        relay.configure([self.smarthost(server)], admin=fresh, spool={"keep_delivered": "1d"})
        relay.reload()
        relay.wait_for_log("configuration reloaded")
        relay.wait_for_log("changes with a restart only key=spool.keep_delivered")
        self.assertEqual(1, relay.log().count("with a restart only"))
        self.assertEqual(401, self.admin_status(relay, admin["token"]))
        self.assertEqual(200, self.admin_status(relay, fresh["token"]))

    def test_what_the_old_token_opened_ends_with_it(self):
        server = self.fake()
        admin = {"listen": ["127.0.0.1:0"], "token": "first-token-of-the-admin"}
        relay = self.relay(self.smarthost(server), admin=admin)
        port = int(relay.wait_for_log(r"admin interface address=127\.0\.0\.1:(\d+)").group(1))
        header = {"Authorization": f"Bearer {admin['token']}"}
        kept, events = (http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in "ab")
        self.addCleanup(kept.close)
        self.addCleanup(events.close)
        kept.request("GET", "/api/v1/status", headers=header)
        self.assertEqual(200, (answer := kept.getresponse()).status)
        answer.read()
        events.request("GET", "/api/v1/events", headers=header)
        stream = events.getresponse()
        self.assertEqual(200, stream.status)
        relay.configure([self.smarthost(server)],
                        admin={**admin, "token": "second-token-of-the-admin"})
        relay.reload()
        relay.wait_for_log("configuration reloaded")
        self.assertEqual(b"", kept.sock.recv(1))  # closed
        stream.read()  # to the end, which comes

    def test_a_log_that_cannot_be_opened_leaves_all_settings_as_they_were(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        relay.configure([self.smarthost(server, password="wrong")],
                        log={"file": str(relay.folder / "missing/log")})
        relay.reload()
        relay.wait_for_log("configuration not reloaded.*missing/log cannot be opened")
        self.assertFalse((relay.folder / "missing").exists())
        self.send(relay)
        server.wait_for(1)

    def greets_within_tls(self, port):
        """False when the connection is closed instead."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, \
                    context.wrap_socket(plain, server_hostname="localhost") as secure:
                return secure.recv(4) == b"220 "
        except ConnectionError:
            return False
        except ssl.SSLEOFError:
            return False

    def test_a_port_for_tls_without_a_certificate_serves_nobody_in_clear(self):
        server = self.fake()
        tls = {"tls_listen": ["127.0.0.1:0"], "certificate": self.certificate,
               "private_key": self.key}
        relay = self.relay(self.smarthost(server), server=tls)
        port = int(relay.wait_for_log(r"127\.0\.0\.1:(\d+)\S* tls=\S*implicit").group(1))
        self.assertTrue(self.greets_within_tls(port))
        relay.configure([self.smarthost(server)])
        relay.reload()
        relay.wait_for_log("configuration reloaded")
        self.assertFalse(self.greets_within_tls(port))
        relay.wait_for_log("taken out of the configuration: restart relay")
        self.send(relay)  # the other port goes on
        server.wait_for(1)


class DeafClient:
    """Asks the admin interface as much as it takes, and reads no answer."""

    def __init__(self, port, path):
        self.port = port
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()
        self.connect()

    def connect(self):
        self.unsent = b""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", self.port))
        self.socket.setblocking(False)

    def ask(self):
        """Opens another connection in place of one that was closed."""
        self.unsent = self.unsent or 200 * self.request
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent):]
        except OSError:
            self.close()
            self.connect()

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()


def all_stuck(clients):
    """Lets those ask whom the server still reads from; whether there was none for a while."""
    heard = select.select([], clients, [], 0.5)[1]
    for client in heard:
        client.ask()
    return not heard


class AdminTest(SystemCase):
    def test_connections_that_drip_keep_nobody_out(self):
        relay = self.relay(self.smarthost(self.fake()), admin={"listen": ["127.0.0.1:0"]})
        port = int(relay.wait_for_log(r"admin interface address=127\.0\.0\.1:(\d+)").group(1))
        dripping = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(200)]
        for each in dripping:
            self.addCleanup(each.close)
        for _ in range(20):
            for each in dripping:
                with contextlib.suppress(OSError):  # it gave way to another one
                    each.send(b"G")
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            with contextlib.closing(connection):
                connection.request("GET", "/healthz")
                self.assertEqual(200, connection.getresponse().status)
        self.assertLessEqual(relay.log().count("closed for a newer one"), 41)

    def status_of(self, port, path, token=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            return connection.getresponse().status

    def test_clients_that_read_no_answers_keep_nobody_out(self):
        for token, path in (("token-of-the-test", "/healthz"), (None, "/api/v1/status")):
            admin = {"listen": ["127.0.0.1:0"], **({"token": token} if token else {})}
            relay = self.relay(self.smarthost(self.fake()), admin=admin)
            port = int(relay.wait_for_log(r"admin interface address=127\.0\.0\.1:(\d+)").group(1))
            deaf = [DeafClient(port, path) for _ in range(64)]
            for each in deaf:
                self.addCleanup(each.close)
            for _ in range(6):
                wait_until(lambda: all_stuck(deaf), "the server to read no more", step=0)
                self.assertEqual(200, self.status_of(port, "/healthz"))
                self.assertEqual(200, self.status_of(port, "/api/v1/messages", token))
            for each in deaf:
                each.close()
            relay.stop()


class GatewayTest(SystemCase):
    def setUp(self):
        if not gateway.allowed():
            self.skipTest("this machine allows no network namespaces with interfaces")

    def test_a_gateway_that_makes_all_clients_one_address_is_noticed_once(self):
        number = len(list(self.scratch.path.glob("relay-*")))
        relay = gateway.GatewayRelay(self.scratch.path / f"relay-{number}", [self.smarthost(self.fake())],
                             server={"listen": ["127.0.0.1:0", "10.9.0.2:0"],
                                     "allow_clients": ["10.9.0.0/24"]})
        self.addCleanup(relay.end)
        relay.start()
        port = int(relay.wait_for_log(r"address=\S*10\.9\.0\.2:(\d+)").group(1))
        self.assertTrue(relay.replies("10.9.0.3", port).startswith("220"))
        self.assertNotIn("gateway", relay.log())
        for _ in range(2):
            self.assertTrue(relay.replies("10.9.0.1", port).startswith("220"))
        found = relay.wait_for_log(r"warning +a client comes from this host's default gateway.*")
        self.assertRegex(found.group(0), "allow_clients cannot tell them apart; use auth = .*required")
        self.assertIn("client=10.9.0.1", found.group(0))
        self.assertEqual(1, relay.log().count("default gateway"))


if __name__ == "__main__":
    unittest.main()
