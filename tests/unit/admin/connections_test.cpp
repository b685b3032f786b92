// Who keeps a connection, and who gives way to others.
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "served.hpp"
#include "tests/support/catch.hpp"

using admin_test::Client;
using admin_test::Served;
namespace asio = boost::asio;
using local = asio::local::stream_protocol;

namespace {

std::string get(const Served& served, const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: " + served.host() + "\r\n\r\n";
}

// Asks again and again and reads nothing, until the server can neither answer nor read on.
void fill(Served& served, Client& client, const std::string& request) {
    std::string unsent;
    for (bool moved = true; moved;) {
        while (unsent.size() < 10'000) unsent += request;
        const std::size_t sent = client.say(unsent);
        unsent.erase(0, sent);
        served.loop.restart();
        moved = served.loop.poll() + sent > 0;
    }
}

}  // namespace

TEST_CASE("connections past the limit are closed; the control socket keeps its own", "[admin]") {
    admin::ServerLimits limits;
    limits.connections = 2;
    Served served{Served::loopback(), limits};
    Served::Mail mail;
    mail.content.assign(8'000'000, 'x');
    const std::string id = served.add(mail);
    std::vector<Client> open(2);
    for (Client& each : open) {
        each.connect(served);
        each.say(get(served, "/api/v1/messages/" + id + "/raw"));
        served.run_until([&] { return each.has_answer(); });
    }
    CHECK(served.ask("GET /healthz").empty());
    CHECK(served
              .talk(local::endpoint{served.control()},
                    "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
              .starts_with("HTTP/1.1 200"));
}

TEST_CASE("events leave half of the places to other requests, and the newest are told", "[admin]") {
    admin::ServerLimits limits;
    limits.connections = 4;
    Served served{Served::loopback(), limits};
    const auto hold = [&](const auto& door) {
        std::vector<Client> streams(4);
        for (Client& each : streams) {
            each.connect(door);
            each.say(get(served, "/api/v1/events"));
            served.run_until([&] { return each.answer_has("event: status\n"); });
        }
        CHECK(streams[0].is_closed());
        CHECK(streams[1].is_closed());
        CHECK_FALSE(streams[2].is_closed());
        CHECK_FALSE(streams[3].is_closed());
        const std::string health = "GET /healthz HTTP/1.0\r\nHost: " + served.host() + "\r\n\r\n";
        CHECK(served.talk(door, health).starts_with("HTTP/1.0 200"));
    };
    hold(served.endpoint());
    hold(local::endpoint{served.control()});
}

TEST_CASE("events to a client that has left end at once", "[admin]") {
    admin::ServerLimits limits;
    limits.connections = 4;
    Served served{Served::loopback(), limits};
    std::vector<Client> streams(3);
    for (Client& each : streams) {
        each.connect(served);
        each.say(get(served, "/api/v1/events"));
        served.run_until([&] { return each.answer_has("event: status\n"); });
        if (&each == &streams[1]) each.leave();
        served.loop.restart();
        served.loop.poll();
    }
    CHECK_FALSE(streams[0].is_closed());  // the third one took the place of the second
}

TEST_CASE("the oldest of what strangers opened gives way to a newer connection", "[admin]") {
    admin::ServerLimits limits;
    limits.connections = 3;
    Served served{Served::loopback(), limits};
    std::vector<Client> silent(5);
    for (Client& each : silent) {
        each.connect(served);
        each.say("GET /heal");
    }
    served.run_until([&] { return silent[0].is_closed() && silent[1].is_closed(); });
    CHECK(served.ask("GET /healthz").starts_with("HTTP/1.1 200"));
    CHECK(silent[2].is_closed());
    CHECK_FALSE(silent[3].is_closed());
}

TEST_CASE("a newcomer has time to ask while others open more", "[admin]") {
    admin::ServerLimits limits;
    limits.connections = 4;
    Served served{Served::loopback(), limits};
    std::vector<Client> heard(5);
    Client late;
    for (Client& each : heard) {
        each.connect(served);
        each.say(get(served, "/healthz"));
        served.run_until([&] { return each.has_answer(); });
        if (&each == &heard[2]) late.connect(served);
    }
    late.say(get(served, "/healthz"));
    served.run_until([&] { return late.has_answer(); });
    CHECK(heard[1].is_closed());
    CHECK_FALSE(heard[2].is_closed());
}

TEST_CASE("clients that read no answers keep nobody out", "[admin]") {
    admin::ServerLimits limits;
    limits.connections = 3;
    admin::Options options = Served::loopback();
    const bool token = GENERATE(false, true);
    if (token) options.token = base::Secret{"hunter2"};
    Served served{options, limits};
    std::vector<Client> deaf(3);
    for (Client& each : deaf) {
        each.connect(served);
        fill(served, each, get(served, "/healthz"));
    }
    CHECK(served.ask("GET /healthz").starts_with("HTTP/1.1 200"));
    CHECK(served.ask("GET /api/v1/messages", "Authorization: Bearer hunter2\r\n")
              .starts_with("HTTP/1.1 200"));
    CHECK(deaf[0].is_closed());
}

TEST_CASE("what the owner is being answered is not cut short for strangers", "[admin]") {
    admin::ServerLimits limits;
    limits.connections = 3;
    Served served{Served::loopback(), limits};
    Served::Mail mail;
    mail.content.assign(3'000'000, 'x');
    const std::string id = served.add(mail);
    Client owner;
    owner.connect(served);
    owner.say(get(served, "/api/v1/messages/" + id + "/raw"));
    served.run_until([&] { return owner.has_answer(); });
    std::vector<Client> strangers(5);
    for (Client& each : strangers) {
        each.connect(served);
        each.say(get(served, "/healthz"));
        served.run_until([&] { return each.has_answer(); });
    }
    CHECK(strangers[0].is_closed());
    served.run_until([&] {
        owner.has_answer();
        return owner.answer().size() > mail.content.size();
    });
    CHECK_FALSE(owner.is_closed());
}

TEST_CASE("while the spool is slow strangers do not pile up questions to it", "[admin]") {
    admin::ServerLimits limits;
    limits.connections = 3;
    Served served{Served::loopback(), limits};
    std::vector<Client> waiting(4);
    {
        const std::lock_guard slow{served.silence};
        for (Client& each : waiting) {
            each.connect(served);
            each.say(get(served, "/api/v1/status"));
        }
        served.run_until([&] { return waiting[3].has_answer(); });
        CHECK(waiting[3].answer().starts_with("HTTP/1.1 503"));
        CHECK_THAT(waiting[3].answer(), Catch::Contains("Retry-After: 1\r\n"));
        CHECK(served.ask("GET /healthz").starts_with("HTTP/1.1 200"));
    }
    served.run_until([&] { return waiting[2].has_answer(); });
    CHECK(waiting[2].answer().starts_with("HTTP/1.1 200"));
    CHECK(served.ask("GET /api/v1/status").starts_with("HTTP/1.1 200"));
}

TEST_CASE("a byte now and then gives no more time for the first request", "[admin]") {
    admin::ServerLimits limits;
    limits.first_request = std::chrono::milliseconds{300};
    Served served{Served::loopback(), limits};
    Client dripping;
    dripping.connect(served);
    dripping.say("GET /healthz HTTP/1.1\r\nX: ");
    const auto began = std::chrono::steady_clock::now();
    auto next = began;
    served.run_until([&] {
        if (std::chrono::steady_clock::now() >= next) {
            dripping.say("x");
            next += std::chrono::milliseconds{20};
        }
        return dripping.is_closed();
    });
    CHECK(dripping.answer().empty());
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{10});
}
