#include "net/dial.hpp"

#include <netinet/tcp.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <optional>

#include "net/await.hpp"
#include "tests/support/catch.hpp"

namespace asio = boost::asio;
namespace ip = asio::ip;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using net::DialResult;
using Tcp = ip::tcp;

namespace {

// Knows what it is told.
class FakeResolver final : public net::Resolver {
 public:
    using Addresses = net::DnsAnswer<std::vector<ip::address>>;

    asio::awaitable<Addresses> addresses(std::string, net::Family) override {
        if (!silent) co_return answer;
        const auto never = [this](std::function<void(Addresses)> done) { kept = std::move(done); };
        Addresses late = co_await net::await_callback<Addresses>(never);
        co_return late;
    }
    asio::awaitable<net::DnsAnswer<std::vector<net::MxRecord>>> mx(std::string) override {
        co_return net::DnsAnswer<std::vector<net::MxRecord>>{};
    }
    asio::awaitable<net::DnsAnswer<std::vector<std::string>>> txt(std::string) override {
        co_return net::DnsAnswer<std::vector<std::string>>{};
    }
    asio::awaitable<net::DnsAnswer<std::vector<std::string>>> ptr(ip::address) override {
        co_return net::DnsAnswer<std::vector<std::string>>{};
    }

    Addresses answer;
    bool silent = false;
    std::function<void(Addresses)> kept;
};

using Outcome = base::Result<tls::Stream, net::DialError>;

struct Bench {
    explicit Bench(std::vector<std::string> addresses) {
        for (const std::string& text : addresses) {
            resolver.answer.records.push_back(ip::make_address(text));
        }
    }

    Outcome dial(const net::DialTarget& target) {
        std::optional<Outcome> result;
        asio::co_spawn(loop, keep(target, result), [](const std::exception_ptr& thrown) {
            if (thrown) std::rethrow_exception(thrown);
        });
        loop.restart();
        while (!result && loop.run_one() > 0) {
        }
        REQUIRE(result.has_value());
        return *std::move(result);
    }

    asio::awaitable<void> keep(net::DialTarget wanted, std::optional<Outcome>& result) {
        result.emplace(co_await net::dial(loop.get_executor(), resolver, wanted));
    }

    // A port of 127.0.0.1 where nothing listens.
    unsigned short closed_port() {
        const Tcp::acceptor acceptor{loop, Tcp::endpoint{ip::address_v4::loopback(), 0}};
        return acceptor.local_endpoint().port();
    }

    asio::io_context loop;
    FakeResolver resolver;
};

net::DialTarget target(unsigned short port, base::Duration timeout = 20s) {
    return net::DialTarget{"mx.example", port, timeout};
}

}  // namespace

