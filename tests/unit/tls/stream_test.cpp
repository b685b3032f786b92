#include "tls/stream.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "tests/unit/tls/exchange.hpp"

using namespace tls_test;
using Catch::Matchers::Contains;
using namespace std::chrono_literals;

TEST_CASE("bytes arrive in both directions", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    CHECK(write_to(loop, pair.client, "EHLO a\r\n") == "written");
    CHECK(read_from(loop, pair.server) == "EHLO a\r\n");
    CHECK(write_to(loop, pair.server, "250 b\r\n") == "written");
    CHECK(read_from(loop, pair.client) == "250 b\r\n");
    CHECK(pair.client.remote_address() == "127.0.0.1");
    CHECK(pair.server.remote_port() != 0);
    CHECK(pair.client.close_reason() == tls::CloseReason::none);
}

TEST_CASE("a close is seen as the end by the peer", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    Outcome outcome;
    spawn(loop, read_once(pair.server, outcome));
    pair.client.close();
    CHECK_FALSE(pair.client.is_open());
    run_until(loop, [&] { return outcome.over; });
    CHECK(outcome.text == "the peer closed the connection");
    CHECK(pair.server.close_reason() == tls::CloseReason::end_of_file);
    CHECK(read_from(loop, pair.client) == "the connection is closed");
}

TEST_CASE("a connection that is torn down without close_notify ends too", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, true);
    ::shutdown(pair.client.socket().native_handle(), SHUT_WR);
    CHECK(read_from(loop, pair.server) == "the peer closed the connection");
}

TEST_CASE("a reset is told apart from an orderly close", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    const asio::socket_base::linger abort{true, 0};
    pair.client.socket().set_option(abort);
    pair.client.socket().close();
    CHECK(read_from(loop, pair.server) == "connection reset by peer");
    CHECK(pair.server.close_reason() == tls::CloseReason::reset);
}

TEST_CASE("writing to a closed peer is an error and no signal", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    pair.client.socket().close();
    std::string said = "written";
    for (int i = 0; i < 100 && said == "written"; ++i) said = write_to(loop, pair.server, "x");
    CHECK_THAT(said, Contains("closed the connection") || Contains("reset"));
    CHECK(pair.server.close_reason() == tls::CloseReason::reset);
}

TEST_CASE("a read that lasts beyond the deadline times out", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    pair.client.expires_after(50ms);
    CHECK(read_from(loop, pair.client) == "timed out after 50ms");
    CHECK(pair.client.close_reason() == tls::CloseReason::timeout);
    CHECK(pair.client.is_open());
    // The caller may still say good-bye.
    pair.client.expires_after(20s);
    CHECK(write_to(loop, pair.client, "421\r\n") == "written");
    CHECK(read_from(loop, pair.server) == "421\r\n");
}

TEST_CASE("a deadline may move nearer and further while its timer is armed", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    Outcome outcome;
    pair.client.expires_after(10min);
    spawn(loop, read_once(pair.client, outcome));
    loop.poll();
    CHECK(write_to(loop, pair.server, "x") == "written");
    run_until(loop, [&] { return outcome.over; });
    REQUIRE(outcome.text == "x");
    pair.client.expires_after(30ms);
    CHECK(read_from(loop, pair.client) == "timed out after 30ms");

    const auto started = std::chrono::steady_clock::now();
    outcome = {};
    pair.client.expires_after(20ms);
    spawn(loop, wait_once(pair.client, outcome));
    loop.restart();
    loop.poll();
    pair.client.expires_after(80ms);  // while the wait is under way
    run_until(loop, [&] { return outcome.over; });
    CHECK(outcome.text == "timed out after 80ms");
    CHECK(std::chrono::steady_clock::now() - started >= 80ms);
}

TEST_CASE("a handshake with a silent peer times out", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    Handshakes results;
    pair.client.expires_after(50ms);
    spawn(loop, shake_client(pair.client, client_context(), mx, results));
    run_until(loop, [&] { return results.client.has_value(); });
    CHECK(results.client->error().message ==
          "TLS with mx.example:587 failed: timed out after 50ms");
    CHECK(results.client->error().timed_out);
    CHECK(pair.client.close_reason() == tls::CloseReason::timeout);
}

TEST_CASE("cancel ends what is under way, not what comes later", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    Outcome outcome;
    spawn(loop, read_once(pair.client, outcome));
    loop.restart();
    loop.poll();
    pair.client.cancel();
    run_until(loop, [&] { return outcome.over; });
    CHECK(outcome.text == "cancelled");
    CHECK(write_to(loop, pair.server, "x") == "written");
    CHECK(read_from(loop, pair.client) == "x");
}

