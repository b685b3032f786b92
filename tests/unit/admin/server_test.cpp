#include "admin/server.hpp"

#include <sys/stat.h>
#include <sys/time.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <fstream>

#include "served.hpp"
#include "tests/support/catch.hpp"

using admin_test::Bed;
using admin_test::Client;
using admin_test::count;
using admin_test::Served;
namespace asio = boost::asio;
using asio::ip::tcp;
using local = asio::local::stream_protocol;

namespace {

std::string body_of(const std::string& answer) {
    return answer.substr(std::min(answer.size(), answer.find("\r\n\r\n") + 4));
}

}  // namespace

TEST_CASE("answers carry the headers that keep a browser safe", "[admin]") {
    Served served;
    const std::string target = GENERATE("/healthz", "/api/v1/status", "/nothing");
    const std::string answer = served.ask("GET " + target);
    CHECK_THAT(answer, Catch::Contains("X-Content-Type-Options: nosniff\r\n"));
    CHECK_THAT(answer, Catch::Contains("Content-Security-Policy: default-src 'none'"));
    CHECK_THAT(answer, Catch::Contains("Cache-Control: no-store\r\n"));
    CHECK_THAT(answer, Catch::Contains("X-Frame-Options: DENY\r\n"));
    CHECK(answer.find("Access-Control") == std::string::npos);
}

