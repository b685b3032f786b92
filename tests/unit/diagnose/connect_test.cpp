#include "diagnose/connect.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <optional>
#include <thread>

#include "diagnose/dialogue.hpp"
#include "tests/support/catch.hpp"

using diagnose::ConnectResult;
using diagnose::IcmpError;

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

IcmpError icmp(int type, int code, bool v6 = false) {
    return {type, code, v6 ? "2001:db8::1" : "192.0.2.1", v6};
}

diagnose::ConnectOutcome connect(asio::io_context& loop, const tcp::endpoint& endpoint,
                                 int ttl = 0) {
    diagnose::ConnectAsk ask{endpoint.address(), endpoint.port(), std::chrono::seconds{5}};
    ask.ttl = ttl;
    std::optional<diagnose::ConnectOutcome> outcome;
    asio::co_spawn(loop, diagnose::connect_once(loop.get_executor(), ask),
                   [&](const std::exception_ptr&, diagnose::ConnectOutcome result) {
                       outcome.emplace(std::move(result));
                       loop.stop();
                   });
    loop.restart();
    loop.run();
    return std::move(*outcome);
}

}  // namespace

TEST_CASE("a connect is read by its ICMP error first, by errno without one", "[diagnose]") {
    struct Case {
        int error_number;
        std::optional<IcmpError> icmp;
        ConnectResult result;
    };
    const Case c = GENERATE(values<Case>({
        {0, {}, ConnectResult::dropped},
        {ETIMEDOUT, {}, ConnectResult::dropped},
        {ECONNREFUSED, {}, ConnectResult::refused},
        {EPERM, {}, ConnectResult::denied},
        {EACCES, {}, ConnectResult::denied},
        {EINVAL, {}, ConnectResult::denied},
        {ENETUNREACH, {}, ConnectResult::no_route},
        {EHOSTUNREACH, {}, ConnectResult::unreachable},
        {EHOSTUNREACH, icmp(11, 0), ConnectResult::expired},
        {EHOSTUNREACH, icmp(3, 1), ConnectResult::unreachable},
        {EHOSTUNREACH, icmp(3, 13), ConnectResult::prohibited},
        {EHOSTUNREACH, icmp(3, 10), ConnectResult::prohibited},
        {ENETUNREACH, icmp(3, 9), ConnectResult::prohibited},
        {ENETUNREACH, icmp(3, 0), ConnectResult::unreachable},
        {ECONNREFUSED, icmp(3, 3), ConnectResult::refused},
        {EHOSTUNREACH, icmp(3, 0, true), ConnectResult::expired},
        {ENETUNREACH, icmp(1, 0, true), ConnectResult::unreachable},
        {EACCES, icmp(1, 1, true), ConnectResult::prohibited},
        {EHOSTUNREACH, icmp(1, 3, true), ConnectResult::unreachable},
        {ECONNREFUSED, icmp(1, 4, true), ConnectResult::refused},
        {EACCES, icmp(1, 5, true), ConnectResult::prohibited},
    }));
    CAPTURE(c.error_number, c.icmp.has_value());
    CHECK(diagnose::classify_connect(c.error_number, c.icmp) == c.result);
}

TEST_CASE("a listener is open, with a stream to use", "[diagnose]") {
    asio::io_context loop{1};
    tcp::acceptor acceptor{loop, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    const diagnose::ConnectOutcome outcome = connect(loop, acceptor.local_endpoint());
    CHECK(outcome.result == ConnectResult::open);
    REQUIRE(outcome.stream.has_value());
    CHECK(outcome.stream->is_open());
    CHECK(outcome.local_address == "127.0.0.1");
    CHECK(outcome.retransmissions == 0);
}

TEST_CASE("a server that greets and closes at once was reached all the same", "[diagnose]") {
    constexpr int times = 200;  // the server must win the race once
    asio::io_context server_loop{1};
    tcp::acceptor acceptor{server_loop, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    const tcp::endpoint endpoint = acceptor.local_endpoint();
    std::thread server{[&] {
        for (int i = 0; i < times; ++i) {
            tcp::socket socket = acceptor.accept();
            boost::system::error_code ignored;
            asio::write(socket, asio::buffer("554 no\r\n", 8), ignored);
        }
    }};
    asio::io_context loop{1};
    int reached = 0;
    for (int i = 0; i < times; ++i) {
        reached += connect(loop, endpoint).result == ConnectResult::open ? 1 : 0;
    }
    server.join();
    CHECK(reached == times);
}

TEST_CASE("a closed port is refused", "[diagnose]") {
    asio::io_context loop{1};
    const auto loopback = GENERATE(asio::ip::address{asio::ip::address_v4::loopback()},
                                   asio::ip::address{asio::ip::address_v6::loopback()});
    tcp::acceptor acceptor{loop, tcp::endpoint{loopback, 0}};
    const tcp::endpoint endpoint = acceptor.local_endpoint();
    acceptor.close();
    const diagnose::ConnectOutcome outcome = connect(loop, endpoint);
    CHECK(outcome.result == ConnectResult::refused);
    CHECK(outcome.error_number == ECONNREFUSED);
    CHECK_FALSE(outcome.stream.has_value());
}

TEST_CASE("the client's address is read from an EHLO answer", "[diagnose]") {
    using Lines = std::vector<std::string>;
    CHECK(diagnose::echoed_address(Lines{"mx.google.com at your service, [192.0.2.9]",
                                         "SIZE 157286400"}) == "192.0.2.9");
    CHECK(diagnose::echoed_address(Lines{"SN1.protection.outlook.com Hello [2001:db8::5]"}) ==
          "2001:db8::5");
    CHECK(diagnose::echoed_address(Lines{"mx.example Hello c.example [IPv6:2001:DB8::5]"}) ==
          "2001:db8::5");
    CHECK(diagnose::echoed_address(Lines{"mx.example Hello [not an address]"}).empty());
    CHECK(diagnose::echoed_address(Lines{"mx.example"}).empty());
    CHECK(diagnose::echoed_address({}).empty());
}
