#include "diagnose/smarthost_check.hpp"

#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <list>
#include <memory>
#include <optional>

#include "diagnose/other_ports.hpp"
#include "tests/support/catch.hpp"

// The walk through a smarthost's stages against servers of this host that behave oddly.

using namespace diagnose;
using namespace std::chrono_literals;

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto as_tuple = asio::as_tuple(asio::use_awaitable);

// Says its words to whoever connects, then what it is told for each line, until it is hung up on.
asio::awaitable<void> serve(std::shared_ptr<tcp::acceptor> acceptor, std::string greeting,
                            std::vector<std::string> answers) {
    for (;;) {
        auto [refused, socket] = co_await acceptor->async_accept(as_tuple);
        if (refused) co_return;
        if (!greeting.empty()) co_await asio::async_write(socket, asio::buffer(greeting), as_tuple);
        std::size_t next = 0;
        std::array<char, 1024> buffer{};
        for (;;) {
            auto [closed, count] = co_await socket.async_read_some(asio::buffer(buffer), as_tuple);
            if (closed) break;
            if (next == answers.size()) continue;
            const std::string& answer = answers[next++];
            co_await asio::async_write(socket, asio::buffer(answer), as_tuple);
        }
    }
}

struct Bench {
    asio::io_context loop{1};
    std::unique_ptr<net::Resolver> resolver = net::make_resolver(loop.get_executor());
    std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
    std::list<tcp::socket> fillers;
    SmarthostAsk ask;

    Bench() { ask.name = ask.host = "127.0.0.1"; }
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;
    ~Bench() {
        for (const auto& acceptor : acceptors) acceptor->close();
        loop.poll();
    }

    std::uint16_t listen(int backlog) {
        const tcp::endpoint anywhere{asio::ip::address_v4::loopback(), 0};
        acceptors.push_back(std::make_shared<tcp::acceptor>(loop));
        tcp::acceptor& acceptor = *acceptors.back();
        acceptor.open(tcp::v4());
        acceptor.bind(anywhere);
        acceptor.listen(backlog);
        return acceptor.local_endpoint().port();
    }

    void add(std::uint16_t port, smtp::ClientTls tls) { ask.ports.push_back({port, tls}); }

    // Its queue is full, so that the kernel answers no further SYN.
    void add_dead() {
        const std::uint16_t port = listen(0);
        for (int i = 0; i < 2; ++i) {
            fillers.emplace_back(loop, tcp::v4());
            fillers.back().non_blocking(true);
            const tcp::endpoint there = acceptors.back()->local_endpoint();
            [[maybe_unused]] const int under_way = ::connect(
                fillers.back().native_handle(), there.data(), static_cast<socklen_t>(there.size()));
        }
        add(port, smtp::ClientTls::starttls);
    }

    void add_closed() {
        const std::uint16_t port = listen(1);
        acceptors.pop_back();
        add(port, smtp::ClientTls::starttls);
    }

    void add_server(std::string greeting, std::vector<std::string> answers = {},
                    smtp::ClientTls tls = smtp::ClientTls::starttls) {
        const std::uint16_t port = listen(8);
        asio::co_spawn(loop, serve(acceptors.back(), std::move(greeting), std::move(answers)),
                       asio::detached);
        add(port, tls);
    }

    SmarthostStages check(base::Duration timeout) {
        std::optional<SmarthostStages> found;
        asio::co_spawn(loop, check_smarthost(loop.get_executor(), *resolver, ask, timeout),
                       [&](const std::exception_ptr& failure, SmarthostStages result) {
                           CHECK(failure == nullptr);
                           found = std::move(result);
                       });
        while (!found && loop.run_one_for(10s) > 0) continue;
        REQUIRE(found.has_value());
        return std::move(*found);
    }
};

}  // namespace

TEST_CASE("each port of a smarthost is waited for as long", "[diagnose]") {
    struct Case {
        int left, ports, each;
    };
    const Case c = GENERATE(values<Case>({
        {13500, 3, 3375},  // the default time, all but its reserve
        {13500, 1, 6750},
        {7000, 3, 2000},  // long enough for silence to mean something
        {3000, 1, 2000},
        {2000, 3, 500},  // it cannot be, for all of them
        {0, 3, 1},
    }));
    CAPTURE(c.left, c.ports);
    base::Duration left{c.left};
    for (int ports = c.ports; ports > 0; --ports) {
        const base::Duration limit = connect_time(left, static_cast<std::size_t>(ports));
        CHECK(limit == base::Duration{c.each});
        left -= limit;
    }
}

TEST_CASE("the port that answers decides, whatever was cut short before it", "[diagnose]") {
    Bench bench;
    bench.add_dead();
    bench.add_server("554 5.7.1 go away\r\n");
    const SmarthostStages found = bench.check(600ms);
    CHECK(found.port == bench.ask.ports.back().port);
    CHECK(smarthost_code(found) == VerdictCode::smarthost_rejected);
}

