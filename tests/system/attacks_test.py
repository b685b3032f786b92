"""Hostile clients and hostile servers against the whole program."""

import json
import os
import re
import resource
import select
import smtplib
import socket
import subprocess
import threading
import unittest

from support.case import SystemCase, message
from support.memory import memory_of
from support.raw_client import RawClient, dot_stuffed
from support.relay import BINARY
from support.waiting import wait_until

# What other servers have taken for the end of a message, or sent on so that the next one did.
FALSE_ENDS = (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\r\r\n",
              b"\r\n.\r\r\n", b"\r\r\n.\r\n\r", b"\n\r.\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
              b"\r\n\0\0.\r\n", b"\r\n\0.\0\r\n", b"\r\n.\0.\r\n", b"\n\0.\n", b"\r\0.\r",
              b"\x85.\x85", b"\xe2\x80\xa8.\xe2\x80\xa8", b"\n.\r", b"\r.\n")
LINE_ENDS = ("\u2028", "\u2029", "\x85")  # beside CR and LF, as str.splitlines() has it
SMUGGLED = b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@x.example>\r\nDATA\r\nevil\r\n"



class SmugglingTest(SystemCase):
    def test_no_false_end_becomes_a_second_message_on_either_side(self):
        for extensions in (["PIPELINING", "8BITMIME", "CHUNKING"], ["8BITMIME"]):
            server = self.fake(extensions=extensions)
            relay = self.relay(self.smarthost(server))
            for number, end in enumerate(FALSE_ENDS):
                with self.subTest(end=end, extensions=extensions), RawClient(relay.port) as client:
                    client.begin("app@example.com", ["ada@dest.example"])
                    code, reply = client.data(message(f"case-{number}", b"before" + end + SMUGGLED)
                                              + b"\r\n.\r\n")
                    self.assertEqual(250, code, reply)
            server.wait_for(len(FALSE_ENDS))
            relay.wait_until_empty()
            self.assertEqual(len(FALSE_ENDS), len(server.messages))
            for received in server.messages:
                self.assertEqual(["ada@dest.example"], received.recipients)
                self.assertEqual("app@example.com", received.sender)
                # What goes on has CRLF and nothing else for a newline.
                self.assertIsNone(re.search(rb"(?<!\r)\n|\r(?!\n)", received.data))
                self.assertIn(b"evil@x.example", received.data)  # still content
                # Some servers drop NULs, others read a line up to its first.
                for line in received.stuffed.split(b"\r\n"):
                    self.assertNotIn(b".", (line.replace(b"\0", b""), line.split(b"\0")[0]))
            relay.stop()

    def test_bdat_content_cannot_end_the_next_hops_data(self):
        server = self.fake(extensions=["8BITMIME"])  # no CHUNKING: it gets DATA
        relay = self.relay(self.smarthost(server))
        with RawClient(relay.port) as client:
            client.begin("app@example.com", ["ada@dest.example"])
            code, _ = client.bdat(message("bdat", b"a\r\n.\r\n" + SMUGGLED), [40, 1, 1, 1])
            self.assertEqual(250, code)
        server.wait_for(1)
        relay.wait_until_empty()
        self.assertEqual(1, len(server.messages))
        self.assertIn(b"\r\n.\r\nMAIL FROM:<evil", server.messages[0].data)

    def test_bdat_that_announces_more_than_there_is_keeps_no_memory(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        before = memory_of(relay.process)
        clients = []
        for _ in range(50):
            client = RawClient(relay.port)
            self.addCleanup(client.close)
            client.begin("app@example.com", ["ada@dest.example"])
            client.write(b"BDAT 50000000\r\n" + b"x" * 1000)
            clients.append(client)
        self.send(relay)  # others are served meanwhile
        self.assertLess(memory_of(relay.process) - before, 20 << 20)
        for size in (b"BDAT 18446744073709551616\r\n", b"BDAT -1\r\n", b"BDAT 1x LAST\r\n"):
            with RawClient(relay.port) as client:
                client.begin("app@example.com", ["ada@dest.example"])
                client.write(size)
                self.assertEqual(501, client.reply()[0])
                self.assertEqual(0, client.reply()[0])


class InjectionTest(SystemCase):
    def test_only_the_end_of_a_line_in_a_subject_begins_another_field(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        taken = {b"\r": b" ", b"\r\r": b"  ", b"\r\0": b" \0", b"\0": b"\0", b"\x0b": b"\x0b",
                 b"\xc2\x85": b"\xc2\x85", b"\n": b"\r\n", b"\r\r\n": b"\r\n", b"\r\n": b"\r\n"}
        for count, (mark, arrives) in enumerate(taken.items()):
            sent = message("a").replace(b"Subject: a", b"Subject: a" + mark + b"Bcc: evil@x.example")
            for way, say in enumerate((lambda c, m=sent: c.data(m + b".\r\n"),
                                       lambda c, m=sent: c.bdat(m, [m.index(b"Bcc")] + [1] * 9))):
                with self.subTest(mark=mark), RawClient(relay.port) as client:
                    client.begin("app@example.com", ["ada@dest.example"])
                    self.assertEqual(250, say(client)[0])
                received = server.wait_for(2 * count + way + 1)[-1].data
                self.assertIn(b"\r\nSubject: a" + arrives + b"Bcc: evil@x.example\r\nDate", received)

    def test_headers_and_parameters_add_no_line_of_their_own(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        with RawClient(relay.port) as client:
            client.expect("EHLO evil.example) by x; (", 250)
            client.expect("MAIL FROM:<app@example.com> ENVID=a+0D+0Ab", 250)
            client.expect("RCPT TO:<ada@dest.example> ORCPT=rfc822;a+0D+0AQUIT", 250)
            code, _ = client.data(dot_stuffed(message("x")))
            self.assertEqual(250, code)
        received = server.wait_for(1)[0]
        self.assertEqual(1, len(received.recipients))
        commands = "\n".join(server.lines)
        self.assertNotRegex(commands, r"(?m)^(b|QUIT\b.*ORCPT)")
        self.assertIn("ENVID=a+0D+0Ab", commands)
        trace = received.data.split(b"Received: ")[1].split(b"\r\nFrom:")[0]
        for line in trace.split(b"\r\n")[1:]:
            self.assertIn(line[:1], (b" ", b"\t"))

    def test_control_characters_in_utf8_addresses_are_refused(self):
        relay = self.relay(self.smarthost(self.fake()))
        for bad in ("a\x85b", "a\u2028b", "a\u202eb", "a\u2066b", "a\ufeffb", "a\u200fb",
                    "a\u061cb", "a\u200bb", "a\u2060b", "a\u00adb", "a\u206ab", "a\ufff9b",
                    "a\U000e0041b"):
            with self.subTest(ascii(bad)), RawClient(relay.port) as client:
                client.expect("EHLO client.example", 250)
                client.expect(f"MAIL FROM:<{bad}@x.example> SMTPUTF8", 501)
                client.expect(f"MAIL FROM:<a@{bad}.example> SMTPUTF8", 501)
                client.expect("MAIL FROM:<a@x.example> SMTPUTF8", 250)
                client.expect(f"RCPT TO:<{bad}@x.example>", 501)
                client.expect(f"RCPT TO:<b@x.example> ORCPT=utf-8;{bad}@x.example", 501)
                client.expect("RCPT TO:<jos\u00e9@x.example>", 250)

    def test_text_of_strangers_cannot_forge_lines_of_the_log(self):
        relay = self.relay(self.smarthost(self.fake()), log={"level": "debug"})
        with RawClient(relay.port) as client:
            client.expect("EHLO client.example", 250)
            # Refused, and logged with what was said: behind what some take for the end of a line.
            for mark in LINE_ENDS:
                client.expect(f"MAIL FROM:<a@x.example> X={mark}2026-01-01 error forged", 555)
        with RawClient(relay.port) as client:
            client.expect("EHLO client.example", 250)
            client.write(b"MAIL FROM:<a@x.example>\n2026-01-01 error forged\r\n")
            self.assertEqual(500, client.reply()[0])
            self.assertEqual(0, client.reply()[0])
        with RawClient(relay.port) as client:
            client.begin("app@example.com", ["ada@dest.example"])
            body = message("x").replace(b"Subject: x", b"Subject: x\x1b[31m\x0b error forged")
            client.data(dot_stuffed(body))
        relay.wait_until_empty()
        self.assertNotIn("\x1b", relay.log())
        told = [line for line in relay.log().splitlines() if "forged" in line]  # at any line end
        self.assertGreaterEqual(len(told), len(LINE_ENDS))
        for line in told:
            self.assertNotRegex(line, r"^\S* *error +forged")
        text = relay.command("queue", "list", "--all").stdout
        self.assertNotIn("\x1b", text)

    def test_what_a_smarthost_says_to_check_reaches_no_terminal_raw(self):
        server = self.fake()
        marks = "\x1b[31m\x9b31m\u202e"
        server.faults.replies["auth"] = f"535 5.7.8 No {marks} \udcff such user"
        relay = self.relay(self.smarthost(server), start=False)
        for words in (("check", "--online"), ("check", "--online", "--json")):
            done = subprocess.run([BINARY, *words, "--config", relay.config], capture_output=True,
                                  timeout=60)
            shown = (done.stdout + done.stderr).decode()  # UTF-8, or it raises
            self.assertIn("such user", shown)
            for mark in "\x1b\x9b\u202e":
                self.assertNotIn(mark, shown, ascii(mark))

    def test_marks_that_turn_or_break_a_line_reach_no_log_and_no_terminal(self):
        marks = ("\u2028\u2029\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
                 "\u061c\u200b\u2060\u00ad\u180e\u206a\ufeff\ufff9\U000e0041")
        for form in ("text", "json"):
            server = self.fake()
            server.faults.refuse = {"bad@dest.example": f"451 4.1.1 No {marks} such user"}
            relay = self.relay(self.smarthost(server), delivery={"retry": ["1h"]},
                               log={"level": "debug", "format": form})
            with RawClient(relay.port) as client:
                client.command(f"EHLO client{marks}.example")
                client.expect("EHLO client.example", 250)
                client.expect("MAIL FROM:<app@example.com>", 250)
                client.expect("RCPT TO:<bad@dest.example>", 250)
                body = message("x").replace(b"Subject: x", f"Subject: x{marks}y".encode())
                code, reply = client.data(dot_stuffed(body))
                self.assertEqual(250, code, reply)
                identifier = reply.rsplit(" ", 1)[1]
            wait_until(lambda: relay.message(identifier)["history"], "an attempt")
            shown = relay.command("queue", "show", identifier).stdout
            self.assertIn("such user", shown)
            self.assertIn("\\xe2\\x80\\xae", shown)
            texts = {"queue show": shown, "queue list": relay.command("queue", "list").stdout,
                     "status": relay.command("status").stdout, "the log": relay.log()}
            self.assertIn("such user", relay.log())
            for where, text in texts.items():
                for mark in marks:
                    self.assertNotIn(mark, text, where)
            # JSON keeps what was said, and a terminal shows it as it is spelt.
            shown = relay.command("queue", "show", identifier, "--json").stdout
            told = json.loads(shown)
            for mark in marks:
                self.assertNotIn(mark, shown)
            self.assertIn(f"No {marks} such user", json.dumps(told, ensure_ascii=False))
            json.loads(relay.command("queue", "list", "--json").stdout)
            if form == "json":
                for line in relay.log().split("\n")[:-1]:
                    json.loads(line)
            relay.stop()

    def test_a_proxy_line_changes_no_client_address(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        with RawClient(relay.port) as client:
            client.expect("PROXY TCP4 192.0.2.1 127.0.0.1 56324 25", 554)
        relay.wait_for_log("none of the proxies in server.proxy_protocol")
        with RawClient(relay.port) as client:
            client.begin("app@example.com", ["ada@dest.example"])
            code, _ = client.data(dot_stuffed(message("x")))
            self.assertEqual(250, code)
        received = server.wait_for(1)[0].data
        self.assertIn(b"127.0.0.1", received.split(b"\r\nFrom:")[0])
        self.assertNotIn(b"192.0.2.1", received)
        self.assertEqual("127.0.0.1", relay.message(relay.messages()[0]["id"])["origin"]["client"])


class OtherProtocolsTest(SystemCase):
    def test_http_and_tls_get_one_line_and_the_log_names_the_mistake(self):
        relay = self.relay(self.smarthost(self.fake()))
        for octets, name in ((b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n"
                              b"EHLO x\r\nMAIL FROM:<a@x.example>\r\n", "HTTP"),
                             (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
                             (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP")):
            with self.subTest(name), RawClient(relay.port) as client:
                client.write(octets)
                code, text = client.reply()
                self.assertEqual(554, code)
                self.assertIn(name, text)
                try:
                    self.assertEqual(0, client.reply()[0])
                except ConnectionResetError:
                    pass  # what it sent on was not read
        relay.wait_for_log("the client speaks HTTP")
        relay.wait_for_log("the client began TLS")

    def test_a_web_page_sends_no_mail_whatever_url_it_chooses(self):
        smarthost = self.fake()
        relay = self.relay(self.smarthost(smarthost))
        commands = (b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<ada@dest.example>\r\n"
                    b"DATA\r\nSubject: from a web page\r\n\r\nx\r\n.\r\nQUIT\r\n")
        # What Chromium sends of itself, fewer lines than are forgiven as bad commands.
        fields = (b"Host: 127.0.0.1\r\nConnection: keep-alive\r\nContent-Length: %d\r\n"
                  b"User-Agent: Mozilla/5.0\r\nContent-Type: text/plain\r\nAccept: */*\r\n"
                  b"Origin: http://evil.example\r\nSec-Fetch-Mode: no-cors\r\n\r\n"
                  % len(commands))
        for length in (1, 5000, 70000):
            with self.subTest(length), RawClient(relay.port) as client:
                client.write(b"POST /" + b"a" * length + b" HTTP/1.1\r\n" + fields + commands)
                self.assertEqual(554, client.reply()[0])
                try:
                    self.assertEqual(0, client.reply()[0])
                except ConnectionResetError:
                    pass  # what it sent on was not read
        wait_until(lambda: relay.log().count("the client speaks HTTP") == 3, "a line for each")
        self.send(relay)
        wait_until(lambda: smarthost.messages, "the message of a client of mail")
        self.assertNotIn(b"from a web page", b"".join(m.data for m in smarthost.messages))


class ExhaustionTest(SystemCase):
    def test_over_long_everything_is_refused_in_bounded_memory(self):
        relay = self.relay(self.smarthost(self.fake()), server={"max_message_size": "1MiB"})
        before = memory_of(relay.process)
        with RawClient(relay.port) as client:
            client.expect("EHLO client.example", 250)
            client.write(b"A" * (8 << 20) + b"\r\n")
            self.assertEqual(500, client.reply()[0])
            client.begin("app@example.com", ["ada@dest.example"])
            code, reply = client.data(b"X-Long: " + b"h" * (4 << 20) + b"\r\n\r\nx\r\n.\r\n")
            self.assertEqual(552, code, reply)
            client.expect(f"MAIL FROM:<{'a' * 300}@x.example>", 501)
            client.expect("NOOP", 250)
        self.assertLess(memory_of(relay.process) - before, 16 << 20)

    def test_slow_clients_are_told_and_closed(self):
        relay = self.relay(self.smarthost(self.fake()), server={"idle_timeout": "1s"})
        with RawClient(relay.port) as client:
            self.assertEqual(421, client.reply()[0])
        with RawClient(relay.port) as client:
            client.begin("app@example.com", ["ada@dest.example"])
            client.expect("DATA", 354)
            client.write(b"Subject: never ends\r\n")
            self.assertEqual(421, client.reply()[0])

    def test_a_dot_between_broken_newlines_is_named_when_nothing_follows(self):
        relay = self.relay(self.smarthost(self.fake()), server={"idle_timeout": "1s"})
        with RawClient(relay.port) as client:
            client.begin("app@example.com", ["ada@dest.example"])
            code, reply = client.data(b"Subject: x\r\n\r\nthe last octet is a CR\r\r\n.\r\n")
        self.assertEqual(421, code)
        self.assertIn("only <CR><LF>.<CR><LF> ends the content", reply)
        relay.wait_for_log("only <CR><LF>.<CR><LF> ends the content")
        self.assertEqual(0, relay.status()["queue"]["delivered"])

    def test_a_byte_now_and_then_does_not_keep_a_connection(self):
        relay = self.relay(self.smarthost(self.fake()), server={"idle_timeout": "2s"})
        for begun in (b"NOOP ", b"AUTH PLAIN ", b"NOOP " + b"x" * 100_000):
            with self.subTest(begun[:12]), RawClient(relay.port) as client:
                client.write(begun)

                def ended():
                    client.write(b"x")
                    return select.select([client.socket], [], [], 0.1)[0]
                wait_until(ended, "421 for a line that does not end", step=0)
                self.assertEqual(421, client.reply()[0])

    def test_idle_clients_leave_descriptors_for_everything_else(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server), start=False)
        relay.open_files = (256, 256)
        relay.start()
        relay.wait_for_log("fewer clients than server.max_connections.*limit=256.*LimitNOFILE")
        answers = []
        for _ in range(300):
            client = socket.create_connection(("127.0.0.1", relay.port), timeout=30)
            self.addCleanup(client.close)
            answers.append((client, client.recv(200)[:9]))
        served = [client for client, answer in answers if answer.startswith(b"220")]
        turned_away = [answer for _, answer in answers if answer.startswith(b"421 4.")]
        self.assertGreaterEqual(len(served), 64)
        self.assertEqual(300, len(served) + len(turned_away), [a for _, a in answers])
        served[0].close()  # makes room for a client that sends

        def sent(subject, body):
            try:
                return self.send(relay, subject, octets=message(subject, body))
            except smtplib.SMTPResponseException:
                return None  # the place is not free yet
        wait_until(lambda: sent("small", b"A line.\r\n"), "room for one client")
        wait_until(lambda: sent("large", (b"x" * 70 + b"\r\n") * 4200), "room for one client")
        server.wait_for(2)
        self.assertIn("queue", relay.command("status", timeout=20).stdout.lower())
        relay.wait_until_empty()
        self.assertNotIn("cannot be accepted", relay.log())

    def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one(self):
        relay = self.relay(self.smarthost(self.fake()), start=False,
                           server={"max_connections": 300})
        relay.open_files = (100, 1000)
        relay.start()
        self.assertEqual((1000, 1000), resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE))
        self.assertNotIn("limit of open files", relay.log())

    def test_running_out_of_descriptors_is_said_and_passes(self):
        relay = self.relay(self.smarthost(self.fake()))
        used = len(os.listdir(f"/proc/{relay.process.pid}/fd"))
        soft, hard = resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (used + 4, hard))
        sockets = [socket.create_connection(("127.0.0.1", relay.port)) for _ in range(12)]
        relay.wait_for_log("connections cannot be accepted")
        for each in sockets:
            each.close()
        resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        self.send(relay, "after")
        relay.wait_until_empty()


class LoopTest(SystemCase):
    def test_a_mail_loop_ends(self):
        relay = self.relay(self.smarthost(self.fake()))
        for hops, code in ((10, 250), (200, 554)):
            with RawClient(relay.port) as client:
                client.begin("app@example.com", ["ada@dest.example"])
                got, reply = client.data(b"Received: from a by b; x\r\n" * hops
                                         + dot_stuffed(message()))
                self.assertEqual(code, got, reply)
        self.assertIn("5.4.6", reply)

    def test_refused_mail_makes_at_most_one_report_and_none_to_nobody(self):
        server = self.fake()
        server.faults.refuse = {"bad@dest.example": "550 5.1.1 No"}
        relay = self.relay(self.smarthost(server))
        self.send(relay, "from-nobody", ["bad@dest.example"], sender="")
        relay.wait_until_empty()
        self.assertEqual([], server.messages)
        self.send(relay, "from-app", ["bad@dest.example"])
        server.wait_for(1)
        relay.wait_until_empty()
        self.assertEqual([["app@example.com"]], [m.recipients for m in server.messages])


class HostileSmarthostTest(SystemCase):
    def test_a_stripped_starttls_gets_neither_mail_nor_password(self):
        server = self.fake(starttls=False)
        relay = self.relay(self.smarthost(server))
        identifier = self.send(relay)
        # Not the log: the line of the start names STARTTLS, too, before anything was tried.
        wait_until(lambda: relay.message(identifier)["history"], "an attempt")
        history = relay.message(identifier)["history"]
        self.assertIn("does not offer STARTTLS", json.dumps(history))
        relay.kill()
        self.assertEqual([], server.messages)
        self.assertFalse([line for line in server.lines if line.startswith(("AUTH", "MAIL"))])

    def test_a_reply_injected_before_tls_ends_the_connection(self):
        server = self.fake()
        server.faults.replies["starttls"] = "220 2.0.0 Ready\r\n250 AUTH PLAIN"
        relay = self.relay(self.smarthost(server))
        self.send(relay)
        wait_until(lambda: relay.status()["smarthosts"][0]["health"] == "failing",
                   "the smarthost to be called failing")
        self.assertEqual([], server.messages)
        self.assertEqual(0, server.sign_ins)

    def test_endless_replies_end_the_connection_in_bounded_memory(self):
        for flood in (b"220-x\r\n" * 500000, b"220 " + b"y" * (8 << 20)):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                def serve(octets=flood, listening=listener):
                    try:
                        while True:
                            peer, _ = listening.accept()
                            with peer:
                                peer.sendall(octets)
                    except OSError:
                        pass
                threading.Thread(target=serve, daemon=True).start()
                relay = self.relay({"host": "127.0.0.1", "port": listener.getsockname()[1],
                                    "tls": "none"})
                before = memory_of(relay.process)
                self.send(relay)
                wait_until(lambda: relay.status()["smarthosts"][0]["health"] == "failing",
                           "the smarthost to be called failing")
                self.assertLess(memory_of(relay.process) - before, 16 << 20)
                relay.kill()
                listener.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    unittest.main()