TEST_CASE("a stream that is destroyed ends its operations", "[tls]") {
    asio::io_context loop;
    Outcome outcome;
    {
        Pair pair{loop};
        prepare(loop, pair, GENERATE(false, true));
        pair.client.expires_after(10min);
        spawn(loop, read_once(pair.client, outcome));
        loop.restart();
        loop.poll();
    }
    loop.restart();
    loop.run();  // returns at once: the timer is gone as well
    CHECK(outcome.text == "the connection is closed");
}

TEST_CASE("a loop that ends with operations under way frees them", "[tls]") {
    Outcome outcome;
    auto loop = std::make_unique<asio::io_context>();
    auto pair = std::make_unique<Pair>(*loop);
    pair->client.expires_after(10min);
    spawn(*loop, read_once(pair->client, outcome));
    loop->poll();
    pair.reset();
    loop.reset();
    CHECK_FALSE(outcome.over);
}

TEST_CASE("wait_readable wakes for bytes, also for those already decrypted", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    const bool encrypted = GENERATE(false, true);
    prepare(loop, pair, encrypted);
    Outcome outcome;
    pair.client.expires_after(20s);
    spawn(loop, wait_once(pair.client, outcome));
    CHECK(write_to(loop, pair.server, std::string(100, 'x')) == "written");
    run_until(loop, [&] { return outcome.over; });
    CHECK(outcome.text == "ready");
    CHECK(read_from(loop, pair.client).size() == 64);  // read_once() takes 64 of the 100
    outcome = {};
    spawn(loop, wait_once(pair.client, outcome));
    run_until(loop, [&] { return outcome.over; });
    CHECK(outcome.text == "ready");
    CHECK(read_from(loop, pair.client).size() == 36);
}

TEST_CASE("what a wait brought along is read with what came behind it", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    // Less than a wait takes, just as much, and more.
    const auto size = GENERATE(as<std::size_t>{}, 1, 100, 127, 128, 129, 3000);
    std::string sent(size, '\0');
    for (std::size_t i = 0; i < size; ++i) sent[i] = static_cast<char>('a' + i % 26);
    const bool waits = GENERATE(false, true);
    for (int round = 0; round < 3; ++round) {
        Outcome outcome;
        if (waits) wait_for(loop, pair.server, [&] { write_to(loop, pair.client, sent); });
        spawn(loop, read_once(pair.server, outcome, 64 << 10));
        loop.restart();
        loop.poll();
        if (!waits) write_to(loop, pair.client, sent);
        run_until(loop, [&] { return outcome.over; });
        CHECK(outcome.text == sent);
    }
    std::string pieces;
    wait_for(loop, pair.server, [&] { write_to(loop, pair.client, sent); });
    while (pieces.size() < size) pieces += read_from(loop, pair.server);
    CHECK(pieces == sent);
}

TEST_CASE("a reset that a wait has seen is told to the next read", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    const asio::socket_base::linger abort{true, 0};
    pair.client.socket().set_option(abort);
    const auto close = [&] { pair.client.socket().close(); };
    SECTION("alone") { wait_for(loop, pair.server, close); }
    SECTION("behind what it said") {
        if (pair.client.encrypted()) return;
        Outcome outcome;
        spawn(loop, read_once(pair.server, outcome, 64 << 10));
        loop.restart();
        loop.poll();
        // As much as a wait brings along, so that the read looks for more.
        const std::string said(128, 'x');
        const int raw = pair.client.socket().native_handle();
        REQUIRE(::send(raw, said.data(), said.size(), MSG_NOSIGNAL) == 128);
        close();
        run_until(loop, [&] { return outcome.over; });
        CHECK(outcome.text == said);
    }
    CHECK(read_from(loop, pair.server) == "connection reset by peer");
    CHECK(pair.server.close_reason() == tls::CloseReason::reset);
}

TEST_CASE("whoever waits again at the end of a connection is told again", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    const bool reset = GENERATE(false, true);
    pair.server.expires_after(20s);
    wait_for(loop, pair.server, [&] {
        if (!reset) {
            ::shutdown(pair.client.socket().native_handle(), SHUT_WR);
            return;
        }
        pair.client.socket().set_option(asio::socket_base::linger{true, 0});
        pair.client.socket().close();
    });
    for (int again = 0; again < 2; ++again) {
        Outcome outcome;
        spawn(loop, wait_once(pair.server, outcome));
        run_until(loop, [&] { return outcome.over; });
        CHECK(outcome.text == "ready");
    }
    CHECK(read_from(loop, pair.server) ==
          (reset ? "connection reset by peer" : "the peer closed the connection"));
}

