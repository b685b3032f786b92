"""GET /api/v1/events: what happens, told by the server of its own accord."""

import http.client
import json
import select
import unittest

from support.case import SystemCase
from support.relay import UnixConnection
from support.waiting import PATIENCE, wait_until


class EventsTest(SystemCase):
    def events(self, relay):
        """The kinds and data of the events, as they come."""
        connection = UnixConnection(relay.spool / "control.sock")
        self.addCleanup(connection.close)
        connection.request("GET", "/api/v1/events")
        self.socket = connection.sock
        response = connection.getresponse()
        self.assertEqual((200, "text/event-stream"),
                         (response.status, response.getheader("Content-Type")))
        self.assertIsNone(response.getheader("Content-Length"))
        while line := response.readline():
            if line == b"event: status\n":
                data = response.readline()
                self.assertTrue(data.startswith(b"data: "))
                self.assertEqual(b"\n", response.readline())
                yield json.loads(data.removeprefix(b"data: "))

    def test_a_delivery_shows_without_asking_again(self):
        server = self.fake()
        relay = self.relay(self.smarthost(server))
        events = self.events(relay)
        self.assertEqual(0, next(events)["queue"]["delivered"])
        self.send(relay)
        server.wait_for(1)
        self.assertTrue(any(status["queue"]["delivered"] == 1 for status in events))

    def test_a_relay_with_nothing_to_do_is_silent(self):
        """That time passes, or that other programs use the disk, is no news."""
        events = self.events(self.relay(self.smarthost(self.fake())))
        next(events)
        silence = min(3 * PATIENCE, 10)  # after 15 s comes a sign of life
        for _ in range(5):  # whatever the start still changes
            if not select.select([self.socket], [], [], silence)[0]:
                return
            next(events)
        self.fail("an event came each time within 3 s")

    def test_the_stream_ends_with_the_server(self):
        relay = self.relay(self.smarthost(self.fake()))
        events = self.events(relay)
        next(events)
        relay.stop()
        wait_until(lambda: next(events, None) is None, "the end of the events")

    def test_streams_leave_room_for_other_requests(self):
        relay = self.relay(self.smarthost(self.fake()), admin={"listen": ["127.0.0.1:0"]})
        port = int(relay.wait_for_log(r"admin interface address=127\.0\.0\.1:(\d+)").group(1))
        doors = (lambda: UnixConnection(relay.spool / "control.sock"),
                 lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=10 * PATIENCE))
        for door in doors:
            for _ in range(70):
                connection = door()
                connection.request("GET", "/api/v1/events")
                stream = connection.getresponse()
                self.addCleanup(stream.close)
                self.assertEqual(b"event: status\n", stream.readline())
            other = door()
            self.addCleanup(other.close)
            other.request("GET", "/healthz")
            self.assertEqual(200, other.getresponse().status)
        relay.command("status")

    def test_the_header_alone_can_be_asked_for(self):
        relay = self.relay(self.smarthost(self.fake()))
        connection = UnixConnection(relay.spool / "control.sock")
        self.addCleanup(connection.close)
        connection.request("HEAD", "/api/v1/events")
        self.assertEqual(200, connection.getresponse().status)


if __name__ == "__main__":
    unittest.main()