TEST_CASE("a port that was cut short leaves a doubt that a refusing one does not end",
          "[diagnose]") {
    Bench bench;
    SECTION("refused after it") {
        bench.add_dead();
        bench.add_closed();
    }
    SECTION("refused before it") {
        bench.add_closed();
        bench.add_dead();
    }
    SECTION("refused between two of them") {
        bench.add_dead();
        bench.add_closed();
        bench.add_dead();
    }
    CHECK(smarthost_code(bench.check(400ms)) == VerdictCode::inconclusive);
}

TEST_CASE("clear text blames the kind of TLS that is set only where TLS was to come first",
          "[diagnose]") {
    const bool implicit = GENERATE(true, false);
    CAPTURE(implicit);
    Bench bench;
    if (implicit) {
        bench.add_server("220 mx.example ESMTP\r\n", {}, smtp::ClientTls::implicit);
    } else {
        bench.add_server("220 mx.example ESMTP\r\n",
                         {"250-mx.example\r\n250 STARTTLS\r\n", "220 go\r\n", "250 injected\r\n"});
    }
    const SmarthostStages found = bench.check(5s);
    CHECK(smarthost_code(found) == VerdictCode::smarthost_tls);
    CHECK(found.plain_seen == implicit);
}

TEST_CASE("a server that speaks on after agreeing to STARTTLS did offer it", "[diagnose]") {
    Bench bench;
    bench.add_server("220 mx.example ESMTP\r\n",
                     {"250-mx.example\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"});
    CHECK(smarthost_code(bench.check(5s)) == VerdictCode::smarthost_tls);
}

TEST_CASE("a port that says nothing is told from one that says something else", "[diagnose]") {
    Bench silent, noise;
    silent.add_server("");
    const SmarthostStages nothing = silent.check(500ms);
    CHECK(smarthost_code(nothing) == VerdictCode::inconclusive);
    CHECK(nothing.stage == smtp::Stage::greeting);
    CHECK(nothing.said_nothing);
    noise.add_server("SSH-2.0-OpenSSH_9.2\r\n");
    const SmarthostStages something = noise.check(5s);
    CHECK(something.stage == smtp::Stage::greeting);
    CHECK_FALSE(something.said_nothing);
    CHECK_THAT(report_of(something).trouble, Catch::Contains("does not greet as a mail server"));
}

TEST_CASE("a greeting that is still arriving is slow, and no other protocol's", "[diagnose]") {
    Bench bench;
    bench.add_server("220 mx.exam");
    const SmarthostStages found = bench.check(500ms);
    CHECK(smarthost_code(found) == VerdictCode::inconclusive);
    CHECK_THAT(report_of(found).trouble, Catch::Contains("was still greeting"));
}

TEST_CASE("a recipient that is put off for now is no refusal", "[diagnose]") {
    const bool limit = GENERATE(false, true);
    CAPTURE(limit);
    Bench bench;
    bench.ask.sender = "app@example.com";
    bench.add_server(
        "220 mx.example ESMTP\r\n",
        {"250 mx.example\r\n", "250 ok\r\n",
         limit ? "550 5.7.1 no\r\n" : "450 4.2.0 Recipient address rejected: Greylisted\r\n"},
        smtp::ClientTls::none);
    const SmarthostStages found = bench.check(5s);
    CHECK(found.ok == !limit);
    const VerdictCode expected =
        limit ? VerdictCode::smarthost_rejected : VerdictCode::ok_smarthost;
    CHECK(smarthost_code(found) == expected);
    if (!limit) CHECK_THAT(report_of(found).sender_note, Catch::Contains("put off"));
}

TEST_CASE("why another port is of no use stands in its evidence as well", "[diagnose]") {
    Bench bench;
    bench.add_closed();
    std::optional<OtherPort> found;
    asio::co_spawn(bench.loop,
                   try_other_port(bench.loop.get_executor(), bench.ask, "127.0.0.1",
                                  bench.ask.ports.front().port, 1s),
                   [&](const std::exception_ptr&, OtherPort result) { found = std::move(result); });
    while (!found && bench.loop.run_one_for(10s) > 0) continue;
    REQUIRE(found.has_value());
    CHECK_THAT(found->words, Catch::Contains("no second one"));
    CHECK(found->evidence.detail == found->words);
}

TEST_CASE("ports that all refuse are unreachable in any time", "[diagnose]") {
    Bench bench;
    bench.add_closed();
    bench.add_closed();
    CHECK(smarthost_code(bench.check(400ms)) == VerdictCode::smarthost_unreachable);
}
