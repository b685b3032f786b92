#include "diagnose/inbound/facts.hpp"
#include "diagnose/local_signs.hpp"
#include "diagnose/name_servers.hpp"
#include "diagnose/own_server.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// Faults of this host and its nearest surroundings, concluded from what was seen.

using namespace diagnose;

namespace {

constexpr std::string_view own_banner = "220 box.example.com ESMTP Exim 4.96 Mon, 30 Nov 2026";

// Each operator's port 25 greets as another server does.
Observations strangers(std::string_view banner) {
    Observations all = seen::network("open", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::direct) continue;
        item.identity = Identity::foreign;
        item.banner = banner;
    }
    return all;
}

NameServer name_server(const std::string& address, std::optional<net::DnsStatus> status) {
    NameServer server;
    server.address = address;
    server.status = status;
    return server;
}

}  // namespace

TEST_CASE("a server is known by its full name, whatever it says of the time", "[diagnose]") {
    CHECK(same_server(own_banner, "220 box.example.com ESMTP Exim 4.96 Mon, 30 Nov 2027"));
    CHECK(same_server("220 box.example.com", "220 BOX.example.COM ESMTP"));
    CHECK_FALSE(same_server(own_banner, "220 mx.google.com ESMTP"));
    // Exim of cPanel greets with several lines (RFC 5321 section 4.2.1).
    CHECK(same_server("220-box.example.com ESMTP Exim 4.96 #2 Mon, 30 Nov 2026",
                      "220-box.example.com ESMTP Exim 4.96 #2 Tue, 01 Dec 2026"));
    CHECK(same_server("220-box.example.com ESMTP Exim", "220 box.example.com ESMTP"));
    CHECK_FALSE(same_server("220-box.example.com ESMTP Exim", "220-mx.example.net ESMTP Exim"));
    CHECK_FALSE(same_server("220 localhost ESMTP Postfix", "220 localhost ESMTP Postfix"));
    CHECK_FALSE(same_server("220 localhost.localdomain ESMTP Postfix",
                            "220 localhost.localdomain ESMTP Postfix"));
    CHECK_FALSE(same_server("", ""));
    CHECK_FALSE(same_server("554 box.example.com no service", "554 box.example.com no service"));
}

TEST_CASE("the name in a greeting is found behind either kind of code", "[diagnose]") {
    CHECK(name_in_greeting("220 box.example.com ESMTP") == "box.example.com");
    CHECK(name_in_greeting("220-box.example.com ESMTP Exim") == "box.example.com");
    CHECK(name_in_greeting("220-box.example.com") == "box.example.com");
    CHECK(name_in_greeting("220  box.example.com\r") == "box.example.com");
    CHECK(name_in_greeting("220").empty());
    CHECK(name_in_greeting("").empty());
    CHECK(name_in_greeting("220*box.example.com").empty());
}

TEST_CASE("another server is one that tells another full name", "[diagnose]") {
    CHECK(other_server(own_banner, "220-elsewhere.example ESMTP Exim 4.97 #2"));
    CHECK_FALSE(other_server(own_banner, "220-BOX.example.com ESMTP"));
    CHECK_FALSE(other_server(own_banner, "220 ************"));
    CHECK_FALSE(other_server(own_banner, "220 localhost.localdomain ESMTP"));
    CHECK_FALSE(other_server("", "220 elsewhere.example ESMTP"));
    CHECK_FALSE(other_server(own_banner, "554 elsewhere.example no service"));
}

