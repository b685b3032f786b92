#include "diagnose/startup_probe.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "diagnose/probe_targets.hpp"
#include "tests/support/catch.hpp"

namespace asio = boost::asio;
using asio::ip::tcp;
using diagnose::ProbeOptions;
using diagnose::StartupVerdict;
using diagnose::VerdictCode;
using namespace std::chrono_literals;

namespace {

constexpr auto as_tuple = asio::as_tuple(asio::use_awaitable);

// A mail server as far as its greeting; keeps what the client said.
class Greeter {
 public:
    Greeter(asio::io_context& loop, std::string greeting)
        : acceptor_(loop, tcp::endpoint{asio::ip::make_address("127.0.0.1"), 0}),
          greeting_(std::move(greeting)) {
        asio::co_spawn(loop, serve(), [](std::exception_ptr) {});
    }
    [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
    [[nodiscard]] std::string target() const { return "127.0.0.1:" + std::to_string(port()); }
    [[nodiscard]] const std::string& heard() const { return heard_; }
    [[nodiscard]] int clients() const { return clients_; }

 private:
    asio::awaitable<void> serve() {
        for (;;) {
            auto [failure, socket] = co_await acceptor_.async_accept(as_tuple);
            if (failure) co_return;
            ++clients_;
            co_await asio::async_write(socket, asio::buffer(greeting_), as_tuple);
            std::array<char, 64> buffer;
            auto [ended, count] = co_await socket.async_read_some(asio::buffer(buffer), as_tuple);
            if (!ended) heard_.append(buffer.data(), count);
        }
    }

    tcp::acceptor acceptor_;
    std::string greeting_, heard_;
    int clients_ = 0;
};

// A port that nobody else gets, and that refuses: bound, but not listened on.
class RefusingPort {
 public:
    explicit RefusingPort(asio::io_context& loop)
        : socket_(loop, tcp::endpoint{asio::ip::make_address("127.0.0.1"), 0}) {}
    [[nodiscard]] std::uint16_t port() const { return socket_.local_endpoint().port(); }
    [[nodiscard]] std::string target() const { return "127.0.0.1:" + std::to_string(port()); }

 private:
    tcp::socket socket_;
};

// Literals pass through; all other names have one fate.
class FakeResolver final : public net::Resolver {
 public:
    explicit FakeResolver(net::DnsStatus status) : status_(status) {}
    std::map<std::string, std::string> hosts;       // name to address
    std::map<std::string, std::string> exchangers;  // domain to host
    std::optional<asio::steady_timer> silence;      // set: answers only once this expires

    asio::awaitable<net::DnsAnswer<std::vector<asio::ip::address>>> addresses(
        std::string host, net::Family family) override {
        net::DnsAnswer<std::vector<asio::ip::address>> answer;
        boost::system::error_code no_literal;
        const std::string text = hosts.count(host) != 0 ? hosts.at(host) : host;
        const asio::ip::address address = asio::ip::make_address(text, no_literal);
        if (no_literal) {
            if (silence) co_await silence->async_wait(as_tuple);
            answer.status = status_;
        } else if (address.is_v6() == (family == net::Family::ipv6) || family == net::Family::any) {
            answer.records.push_back(address);
        } else {
            answer.status = net::DnsStatus::no_data;
        }
        co_return answer;
    }
    asio::awaitable<net::DnsAnswer<std::vector<net::MxRecord>>> mx(std::string domain) override {
        net::DnsAnswer<std::vector<net::MxRecord>> answer;
        if (silence) co_await silence->async_wait(as_tuple);
        if (const auto found = exchangers.find(domain); found != exchangers.end()) {
            net::MxRecord record;
            record.host = found->second;
            answer.records.push_back(record);
        } else {
            answer.status = status_;
        }
        co_return answer;
    }
    asio::awaitable<net::DnsAnswer<std::vector<std::string>>> txt(std::string) override {
        co_return net::DnsAnswer<std::vector<std::string>>{};
    }
    asio::awaitable<net::DnsAnswer<std::vector<std::string>>> ptr(asio::ip::address) override {
        co_return net::DnsAnswer<std::vector<std::string>>{};
    }

 private:
    net::DnsStatus status_;
};

struct Bench {
    asio::io_context loop{1};
    FakeResolver resolver{net::DnsStatus::no_such_name};