TEST_CASE("a listener is reached, without Nagle's delay", "[net]") {
    Bench bench{{"127.0.0.1"}};
    Tcp::acceptor acceptor{bench.loop, Tcp::endpoint{ip::address_v4::loopback(), 0}};
    Outcome outcome = bench.dial(target(acceptor.local_endpoint().port()));
    REQUIRE(outcome.has_value());
    CHECK(outcome->remote_address() == "127.0.0.1");
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    ::getsockopt(outcome->socket().native_handle(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
    CHECK(no_delay != 0);
}

TEST_CASE("a passing fault of the path does not end a connection", "[net]") {
    Bench bench{{"127.0.0.1"}};
    const Tcp::acceptor acceptor{bench.loop, Tcp::endpoint{ip::address_v4::loopback(), 0}};
    Outcome outcome = bench.dial(target(acceptor.local_endpoint().port()));
    REQUIRE(outcome.has_value());
    int kept = -1;
    socklen_t size = sizeof kept;
    ::getsockopt(outcome->socket().native_handle(), IPPROTO_IP, IP_RECVERR, &kept, &size);
    CHECK(kept == 0);
}

TEST_CASE("the next address is tried when one refuses", "[net]") {
    Bench bench{{"127.0.0.2", "::1", "127.0.0.1"}};
    Tcp::acceptor acceptor{bench.loop, Tcp::endpoint{ip::address_v4::loopback(), 0}};
    Outcome outcome = bench.dial(target(acceptor.local_endpoint().port()));
    REQUIRE(outcome.has_value());
    CHECK(outcome->remote_address() == "127.0.0.1");
}

TEST_CASE("a closed port is told with every address tried", "[net]") {
    Bench bench{{"127.0.0.1", "127.0.0.2"}};
    const unsigned short port = bench.closed_port();
    const Outcome outcome = bench.dial(target(port));
    REQUIRE(outcome.has_error());
    CHECK(outcome.error().result == DialResult::refused);
    CHECK(outcome.error().message ==
          "mx.example:" + std::to_string(port) + ": connection refused (127.0.0.1, 127.0.0.2)");
    REQUIRE(outcome.error().attempts.size() == 2);
    CHECK(outcome.error().attempts[0].error_number == ECONNREFUSED);
    CHECK(outcome.error().attempts[0].result == DialResult::refused);
}

TEST_CASE("a filter on the way is not taken for this host's own", "[net]") {
    struct Case {
        std::string name;
        int error_number;
        std::optional<net::IcmpError> icmp;
        DialResult result;
    };
    const Case c = GENERATE(values<Case>({
        {"a rule of this host", EPERM, std::nullopt, DialResult::local_denied},
        {"a rule of this host that answers", EHOSTUNREACH,
         net::IcmpError{3, 13, "192.0.2.1", false}, DialResult::local_denied},
        {"a filter on the way", EHOSTUNREACH, net::IcmpError{3, 13, "198.51.100.1", false},
         DialResult::prohibited},
        {"a filter on the way, ICMPv6", EACCES, net::IcmpError{1, 1, "2001:db8::1", true},
         DialResult::prohibited},
        {"no such host", EHOSTUNREACH, net::IcmpError{3, 1, "198.51.100.1", false},
         DialResult::unreachable},
        {"nobody listens", ECONNREFUSED, net::IcmpError{3, 3, "198.51.100.1", false},
         DialResult::refused},
    }));
    CAPTURE(c.name);
    CHECK(net::dial_result_of({c.error_number, c.icmp}, "192.0.2.1") == c.result);
}

TEST_CASE("both families take turns, the first in the lead", "[net]") {
    Bench bench{{"127.0.0.1", "127.0.0.2", "::1"}};
    const Outcome outcome = bench.dial(target(bench.closed_port()));
    REQUIRE(outcome.has_error());
    std::vector<std::string> order;
    for (const net::DialAttempt& attempt : outcome.error().attempts)
        order.push_back(attempt.address);
    CHECK(order == std::vector<std::string>{"127.0.0.1", "::1", "127.0.0.2"});
    CHECK(outcome.error().result == DialResult::refused);  // also where there is no IPv6 at all
}

TEST_CASE("the time limit covers the lookup of the name", "[net]") {
    Bench bench{{}};
    bench.resolver.silent = true;
    const Outcome outcome = bench.dial(target(25, 50ms));
    REQUIRE(outcome.has_error());
    CHECK(outcome.error().result == DialResult::dns);
    CHECK(outcome.error().message ==
          "mx.example:25: no DNS server answered for mx.example within 50ms");
}

TEST_CASE("a name without addresses is DNS trouble", "[net]") {
    Bench bench{{}};
    bench.resolver.answer.status = net::DnsStatus::no_such_name;
    bench.resolver.answer.problem = "the name mx.example does not exist";
    const Outcome outcome = bench.dial(target(587));
    REQUIRE(outcome.has_error());
    CHECK(outcome.error().result == DialResult::dns);
    CHECK(outcome.error().message == "mx.example:587: the name mx.example does not exist");
}

TEST_CASE("an address that never answers runs into the time limit", "[net]") {
    // A listener that is full drops what comes: loopback's only silence. The kernel takes one
    // connection more than the backlog.
    Bench bench{{"127.0.0.1"}};
    Tcp::acceptor acceptor{bench.loop};
    acceptor.open(Tcp::v4());
    acceptor.bind(Tcp::endpoint{ip::address_v4::loopback(), 0});
    acceptor.listen(0);
    const unsigned short port = acceptor.local_endpoint().port();
    std::vector<tls::Stream> filling;
    for (int i = 0; i < 10; ++i) {
        Outcome outcome = bench.dial(target(port, 200ms));
        if (outcome) {
            filling.push_back(*std::move(outcome));
            continue;
        }
        CHECK(outcome.error().result == DialResult::timeout);
        CHECK(outcome.error().message ==
              "mx.example:" + std::to_string(port) + ": no answer within 200ms (127.0.0.1)");
        return;
    }
    FAIL("a listener with a backlog of 0 took ten connections");
}

TEST_CASE("a second address is tried while the first is silent", "[net]") {
    Bench bench{{"127.0.0.1", "127.0.0.2"}};
    Tcp::acceptor full{bench.loop};
    full.open(Tcp::v4());
    full.bind(Tcp::endpoint{ip::make_address("127.0.0.1"), 0});
    full.listen(0);
    const unsigned short port = full.local_endpoint().port();
    Bench filler{{"127.0.0.1"}};
    std::vector<tls::Stream> filling;
    for (bool taken = true; taken && filling.size() < 10;) {
        Outcome outcome = filler.dial(target(port, 200ms));
        taken = outcome.has_value();
        if (taken) filling.push_back(*std::move(outcome));
    }
    const Tcp::acceptor open{bench.loop, Tcp::endpoint{ip::make_address("127.0.0.2"), port}};
    Outcome outcome = bench.dial(target(port));
    REQUIRE(outcome.has_value());
    CHECK(outcome->remote_address() == "127.0.0.2");
}

TEST_CASE("a unix socket is reached, and its absence told", "[net]") {
    std::string pattern = (std::filesystem::temp_directory_path() / "relay-dial-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    const std::string path = pattern + "/socket";
    Bench bench{{}};
    const net::DialTarget local{"unix:" + path, 0, 5s};
    const Outcome absent = bench.dial(local);
    REQUIRE(absent.has_error());
    CHECK(absent.error().message == "unix:" + path + ": no such file or directory (" + path + ")");
    {
        const asio::local::stream_protocol::acceptor acceptor{
            bench.loop, asio::local::stream_protocol::endpoint{path}};
        Outcome outcome = bench.dial(local);
        REQUIRE(outcome.has_value());
        CHECK(outcome->remote_address() == "unix");
    }
    const net::DialTarget too_long{"unix:/" + std::string(107, 'x'), 0, 5s};
    CHECK_THAT(bench.dial(too_long).error().message, Contains("1 to 107 bytes"));
    std::filesystem::remove_all(pattern);
}

// What is left behind shows under the address sanitizer.
TEST_CASE("a loop may end at any point of a dial", "[net]") {
    const int steps = GENERATE(range(0, 12));
    auto bench = std::make_unique<Bench>(std::vector<std::string>{"127.0.0.1", "::1"});
    std::optional<Outcome> result;
    asio::co_spawn(bench->loop, bench->keep(target(bench->closed_port()), result),
                   [](const std::exception_ptr&) {});
    for (int i = 0; i < steps; ++i) bench->loop.poll_one();
    bench.reset();
    CHECK((!result || result->has_error()));
}