TEST_CASE("Host and Origin are checked over TCP and not over the control socket", "[admin]") {
    Served served;
    const std::string evil =
        "GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    CHECK(served.talk(served.endpoint(), evil).starts_with("HTTP/1.1 403"));
    CHECK(served.talk(local::endpoint{served.control()}, evil).starts_with("HTTP/1.1 200"));
    CHECK(served.ask("GET /healthz").starts_with("HTTP/1.1 200"));
    const std::string all = "Content-Length: 12\r\nOrigin: http://evil.example\r\n";
    served.add();
    CHECK(served.ask("POST /api/v1/messages/delete", all, "{\"all\":true}")
              .starts_with("HTTP/1.1 403"));
    CHECK(served
              .ask("POST /api/v1/messages/delete",
                   "Content-Length: 12\r\nSec-Fetch-Site: cross-site\r\n", "{\"all\":true}")
              .starts_with("HTTP/1.1 403"));
    CHECK(served.ask("GET /api/v1/events", "Sec-Fetch-Site: cross-site\r\n")
              .starts_with("HTTP/1.1 403"));
    CHECK(served
              .ask("POST /api/v1/messages/delete",
                   "Content-Length: 12\r\nOrigin: http://" + served.host() + "\r\n",
                   "{\"all\":true}")
              .ends_with("{\"changed\":1}\n"));
    CHECK(served
              .talk(served.endpoint(), "GET /healthz HTTP/1.1\r\nHost: " + served.host() +
                                           "\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
              .starts_with("HTTP/1.1 400"));
}

TEST_CASE("a request that others may read otherwise is refused and the connection closed",
          "[admin]") {
    Served served;
    served.add();
    const std::string next = "GET /healthz HTTP/1.1\r\nHost: " + served.host() + "\r\n\r\n";
    for (const std::string& coding :
         {std::string{"Transfer-Encoding: xchunked"}, std::string{"Transfer-Encoding: gzip"},
          std::string{"Transfer-Encoding: gzip\r\nTransfer-Encoding: identity"}}) {
        CAPTURE(coding);
        for (const bool over_tcp : {true, false}) {
            const std::string bytes =
                "POST /api/v1/messages/delete HTTP/1.1\r\nHost: " + served.host() + "\r\n" +
                coding + "\r\n\r\n" + next;
            const std::string answer = over_tcp
                                           ? served.talk(served.endpoint(), bytes)
                                           : served.talk(local::endpoint{served.control()}, bytes);
            CHECK(answer.starts_with("HTTP/1.1 501"));
            CHECK(count(answer, "HTTP/1.1") == 1);
        }
    }
    const std::string origins = "Content-Length: 12\r\nOrigin: http://" + served.host() +
                                "\r\nOrigin: http://evil.example\r\n";
    CHECK(served.ask("POST /api/v1/messages/delete", origins, "{\"all\":true}")
              .starts_with("HTTP/1.1 400"));
}

TEST_CASE("a token is asked for over TCP and not over the control socket", "[admin]") {
    admin::Options options = Served::loopback();
    options.token = base::Secret{"hunter2"};
    Served served{options};
    const std::string answer = served.ask("GET /api/v1/status");
    CHECK(answer.starts_with("HTTP/1.1 401"));
    CHECK_THAT(answer, Catch::Contains("WWW-Authenticate: Bearer"));
    CHECK(answer.find("hunter2") == std::string::npos);
    CHECK(served.ask("GET /api/v1/status?token=hunter2").starts_with("HTTP/1.1 401"));
    CHECK(served.ask("GET /api/v1/status", "Authorization: Bearer hunter2\r\n")
              .starts_with("HTTP/1.1 200"));
    CHECK(served
              .talk(local::endpoint{served.control()},
                    "GET /api/v1/status HTTP/1.1\r\nConnection: close\r\n\r\n")
              .starts_with("HTTP/1.1 200"));
}

TEST_CASE("one connection serves several requests, HEAD without content", "[admin]") {
    Served served;
    const std::string host = "Host: " + served.host() + "\r\n";
    const std::string answer =
        served.talk(served.endpoint(), "GET /healthz HTTP/1.1\r\n" + host + "\r\n" +
                                           "HEAD /healthz HTTP/1.1\r\n" + host + "\r\n" +
                                           "GET /nothing HTTP/1.1\r\n" + host + "\r\n" +
                                           "GET /healthz HTTP/1.0\r\n" + host + "\r\n");
    CHECK(count(answer, "HTTP/1.1 200") == 2);
    CHECK(count(answer, "HTTP/1.1 404") == 1);
    CHECK(count(answer, "HTTP/1.0 200") == 1);  // and ends the connection
    CHECK(count(answer, "Content-Length: 3\r\n") == 3);
    CHECK(count(answer, "ok\n") == 2);
}

TEST_CASE("limits of header and body hold, at the limit and past it", "[admin]") {
    admin::ServerLimits limits;
    limits.header_bytes = 1024;
    limits.body_bytes = 1000;
    Served served{Served::loopback(), limits};
    CHECK(served.ask("GET /healthz", "X-Long: " + std::string(700, 'x') + "\r\n")
              .starts_with("HTTP/1.1 200"));
    CHECK(served.ask("GET /healthz", "X-Long: " + std::string(1024, 'x') + "\r\n")
              .starts_with("HTTP/1.1 431"));
    const auto post = [&](std::size_t size) {
        return served.ask("POST /api/v1/messages/hold",
                          "Content-Length: " + std::to_string(size) + "\r\n",
                          std::string(size, ' '));
    };
    CHECK(post(1000).starts_with("HTTP/1.1 400"));  // read, and no JSON
    CHECK(post(1001).starts_with("HTTP/1.1 413"));
    CHECK(post(200000).starts_with("HTTP/1.1 413"));
    CHECK(served
              .ask("POST /api/v1/messages/hold", "Transfer-Encoding: chunked\r\n",
                   "3e9\r\n" + std::string(1001, ' ') + "\r\n0\r\n\r\n")
              .starts_with("HTTP/1.1 413"));
}

TEST_CASE("what is no HTTP gets one clear answer", "[admin]") {
    Served served;
    const std::string bytes =
        GENERATE(std::string("EHLO client.example\r\n"), std::string("\x16\x03\x01\x02\r\n\r\n"),
                 std::string("GET /healthz HTTP/9.9\r\n\r\n"),
                 std::string("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"));
    CAPTURE(bytes);
    CHECK(served.talk(served.endpoint(), bytes).starts_with("HTTP/1.1 400"));
}

TEST_CASE("slow requests and idle connections are closed", "[admin]") {
    admin::ServerLimits limits;
    limits.timeout = std::chrono::milliseconds{100};
    Served served{Served::loopback(), limits};
    CHECK(served.talk(served.endpoint(), "").empty());
    CHECK(served.talk(served.endpoint(), "GET /heal").empty());
    CHECK(served.ask("POST /api/v1/messages/hold", "Content-Length: 12\r\n", "{\"all\"").empty());
    const std::string kept = "GET /healthz HTTP/1.1\r\nHost: " + served.host() + "\r\n\r\n";
    CHECK(served.talk(served.endpoint(), kept).starts_with("HTTP/1.1 200"));
}

TEST_CASE("a changed token ends what the old one opened", "[admin]") {
    admin::Options options = Served::loopback();
    options.token = base::Secret{"old"};
    Served served{options};
    const auto request = [&](const std::string& path, const std::string& token) {
        return "GET " + path + " HTTP/1.1\r\nHost: " + served.host() +
               "\r\nAuthorization: Bearer " + token + "\r\n\r\n";
    };
    Client idle, events, begun;
    idle.connect(served);
    idle.say(request("/api/v1/status", "old"));
    events.connect(served);
    events.say(request("/api/v1/events", "old"));
    begun.connect(served);
    begun.say("GET /api/v1/status HTTP/1.1\r\n");
    served.run_until([&] { return idle.has_answer() && events.has_answer(); });
    served.server->set_token(base::Secret{"old"});
    idle.say(request("/api/v1/status", "old"));
    served.run_until([&] { return idle.has_answer(2); });

    served.server->set_token(base::Secret{"new"});
    served.run_until([&] { return idle.is_closed() && events.is_closed(); });
    begun.say("Host: " + served.host() + "\r\nAuthorization: Bearer old\r\n\r\n");
    served.run_until([&] { return begun.has_answer(); });
    CHECK(begun.answer().starts_with("HTTP/1.1 401"));
    CHECK(served.ask("GET /api/v1/status", "Authorization: Bearer old\r\n")
              .starts_with("HTTP/1.1 401"));
    Client fresh;
    fresh.connect(served);
    fresh.say(request("/api/v1/status", "new"));
    served.run_until([&] { return fresh.has_answer(); });
    CHECK(fresh.answer().starts_with("HTTP/1.1 200"));
}

TEST_CASE("a large message streams from its file, byte for byte", "[admin]") {
    Served served;
    Bed::Mail mail;
    for (int i = 0; i < 3'000'000; ++i) mail.content += static_cast<char>(i % 251);
    const std::string id = served.add(mail);
    const std::string target = "/api/v1/messages/" + id + "/raw";
    const std::string answer = served.ask("GET " + target);
    CHECK_THAT(answer.substr(0, 1000), Catch::Contains("Content-Type: message/rfc822\r\n"));
    CHECK((body_of(answer) == mail.content));
    const std::string head = served.ask("HEAD " + target);
    CHECK_THAT(head, Catch::Contains("Content-Length: " + std::to_string(mail.content.size())));
    CHECK(body_of(head).empty());
}

TEST_CASE("Expect: 100-continue is answered before the body", "[admin]") {
    Served served;
    const std::string answer =
        served.ask("POST /api/v1/messages/hold", "Expect: 100-continue\r\nContent-Length: 12\r\n",
                   "{\"all\":true}");
    CHECK(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"));
    CHECK(answer.ends_with("{\"changed\":0}\n"));
}

TEST_CASE("the control socket is its owner's only, and replaces only a dead one", "[admin]") {
    Served served;
    struct stat status{};
    REQUIRE(::stat(served.control().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600U);
    admin::Options none;
    none.listen.clear();
    const auto executor = served.loop.get_executor();
    const auto second =
        admin::Server::start(executor, executor, none, served.control(), served.api);
    REQUIRE_FALSE(second.has_value());
    CHECK_THAT(second.error().message, Catch::Contains("another relay answers"));

    const std::string stale = (served.directory / "stale.sock").string();
    {
        local::acceptor dead{served.loop, local::endpoint{stale}};
    }
    REQUIRE(std::filesystem::exists(stale));
    const auto third = admin::Server::start(executor, executor, none, stale, served.api);
    CHECK(third.has_value());

    const std::string file = (served.directory / "file").string();
    std::ofstream{file} << "keep me";
    const auto fourth = admin::Server::start(executor, executor, none, file, served.api);
    REQUIRE_FALSE(fourth.has_value());
    CHECK_THAT(fourth.error().message, Catch::Contains("not a socket"));
    CHECK(std::filesystem::file_size(file) == 7);

    served.server->stop();
    CHECK_FALSE(std::filesystem::exists(served.control()));
}

TEST_CASE("addresses that cannot or must not be listened on are refused", "[admin]") {
    Served served;
    struct Case {
        std::string address, words;
    };
    const Case c = GENERATE(values<Case>({
        {"0.0.0.0:0", "admin.token"},
        {"[::]:0", "admin.token"},
        {"127.0.0.1", "not an address and a port"},
        {"[::1]", "not an address and a port"},
        {"::1:8025", "not an address and a port"},
        {"relay.example:8025", "not an address and a port"},
        {"127.0.0.1:70000", "not an address and a port"},
        {"taken", "another program uses it"},
    }));
    CAPTURE(c.address);
    admin::Options options;
    options.listen = {c.address == "taken" ? served.host() : c.address};
    const auto executor = served.loop.get_executor();
    const auto refused = admin::Server::start(executor, executor, options, "", served.api);
    REQUIRE_FALSE(refused.has_value());
    CHECK_THAT(refused.error().message, Catch::Contains(c.words));
}

TEST_CASE("stopping ends idle and busy connections alike", "[admin]") {
    Served served;
    asio::io_context own;
    tcp::socket idle{own};
    idle.connect(served.endpoint());
    asio::write(idle, asio::buffer("GET /healthz HTTP/1.1\r\nHost: " + served.host() + "\r\n\r\n"));
    served.run_until([&] { return idle.available() > 0; });
    tcp::socket busy{own};
    busy.connect(served.endpoint());
    asio::write(busy,
                asio::buffer("GET /api/v1/status HTTP/1.1\r\nHost: " + served.host() + "\r\n\r\n"));
    served.loop.restart();
    served.loop.poll_one();
    served.server->stop();
    served.loop.restart();
    served.loop.run_for(std::chrono::seconds{5});
    CHECK(served.loop.stopped());  // nothing is left to run: every coroutine has ended
}

TEST_CASE("an internal error ends the request that meets it, and no other", "[admin]") {
    admin::ServerLimits limits;
    limits.connections = 1;
    Served served{Served::loopback(), limits};
    served.server.reset();
    bool broken = true;
    served.services.ready = [&broken] {
        if (broken) throw std::runtime_error{"a fault of the test"};
        return true;
    };
    served.api = admin::Api{served.services};
    served.start(Served::loopback(), limits);
    CHECK(served.ask("GET /readyz").empty());
    broken = false;
    CHECK_THAT(served.ask("GET /readyz"), Catch::StartsWith("HTTP/1.1 200 "));  // not 503 "busy"
}

TEST_CASE("a disk that keeps a large message waiting keeps no other request waiting", "[admin]") {
    asio::io_context files;  // declared first: what waits there goes last
    Served served;
    Bed::Mail mail;
    mail.content = std::string(1'000'000, 'x') + "\r\n";
    const std::string id = served.add(mail);
    served.server.reset();
    served.start(Served::loopback(), {}, files.get_executor());
    Client reader;
    reader.connect(served);
    reader.say("GET /api/v1/messages/" + id + "/raw HTTP/1.1\r\nHost: " + served.host() +
               "\r\nConnection: close\r\n\r\n");
    // The spool answers one after the other, so this comes behind.
    CHECK_THAT(served.ask("GET /api/v1/stats"), Catch::StartsWith("HTTP/1.1 200 "));
    CHECK_FALSE(reader.has_answer());
    served.run_until([&] {
        files.restart();
        files.poll();
        return reader.is_closed();
    });
    CHECK((body_of(reader.answer()) == mail.content));
}