TEST_CASE("the end of a connection is read behind the last bytes", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    wait_for(loop, pair.server, [&] {
        write_to(loop, pair.client, "QUIT\r\n");
        pair.client.close();
    });
    CHECK(read_from(loop, pair.server) == "QUIT\r\n");
    CHECK(read_from(loop, pair.server) == "the peer closed the connection");
    CHECK(pair.server.close_reason() == tls::CloseReason::end_of_file);
}

TEST_CASE("a large write waits for a slow reader and loses nothing", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    std::string sent(8 << 20, '\0');
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 >> 3);
    Outcome outcome;
    pair.client.expires_after(60s);
    spawn(loop, write_all(pair.client, sent, outcome));
    loop.restart();
    loop.poll();
    CHECK_FALSE(outcome.over);  // the socket's buffers are full
    std::string received;
    struct Reader {
        static asio::awaitable<void> run(tls::Stream& stream, std::string& into, std::size_t size) {
            std::vector<char> buffer(10000);
            const std::span<char> room{buffer};
            while (into.size() < size) {
                const base::Result<std::size_t> count = co_await stream.read_some(room);
                if (!count) co_return;
                into.append(buffer.data(), *count);
            }
        }
    };
    spawn(loop, Reader::run(pair.server, received, sent.size()));
    run_until(loop, [&] { return outcome.over && received.size() >= sent.size(); });
    CHECK(outcome.text == "written");
    CHECK((received == sent));
}

TEST_CASE("one read and one write may be under way together", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    prepare(loop, pair, GENERATE(false, true));
    const std::string large(8 << 20, 'w');
    Outcome reading, writing;
    spawn(loop, write_all(pair.client, large, writing));
    spawn(loop, read_once(pair.client, reading));
    loop.restart();
    loop.poll();
    CHECK_FALSE(writing.over);
    CHECK(write_to(loop, pair.server, "hello") == "written");
    run_until(loop, [&] { return reading.over; });
    CHECK(reading.text == "hello");
    CHECK_FALSE(writing.over);
    pair.client.cancel();
    run_until(loop, [&] { return writing.over; });
    CHECK(writing.text == "cancelled");
}

TEST_CASE("a unix socket has the address unix", "[tls]") {
    asio::io_context loop;
    asio::local::stream_protocol::socket a{loop}, b{loop};
    asio::local::connect_pair(a, b);
    tls::Stream left{std::move(a)}, right{std::move(b)};
    CHECK(left.remote_address() == "unix");
    CHECK(write_to(loop, left, "x") == "written");
    CHECK(read_from(loop, right) == "x");
}

TEST_CASE("an IPv4 client of an IPv6 listener has an IPv4 address", "[tls]") {
    using Tcp = asio::ip::tcp;
    asio::io_context loop;
    Tcp::acceptor acceptor{loop};
    boost::system::error_code failed;
    acceptor.open(Tcp::v6(), failed);
    if (failed) return;  // no IPv6 here
    const asio::ip::v6_only both{false};
    acceptor.set_option(both);
    acceptor.bind(Tcp::endpoint{Tcp::v6(), 0});
    acceptor.listen();
    Tcp::socket client{loop};
    client.connect(
        Tcp::endpoint{asio::ip::address_v4::loopback(), acceptor.local_endpoint().port()});
    const tls::Stream server{acceptor.accept()};
    CHECK(server.remote_address() == "127.0.0.1");
}

TEST_CASE("what the peer said before it closed can be read after a failed write", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    const bool encrypted = GENERATE(false, true);
    CAPTURE(encrypted);
    prepare(loop, pair, encrypted);
    pair.server.socket().set_option(asio::ip::tcp::no_delay{true});  // it leaves before the reset
    REQUIRE(write_to(loop, pair.client, "content that nobody reads") == "written");
    REQUIRE(write_to(loop, pair.server, "552 no") == "written");
    pair.server.socket().close();  // unread bytes make it a reset

    std::string result = "written";
    for (int i = 0; i < 1000 && result == "written"; ++i) {
        result = write_to(loop, pair.client, std::string(16'384, 'x'));
    }
    CHECK(result != "written");
    CHECK(read_from(loop, pair.client) == "552 no");
    CHECK(write_to(loop, pair.client, "more") != "written");
}