TEST_CASE("mail servers that greet as this host's own one are a redirect of this host",
          "[diagnose]") {
    const bool many_lines = GENERATE(false, true);
    CAPTURE(many_lines);
    Observations all = strangers(many_lines ? "220-box.example.com ESMTP Exim 4.96 #2"
                                            : "220 box.example.com ESMTP Exim 4.96");
    CHECK(conclude(all).verdict.code == VerdictCode::outbound_25_intercepted);
    all.own_greeting = own_banner;
    if (many_lines) all.own_greeting = "220-box.example.com ESMTP Exim 4.96 #2";
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::local_firewall);
    CHECK(report.cause.kind == CauseKind::local_firewall);
    CHECK(report.cause.hop == 0);
    CHECK_THAT(report.cause.name, Catch::Contains("its own mail server"));
    CHECK_THAT(seen::advice_of(report), Catch::Contains("SMTP_REDIRECT"));
    CHECK_THAT(seen::advice_of(report), Catch::Contains("sudo relay diagnose"));
    CHECK(seen::status_of(report, "local-firewall") == CheckStatus::fail);

    SECTION("not when another's greeting answers") {
        all.own_greeting = "220 other.example.net ESMTP";
        CHECK(conclude(all).verdict.code == VerdictCode::outbound_25_intercepted);
    }
    SECTION("a router leads it back, where the answer comes from beyond one") {
        PathTrace path;
        path.direct.port = 25;
        path.control.port = 443;
        const auto hop = [](ConnectResult result) {
            Trace::Hop made;
            made.asked = true;
            made.result = result;
            return made;
        };
        path.direct.hops = {hop(ConnectResult::expired), hop(ConnectResult::open)};
        path.control.hops = {hop(ConnectResult::expired), hop(ConnectResult::expired),
                             hop(ConnectResult::expired), hop(ConnectResult::open)};
        all.paths = {path};
        const Report router = conclude(all);
        CHECK(router.verdict.code == VerdictCode::outbound_25_intercepted);
        CHECK(router.cause.kind == CauseKind::gateway);
        CHECK_THAT(seen::advice_of(router), !Catch::Contains("SMTP_REDIRECT"));
    }
    SECTION("not when one operator is reached") {
        all.ports.front().identity = Identity::genuine;
        all.ports.front().genuine = true;
        CHECK(conclude(all).verdict.code == VerdictCode::ok_direct);
    }
}

TEST_CASE("a dead name server beside one that answers is suspicious", "[diagnose]") {
    using net::DnsStatus;
    Observations all = seen::network("genuine", "open");
    all.each_name_server = {name_server("192.0.2.1", DnsStatus::timeout),
                            name_server("192.0.2.2", DnsStatus::ok)};
    const Report first = conclude(all);
    CHECK(first.verdict.code == VerdictCode::ok_direct);
    CHECK(first.mail_leaves);
    CHECK(seen::status_of(first, "name-servers") == CheckStatus::warn);
    CHECK_THAT(seen::advice_of(first), Catch::Contains("Replace the name server 192.0.2.1"));
    CHECK_THAT(seen::advice_of(first), Catch::Contains("asked first"));

    std::swap(all.each_name_server.front(), all.each_name_server.back());
    const Report second = conclude(all);
    CHECK(seen::status_of(second, "name-servers") == CheckStatus::warn);
    CHECK_THAT(seen::advice_of(second), !Catch::Contains("asked first"));
    CHECK_THAT(seen::advice_of(second), Catch::Contains("only when those before it fail"));

    all.name_servers_rotate = true;
    const Report turns = conclude(all);
    CHECK_THAT(seen::advice_of(turns), Catch::Contains("options rotate"));
    CHECK_THAT(seen::advice_of(turns), !Catch::Contains("only when those before it fail"));

    struct Case {
        std::vector<NameServer> servers;
        CheckStatus status;
    };
    const Case c = GENERATE(values<Case>({
        {{name_server("192.0.2.1", DnsStatus::ok)}, CheckStatus::ok},
        {{name_server("192.0.2.1", DnsStatus::no_data)}, CheckStatus::ok},
        {{name_server("192.0.2.1", DnsStatus::timeout)}, CheckStatus::fail},
        {{name_server("192.0.2.1", DnsStatus::no_such_name)}, CheckStatus::fail},
        {{name_server("192.0.2.1", std::nullopt)}, CheckStatus::skip},
        {{name_server("192.0.2.1", DnsStatus::ok), name_server("192.0.2.2", std::nullopt)},
         CheckStatus::ok},
    }));
    const Check check = name_servers_check(c.servers);
    CAPTURE(check.summary);
    CHECK(check.status == c.status);
    CHECK_FALSE(check.summary.empty());
    CHECK(name_servers_fix(c.servers).steps.empty());
}

TEST_CASE("no advice on name servers where nothing connects", "[diagnose]") {
    Observations all;
    all.each_name_server = {name_server("192.0.2.1", net::DnsStatus::timeout),
                            name_server("192.0.2.2", net::DnsStatus::ok)};
    all.ports = {seen::port(ProbeRole::address, "192.0.2.99", 443, "dropped")};
    const Report report = conclude(all);
    if (report.direct.code == VerdictCode::no_network) {
        CHECK_THAT(seen::advice_of(report), !Catch::Contains("Replace the name server"));
    }
}

