#include "net/resolver.hpp"

#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/support/catch.hpp"
#include "tests/unit/net/dns_server.hpp"

using namespace net_test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using net::DnsStatus;
using net::Family;

namespace {

template <class T>
asio::awaitable<void> keep(asio::awaitable<T> call, std::optional<T>& result) {
    result = co_await std::move(call);
}

template <class T>
void start(asio::io_context& loop, asio::awaitable<T> call, std::optional<T>& result) {
    asio::co_spawn(loop, keep(std::move(call), result), [](const std::exception_ptr& thrown) {
        if (thrown) std::rethrow_exception(thrown);
    });
}

template <class T>
T run(asio::io_context& loop, asio::awaitable<T> call) {
    std::optional<T> result;
    start(loop, std::move(call), result);
    while (!result && loop.run_one() > 0) {
    }
    REQUIRE(result.has_value());
    return *result;
}

// A server with its resolver.
struct Bench {
    explicit Bench(DnsServer::Answer answer, base::Duration deadline = 20s)
        : server(loop, std::move(answer)) {
        net::ResolverOptions options;
        options.servers = server.address();
        options.deadline = deadline;
        resolver = net::make_resolver(loop.get_executor(), options);
    }
    asio::io_context loop;
    DnsServer server;
    std::unique_ptr<net::Resolver> resolver;
};

const std::string question = "\xc0\x0c";

DnsReply with(std::vector<std::string> records) {
    DnsReply reply;
    reply.records = std::move(records);
    return reply;
}

DnsReply code(unsigned number) {
    DnsReply reply;
    reply.code = number;
    return reply;
}

DnsReply addresses_for(const Question& asked) {
    if (asked.type == 1) return with({record(question, 1, "\x7f\1\2\3")});
    if (asked.type == 28) return with({record(question, 28, std::string(15, '\0') + '\1')});
    return {};
}

std::vector<std::string> texts(const std::vector<asio::ip::address>& addresses) {
    std::vector<std::string> all;
    for (const auto& address : addresses) all.push_back(address.to_string());
    std::sort(all.begin(), all.end());
    return all;
}

}  // namespace