    StartupVerdict probe(std::vector<std::string> targets,
                         std::vector<diagnose::SmarthostTarget> smarthosts = {}) {
        ProbeOptions options;
        options.targets = std::move(targets);
        options.timeout = 300ms;
        std::optional<StartupVerdict> verdict;
        asio::co_spawn(loop,
                       diagnose::run_startup_probe(loop.get_executor(), resolver, options,
                                                   std::move(smarthosts)),
                       [&](std::exception_ptr failure, StartupVerdict result) {
                           CHECK(failure == nullptr);
                           verdict = std::move(result);
                       });
        while (!verdict && loop.run_one_for(10s) > 0) continue;
        REQUIRE(verdict.has_value());
        return *verdict;
    }
};

diagnose::SmarthostTarget smarthost(std::uint16_t port) {
    diagnose::SmarthostTarget target;
    target.name = "lab";
    target.host = "127.0.0.1";
    target.ports.push_back(port);
    return target;
}

}  // namespace

TEST_CASE("a greeting proves the port open", "[probe]") {
    struct Case {
        std::string_view greeting, verdict;
    };
    const Case c = GENERATE(values<Case>({
        {"220 mx.example ESMTP\r\n", "ok-direct"},
        {"220-mx.example\r\n220 ESMTP\r\n", "ok-direct"},
        {"554 5.7.1 not from there\r\n", "reputation"},
        {"421 busy\r\n", "reputation"},
        {"220 ****************2******0*\r\n", "outbound-25-intercepted"},  // masked
        {"HTTP/1.1 400 Bad Request\r\n", "outbound-25-intercepted"},
        {"2200 x\r\n", "outbound-25-intercepted"},
        {"", "outbound-25-intercepted"},  // silence until the time is over
    }));
    CAPTURE(c.greeting);
    Bench bench;
    Greeter server{bench.loop, std::string{c.greeting}};
    const StartupVerdict verdict = bench.probe({server.target()});
    CHECK(diagnose::verdict_name(verdict.code) == c.verdict);
    REQUIRE(verdict.evidence.size() == 1);
    CHECK(verdict.evidence[0].result == "open");
    CHECK(verdict.evidence[0].address == "127.0.0.1");
    CHECK(verdict.evidence[0].port == server.port());
    CHECK(c.greeting.starts_with(verdict.evidence[0].banner));
    CHECK_FALSE(verdict.ipv6.has_value());
    CHECK(verdict.took < 900ms);
}

TEST_CASE("the probe says nothing but QUIT", "[probe]") {
    Bench bench;
    Greeter server{bench.loop, "220 mx.example ESMTP\r\n"};
    CHECK(bench.probe({server.target()}).code == VerdictCode::ok_direct);
    while (server.heard().empty() && bench.loop.run_one_for(5s) > 0) continue;
    CHECK(server.heard() == "QUIT\r\n");
    CHECK(server.clients() == 1);
}

TEST_CASE("a refusing port with a smarthost that answers is a rejected port 25", "[probe]") {
    Bench bench;
    RefusingPort closed{bench.loop};
    Greeter submission{bench.loop, "220 smarthost.example ESMTP\r\n"};
    const StartupVerdict verdict = bench.probe({closed.target()}, {smarthost(submission.port())});
    CHECK(verdict.code == VerdictCode::outbound_25_rejected);
    CHECK((verdict.ipv4 == VerdictCode::outbound_25_rejected));
    REQUIRE(verdict.smarthosts.size() == 1);
    const auto& ports = verdict.smarthosts[0].ports;
    REQUIRE(ports.size() == 1);  // on this host the other ports are not the smarthost's
    CHECK(ports[0].port == submission.port());
    CHECK(ports[0].result == "open");
}

TEST_CASE("a refusing port alone decides nothing", "[probe]") {
    Bench bench;
    RefusingPort closed{bench.loop};
    const StartupVerdict verdict = bench.probe({closed.target()});
    CHECK(verdict.code == VerdictCode::inconclusive);
    REQUIRE(verdict.evidence.size() == 1);
    CHECK(verdict.evidence[0].result == "rejected");
}

TEST_CASE("a mail domain is asked at its exchanger, and at itself without one", "[probe]") {
    // Port 25 of this host's loopback is not ours to open: what is looked at is where it went.
    Bench bench;
    bench.resolver.exchangers["one.example"] = "mx.one.example";
    bench.resolver.hosts["mx.one.example"] = "127.0.0.1";
    bench.resolver.hosts["two.example"] = "127.0.0.1";
    const StartupVerdict verdict = bench.probe({"one.example", "two.example"});
    REQUIRE(verdict.evidence.size() == 2);
    std::map<std::string, std::string> hosts;
    for (const auto& item : verdict.evidence) {
        hosts[item.operator_name] = item.host;
        CHECK(item.port == 25);
    }
    CHECK(hosts["one.example"] == "mx.one.example");
    CHECK(hosts["two.example"] == "two.example");
}

TEST_CASE("names that do not exist are no fault of DNS", "[probe]") {
    Bench bench;
    const StartupVerdict verdict = bench.probe({"nowhere.example"});
    CHECK(verdict.code == VerdictCode::inconclusive);
    REQUIRE_FALSE(verdict.evidence.empty());
    CHECK(verdict.evidence[0].result == "no-name");
}

TEST_CASE("a smarthost on this host does not hide that no name resolves", "[probe]") {
    Bench bench;
    RefusingPort closed{bench.loop};
    const StartupVerdict verdict = bench.probe({}, {smarthost(closed.port())});
    CHECK(verdict.code == VerdictCode::dns_broken);
    CHECK_THAT(verdict.summary, Catch::Contains("names do not resolve"));
    REQUIRE(verdict.smarthosts.size() == 1);
    REQUIRE(verdict.smarthosts[0].ports.size() == 1);
    CHECK(verdict.smarthosts[0].ports[0].result == "rejected");
}

TEST_CASE("a smarthost without an address is told as such", "[probe]") {
    Bench bench;
    Greeter server{bench.loop, "220 mx.example ESMTP\r\n"};
    diagnose::SmarthostTarget nowhere;
    nowhere.name = nowhere.host = "nowhere.example";
    nowhere.ports.push_back(587);
    const StartupVerdict verdict = bench.probe({server.target()}, {nowhere});
    REQUIRE(verdict.smarthosts.size() == 1);
    for (const auto& port : verdict.smarthosts[0].ports) CHECK(port.result == "no-name");
    const auto unknown = diagnose::smarthost_results({}, {nowhere});
    REQUIRE_FALSE(unknown.at(0).ports.empty());
    CHECK(unknown.at(0).ports[0].result == "not tried");
}

TEST_CASE("name servers that fail or stay silent are told apart from a closed port", "[probe]") {
    Bench bench;
    bench.resolver.hosts["control.example"] = "127.0.0.1";
    const bool silent = GENERATE(false, true);
    CAPTURE(silent);
    FakeResolver failing{net::DnsStatus::server_failure};
    if (silent) failing.silence.emplace(bench.loop, 10s);
    std::optional<StartupVerdict> verdict;
    ProbeOptions options;
    options.targets = {"one.example", "two.example"};
    options.timeout = 150ms;
    asio::co_spawn(bench.loop,
                   diagnose::run_startup_probe(bench.loop.get_executor(), failing, options, {}),
                   [&](std::exception_ptr, StartupVerdict result) { verdict = std::move(result); });
    while (!verdict && bench.loop.run_one_for(10s) > 0) continue;
    REQUIRE(verdict.has_value());
    // On a host without any route the same silence means that there is no network.
    CHECK((verdict->code == VerdictCode::dns_broken || verdict->code == VerdictCode::no_network));
    CHECK(verdict->took < 2s);
    if (silent) {
        failing.silence->cancel();  // a late answer finds the run over and touches nothing
        bench.loop.run_for(1s);
    }
}

TEST_CASE("a smarthost on a unix socket is not asked over the network", "[probe]") {
    Bench bench;
    Greeter server{bench.loop, "220 mx.example ESMTP\r\n"};
    diagnose::SmarthostTarget local;
    local.name = "local";
    local.host = "unix:/run/smarthost.sock";
    const StartupVerdict verdict = bench.probe({server.target()}, {local});
    CHECK(verdict.evidence.size() == 1);
    REQUIRE(verdict.smarthosts.size() == 1);
    CHECK(verdict.smarthosts[0].ports.empty());
}

TEST_CASE("probe targets are mail domains or addresses with a port", "[probe]") {
    const auto domain = diagnose::parse_probe_target("gmail.com");
    REQUIRE(domain.has_value());
    CHECK(domain->operator_name == "Google");
    CHECK(domain->port == 25);
    CHECK_FALSE(domain->controls.empty());
    const auto address = diagnose::parse_probe_target("[::1]:2600");
    REQUIRE(address.has_value());
    CHECK(address->hosts == std::vector<std::string>{"::1"});
    CHECK(address->port == 2600);
    for (const char* text : {"", "gmail", "a b.example", "u@x.example", "host:", "host:0",
                             "host:65536", "::1:25", ":25", "host:25x"}) {
        CAPTURE(text);
        CHECK(diagnose::parse_probe_target(text).has_error());
    }
    CHECK(diagnose::parse_probe_target("host:65535").has_value());
}

TEST_CASE("the built-in quorum is of unrelated operators with other ports", "[probe]") {
    const auto& targets = diagnose::built_in_targets();
    CHECK(targets.quorum.size() == 5);
    CHECK(targets.all.size() > targets.quorum.size());
    for (const auto& target : targets.quorum) {
        CAPTURE(target.operator_name);
        CHECK_FALSE(target.hosts.empty());
        CHECK_FALSE(target.controls.empty());
    }
    CHECK(targets.alternates.size() >= 2);
}