TEST_CASE("a container's own rules are told from those of its host", "[diagnose]") {
    Observations all = seen::network("dropped", "open");
    all.local.counter_read = true;
    all.local.retransmissions = all.local.failed_retransmissions = 2;
    all.host.container = GENERATE("Docker container", "Kubernetes pod");
    all.host.container_meaning =
        "Rules in the host's FORWARD chain do not show as a local failure.";
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::local_firewall);
    CHECK_THAT(report.verdict.summary, Catch::Contains("This container itself"));
    CHECK_THAT(report.cause.name, Catch::Contains("this container"));
    CHECK_THAT(report.cause.policy, !Catch::Contains(all.host.container_meaning));
    const std::string advice = seen::advice_of(report);
    CHECK_THAT(advice, Catch::Contains("out of this container"));
    CHECK_THAT(advice, !Catch::Contains("systemctl cat UNIT"));
    CHECK(seen::status_of(report, "local-firewall") == CheckStatus::fail);
}

TEST_CASE("a rule against look-ups is one against their transport", "[diagnose]") {
    const std::string transport = GENERATE("udp", "tcp");
    const std::string other = transport == "udp" ? "tcp" : "udp";
    FirewallListing listing;
    listing.iptables_save =
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n"
        ":OUTPUT ACCEPT [0:0]\n-A OUTPUT -p " +
        transport + " -m " + transport + " --dport 53 -j DROP\nCOMMIT\n";
    FirewallReading reading;
    reading.readable = true;
    reading.rules = parse_firewall(listing).value();
    const auto rule = rule_against_dns(reading, {"84.150.53.53"}, transport);
    REQUIRE(rule.has_value());
    CHECK_THAT(rule_text(*rule), Catch::Contains(transport));
    CHECK_FALSE(rule_against_dns(reading, {"84.150.53.53"}, other).has_value());

    Observations all = seen::network("dns", "dns", "dns");
    all.rule_for_dns = rule;
    all.dns_transport = transport;
    const Report report = conclude(all);
    CAPTURE(seen::advice_of(report));
    CHECK(report.verdict.code == VerdictCode::dns_broken);
    CHECK_THAT(seen::advice_of(report), Catch::Contains("This is the rule"));
}

TEST_CASE("only addresses of the public Internet count as public", "[inbound]") {
    const std::string address =
        GENERATE("203.0.113.5", "198.18.0.5", "240.0.0.5", "100.64.0.5", "fd00::5", "2001:db8::5");
    InboundFacts facts;
    facts.addresses = {{address, "eth0"}};
    CAPTURE(address);
    CHECK(public_addresses(facts).empty());
    CHECK(behind_nat(facts) == (address.find(':') == std::string::npos));
    for (const Check& check : inbound_checks(facts)) {
        if (check.id != "addresses") continue;
        CHECK(check.status == CheckStatus::warn);
        CHECK_THAT(check.summary, !Catch::Contains("has a public address"));
        CHECK(check.evidence.front().result != "public");
    }
}

TEST_CASE("a server that waits for a load balancer's header is not called mute", "[inbound]") {
    TcpListener listener;
    listener.address = "0.0.0.0";
    listener.port = 25;
    OwnGreeting greeting;
    greeting.address = "127.0.0.1";
    greeting.open = greeting.after_proxy = true;
    greeting.banner = "220 mail.example.com ESMTP";
    VantagePort port;
    port.port = 25;
    port.result = "open";
    VantageView view;
    view.address = "85.10.240.5";
    view.ports = {port};
    InboundFacts facts;
    facts.listeners = {listener};
    facts.greeting = greeting;
    facts.vantage_asked = true;
    facts.vantage = {view};
    const Report report = report_inbound(facts);
    CHECK(report.verdict.code == VerdictCode::inconclusive);
    CHECK_THAT(report.verdict.summary, Catch::Contains("PROXY protocol"));
    CHECK(seen::status_of(report, "greeting") == CheckStatus::warn);
    CHECK_THAT(seen::advice_of(report), Catch::Contains("proxy_protocol"));
}