TEST_CASE("MX, TXT and PTR records are found", "[net]") {
    Bench bench{[](const Question& asked) {
        if (asked.type == 15)
            return with({record(question, 15, number(5) + wire_name("a.example"))});
        if (asked.type == 16) return with({record(question, 16, "\x06v=spf1")});
        return with({record(question, 12, wire_name("host.example"))});
    }};
    const auto mx = run(bench.loop, bench.resolver->mx("mx.example"));
    CHECK(mx.status == DnsStatus::ok);
    CHECK(mx.problem.empty());
    REQUIRE(mx.records.size() == 1);
    CHECK(mx.records[0].host == "a.example");
    CHECK(mx.records[0].preference == 5);
    CHECK(run(bench.loop, bench.resolver->txt("mx.example")).records ==
          std::vector<std::string>{"v=spf1"});
    const std::vector<std::string> host{"host.example"};
    const auto v4 = asio::ip::make_address("192.0.2.7");
    CHECK(run(bench.loop, bench.resolver->ptr(v4)).records == host);
    CHECK(bench.server.questions().back().name == "7.2.0.192.in-addr.arpa");
    const auto v6 = asio::ip::make_address("2001:db8::5");
    CHECK(run(bench.loop, bench.resolver->ptr(v6)).records == host);
    CHECK(bench.server.questions().back().name ==
          "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST_CASE("addresses of both families or of one are found", "[net]") {
    Bench bench{addresses_for};
    const auto any = run(bench.loop, bench.resolver->addresses("mx.example.", Family::any));
    CHECK(any.status == DnsStatus::ok);
    CHECK(texts(any.records) == std::vector<std::string>{"127.1.2.3", "::1"});
    const auto v4 = run(bench.loop, bench.resolver->addresses("mx.example.", Family::ipv4));
    CHECK(texts(v4.records) == std::vector<std::string>{"127.1.2.3"});
    const auto v6 = run(bench.loop, bench.resolver->addresses("mx.example.", Family::ipv6));
    CHECK(texts(v6.records) == std::vector<std::string>{"::1"});
}

TEST_CASE("literals and localhost ask nobody", "[net]") {
    Bench bench{[](const Question&) { return code(2); }};
    struct Case {
        std::string host;
        Family family;
        std::vector<std::string> addresses;
    };
    const Case c = GENERATE(values<Case>({
        {"192.0.2.1", Family::any, {"192.0.2.1"}},
        {"192.0.2.1", Family::ipv6, {}},
        {"2001:db8::1", Family::ipv6, {"2001:db8::1"}},
        {"localhost", Family::any, {"127.0.0.1", "::1"}},
        {"LocalHost.", Family::ipv4, {"127.0.0.1"}},
        {"app.localhost", Family::ipv6, {"::1"}},
    }));
    CAPTURE(c.host);
    const auto answer = run(bench.loop, bench.resolver->addresses(c.host, c.family));
    CHECK(texts(answer.records) == c.addresses);
    CHECK(answer.status == (c.addresses.empty() ? DnsStatus::no_data : DnsStatus::ok));
    CHECK(bench.server.questions().empty());
}

TEST_CASE("what goes wrong is told apart, for records", "[net]") {
    struct Case {
        DnsReply reply;
        DnsStatus status;
        std::string problem;
    };
    DnsReply garbage;
    garbage.garbage = true;
    const Case c = GENERATE_COPY(values<Case>({
        {code(3), DnsStatus::no_such_name, "the name mx.example does not exist"},
        {code(0), DnsStatus::no_data, "mx.example has no mail servers (MX records)"},
        {code(2), DnsStatus::server_failure, "the DNS server failed to look up mx.example"},
        {code(5), DnsStatus::refused, "the DNS server refuses to look up mx.example"},
        {garbage, DnsStatus::malformed, "the DNS server's answer for mx.example is malformed"},
    }));
    Bench bench{[&](const Question&) { return c.reply; }};
    const auto answer = run(bench.loop, bench.resolver->mx("mx.example"));
    CHECK(answer.status == c.status);
    CHECK(answer.problem == c.problem);
    CHECK(answer.records.empty());
}

TEST_CASE("what goes wrong is told apart, for addresses", "[net]") {
    struct Case {
        DnsReply reply;
        DnsStatus status;
        std::string problem;
    };
    const Case c = GENERATE_COPY(values<Case>({
        {code(3), DnsStatus::no_such_name, "the name mx.example. does not exist"},
        {code(0), DnsStatus::no_data, "mx.example. has no address"},
        {code(2), DnsStatus::server_failure, "the DNS server failed to look up mx.example."},
        {code(5), DnsStatus::refused, "the DNS server refuses to look up mx.example."},
    }));
    Bench bench{[&](const Question&) { return c.reply; }};
    const auto answer = run(bench.loop, bench.resolver->addresses("mx.example.", Family::any));
    CHECK(net::dns_status_name(answer.status) == net::dns_status_name(c.status));
    CHECK(answer.problem == c.problem);
}

TEST_CASE("a DNS server that is not there is told apart from one that fails", "[net]") {
    asio::io_context loop;
    net::ResolverOptions options;
    options.servers = DnsServer{loop, addresses_for}.address();  // closed again at once
    const auto resolver = net::make_resolver(loop.get_executor(), options);
    const std::string problem = "no DNS server could be reached to look up mx.example.";
    // One family only: of two questions on one socket, c-ares 1.18 takes the error for the second
    // and lets the first time out.
    CHECK(run(loop, resolver->addresses("mx.example.", Family::ipv4)).problem == problem);
    CHECK(run(loop, resolver->mx("mx.example.")).problem == problem);
}

TEST_CASE("a silent server ends in a timeout at the deadline", "[net]") {
    DnsReply silent;
    silent.silent = true;
    Bench bench{[&](const Question&) { return silent; }, 60ms};
    const auto mx = run(bench.loop, bench.resolver->mx("mx.example"));
    CHECK(mx.status == DnsStatus::timeout);
    CHECK(mx.problem == "no DNS server answered for mx.example");
    const auto found = run(bench.loop, bench.resolver->addresses("mx.example.", Family::any));
    CHECK(found.status == DnsStatus::timeout);
}

TEST_CASE("a server that is silent about one family does not hide the other one", "[net]") {
    const unsigned silent_about = GENERATE(1u, 28u);
    CAPTURE(silent_about);
    Bench bench{[&](const Question& asked) {
        DnsReply reply = addresses_for(asked);
        reply.silent = asked.type == silent_about;
        return reply;
    }};
    const auto found = run(bench.loop, bench.resolver->addresses("mx.example.", Family::any));
    CHECK(found.status == DnsStatus::ok);
    CHECK(texts(found.records) ==
          std::vector<std::string>{silent_about == 1 ? "::1" : "127.1.2.3"});
}

// RFC 4074 section 4.2: of a name that has an IPv4 address only, some say so of AAAA.
TEST_CASE("that a name does not exist is believed of A, while AAAA is silent", "[net]") {
    Bench bench{[](const Question& asked) {
        DnsReply reply = code(3);
        reply.silent = asked.type == 28;
        return reply;
    }};
    const auto found = run(bench.loop, bench.resolver->addresses("mx.example.", Family::any));
    CHECK(found.status == DnsStatus::no_such_name);
}

TEST_CASE("a name that cannot be asked for is an answer, not an exception", "[net]") {
    Bench bench{addresses_for};
    const std::string name = GENERATE(std::string(64, 'a') + ".example", std::string("a..example"));
    CHECK(run(bench.loop, bench.resolver->mx(name)).status == DnsStatus::malformed);
    CHECK(run(bench.loop, bench.resolver->addresses(name, Family::any)).status != DnsStatus::ok);
}

TEST_CASE("many questions at once are all answered", "[net]") {
    Bench bench{[](const Question& asked) {
        return with({record(question, 16, std::string{"\x01"} + asked.name.substr(0, 1))});
    }};
    std::vector<std::optional<net::DnsAnswer<std::vector<std::string>>>> answers(100);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        start(bench.loop,
              bench.resolver->txt(std::string(1, static_cast<char>('a' + i % 26)) + ".example"),
              answers[i]);
    }
    const auto waiting = [](const auto& answer) { return !answer; };
    while (std::any_of(answers.begin(), answers.end(), waiting) && bench.loop.run_one() > 0) {
    }
    for (std::size_t i = 0; i < answers.size(); ++i) {
        REQUIRE(answers[i]->status == DnsStatus::ok);
        CHECK(answers[i]->records[0] == std::string(1, static_cast<char>('a' + i % 26)));
    }
}

TEST_CASE("a resolver that is destroyed ends its questions", "[net]") {
    DnsReply silent;
    silent.silent = true;
    Bench bench{[&](const Question&) { return silent; }};
    std::optional<net::DnsAnswer<std::vector<net::MxRecord>>> mx;
    std::optional<net::DnsAnswer<std::vector<asio::ip::address>>> found;
    start(bench.loop, bench.resolver->mx("mx.example"), mx);
    start(bench.loop, bench.resolver->addresses("mx.example.", Family::any), found);
    while (bench.server.questions().empty()) bench.loop.run_one();
    bench.resolver.reset();
    while ((!mx || !found) && bench.loop.run_one() > 0) {
    }
    CHECK(mx->problem == "the lookup of mx.example was cancelled");
    CHECK(found->status == DnsStatus::server_failure);
}

TEST_CASE("the loop may be destroyed with questions under way", "[net]") {
    DnsReply silent;
    silent.silent = true;
    std::optional<net::DnsAnswer<std::vector<net::MxRecord>>> mx;
    {
        Bench bench{[&](const Question&) { return silent; }};
        start(bench.loop, bench.resolver->mx("mx.example"), mx);
        while (bench.server.questions().empty()) bench.loop.run_one();
    }
    CHECK_FALSE(mx.has_value());
}

TEST_CASE("a changed resolv.conf counts from the next question on", "[net]") {
    std::string pattern = (std::filesystem::temp_directory_path() / "relay-dns-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    const std::filesystem::path folder{pattern};
    asio::io_context loop;
    std::string asked;
    DnsServer server{loop, [&](const Question& q) {
                         asked = q.name;
                         return addresses_for(q);
                     }};
    net::ResolverOptions options;
    options.servers = server.address();
    options.resolv_conf = (folder / "resolv.conf").string();
    std::ofstream{options.resolv_conf} << "search one.example\n";
    const auto resolver = net::make_resolver(loop.get_executor(), options);
    run(loop, resolver->addresses("mx", Family::ipv4));
    CHECK(asked == "mx.one.example");
    std::ofstream{folder / "new"} << "search second.example\n";
    std::filesystem::rename(folder / "new", options.resolv_conf);
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (asked != "mx.second.example" && std::chrono::steady_clock::now() < give_up) {
        run(loop, resolver->addresses("mx", Family::ipv4));
    }
    CHECK(asked == "mx.second.example");
    std::filesystem::remove_all(folder);
}

TEST_CASE("a silent DNS server is asked first only once", "[net]") {
    asio::io_context loop;
    DnsReply nothing;
    nothing.silent = true;
    DnsServer dead{loop, [&](const Question&) { return nothing; }};
    DnsServer alive{loop, [&](const Question& q) { return addresses_for(q); }};
    net::ResolverOptions options;
    options.servers = dead.address() + "," + alive.address();
    const auto resolver = net::make_resolver(loop.get_executor(), options);
    REQUIRE(run(loop, resolver->addresses("a.example", Family::ipv4)).status == DnsStatus::ok);
    const std::size_t asked = dead.questions().size();
    CHECK(asked > 0);
    for (const std::string name : {"b.example", "c.example", "d.example"}) {
        REQUIRE(run(loop, resolver->addresses(name, Family::ipv4)).status == DnsStatus::ok);
        static_cast<void>(run(loop, resolver->mx(name)));
    }
    CHECK(dead.questions().size() == asked);
}
