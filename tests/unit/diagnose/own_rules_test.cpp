#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// What this host's own kernel and rules prove, and what they leave open.

using namespace diagnose;
using seen::advice_of;
using seen::rule_of;
using seen::status_of;

namespace {

// A silent connect whose SYNs were sent again three times while the kernel counted `failed`.
LocalSigns watched(std::uint16_t port, const std::string& address, long failed, bool last_left) {
    LocalSigns signs;
    signs.port = port;
    signs.address = address;
    signs.counter_read = true;
    signs.retransmissions = 3;
    signs.failed_retransmissions = failed;
    signs.last_left = last_left;
    return signs;
}

Trace::Hop hop(ConnectResult result) {
    Trace::Hop made;
    made.asked = true;
    made.result = result;
    if (result == ConnectResult::expired) made.icmp = IcmpError{11, 0, "203.0.113.1", false};
    return made;
}

// The control port gets to a host behind two routers, port 25 past as many as are given.
PathTrace path_past(std::size_t routers) {
    PathTrace path;
    path.target = "mx.Google.example";
    path.direct.port = 25;
    path.control.port = 443;
    path.control.hops = {hop(ConnectResult::expired), hop(ConnectResult::expired),
                         hop(ConnectResult::open)};
    path.direct.hops.assign(routers, hop(ConnectResult::expired));
    path.direct.hops.push_back(hop(ConnectResult::dropped));
    return path;
}

std::string summary_of(const Report& report, std::string_view id) {
    for (const Check& check : report.checks) {
        if (check.id == id) return check.summary;
    }
    return {};
}

}  // namespace

TEST_CASE("SYNs that fail here and are another connection's blame no rule of this host",
          "[diagnose]") {
    const std::string address = seen::port(ProbeRole::direct, "Google", 25, "dropped").address;
    Observations all = seen::network("dropped", "open");
    all.local = watched(25, address, 3, false);
    CHECK(conclude(all).verdict.code == VerdictCode::local_firewall);
    CHECK(conclude(all).verdict.confidence == Confidence::likely);

    SECTION("its own left, whatever the counter says") {
        all.local = watched(25, address, 64, true);
        const Report report = conclude(all);
        CHECK(report.verdict.code == VerdictCode::outbound_25_dropped);
        CHECK(status_of(report, "local-firewall") == CheckStatus::ok);
    }
    SECTION("a router answered one") {
        all.paths = {path_past(1)};
        CHECK(conclude(all).verdict.code == VerdictCode::outbound_25_dropped);
        all.paths.front().family = net::Family::ipv6;
        CHECK(conclude(all).verdict.code == VerdictCode::local_firewall);
    }
    SECTION("one of the survey's left for the same place") {
        for (PortEvidence& item : all.ports) {
            item.last_left = item.port == 25 && item.address == address;
        }
        CHECK(conclude(all).verdict.code == VerdictCode::outbound_25_dropped);
    }
    SECTION("fewer failed than were sent again") {
        all.local.failed_retransmissions = 2;
        CHECK(conclude(all).verdict.code == VerdictCode::outbound_25_dropped);
    }
    SECTION("no router answers for port 25 either: two witnesses") {
        all.paths = {path_past(0)};
        CHECK(conclude(all).verdict.code == VerdictCode::local_firewall);
        CHECK(conclude(all).verdict.confidence == Confidence::certain);
    }
}

TEST_CASE("the kernel's account of a smarthost's SYNs is no proof", "[diagnose]") {
    const bool last_left = GENERATE(false, true);
    Observations all = seen::smarthost_on_587("dropped", "open");
    all.smarthost_signs.front() = watched(587, "192.0.2.115", 4, last_left);
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_unreachable);
    CHECK(report.verdict.confidence == Confidence::likely);
    CHECK(report.cause.kind == (last_left ? CauseKind::remote : CauseKind::local_firewall));
}

TEST_CASE("root is told of a rule that stops only another user", "[diagnose]") {
    const std::string name = GENERATE(std::string{"relay"}, std::string{});
    Observations all = seen::network("genuine", "open");
    all.local.rules_read = true;
    RuleForUser rule;
    rule.asker = "root";
    rule.name = name;
    rule.match.user = 997;
    rule.match.rule = rule_of("meta skuid 997 tcp dport 25 drop");
    all.rules_for_others = {rule};
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::ok_direct);
    CHECK(status_of(report, "local-firewall") == CheckStatus::warn);
    CHECK_THAT(summary_of(report, "local-firewall"),
               Catch::Contains("No rule stops port 25 for root; this one does for uid 997"));
    CHECK(seen::finds(report, "meta skuid 997 tcp dport 25 drop"));
    CHECK(seen::finds(report, name.empty() ? "`sudo -u '#997' relay diagnose`"
                                           : "`sudo -u relay relay diagnose`"));
    CHECK(seen::finds(report, "`nft delete rule inet filter output handle 7`"));
}

TEST_CASE("what gets no farther than this host or the first router may be either's", "[diagnose]") {
    const bool reset = GENERATE(true, false);
    CAPTURE(reset);
    Observations all = seen::network(reset ? "rejected" : "dropped", "open");
    PathTrace path = path_past(0);
    if (reset) path.direct.hops = {hop(ConnectResult::refused)};
    all.paths = {path};
    const Report unread = conclude(all);
    CHECK(unread.cause.kind == CauseKind::unknown);
    CHECK(unread.cause.hop == 0);
    CHECK(unread.cause.name == "this host or the first router");
    const std::string advice = advice_of(unread);
    CHECK(advice.find("sudo relay diagnose") < advice.find("router's firewall"));
    CHECK(status_of(unread, "local-firewall") == CheckStatus::skip);

    SECTION("the rules are read, and clean") {
        all.local.rules_read = true;
        CHECK(conclude(all).cause.kind == CauseKind::gateway);
        CHECK_THAT(summary_of(conclude(all), "local-firewall"), Catch::Contains("No rule"));
    }
    SECTION("one of them stops some packets") {
        all.local.rules_read = true;
        all.local.possible = {rule_of("tcp dport 25 limit rate over 2/second drop")};
        const Report report = conclude(all);
        CHECK(report.cause.name == "this host or the first router");
        CHECK(status_of(report, "local-firewall") == CheckStatus::warn);
        CHECK_THAT(summary_of(report, "local-firewall"),
                   Catch::Contains("limit rate over 2/second drop"));
        CHECK_THAT(advice_of(report), Catch::Contains("limit rate over 2/second drop"));
        all.local.possible.front().spares_asker = true;
        CHECK(conclude(all).cause.kind == CauseKind::gateway);
    }
    SECTION("a SYN is known to have left this host") {
        all.local.last_left = true;
        CHECK(conclude(all).cause.kind == CauseKind::gateway);
    }
    SECTION("a cloud blocks it too") {
        all.host.cloud = seen::cloud("aws-ec2");
        const Report report = conclude(all);
        CHECK(report.cause.kind == (reset ? CauseKind::unknown : CauseKind::cloud));
        if (reset) CHECK(seen::finds(report, "blocks outbound port 25 by default as well"));
    }
}

TEST_CASE("name servers of a family that this host has no way to are named", "[diagnose]") {
    Observations all = seen::network("dns", "dns", "dns");
    all.ports.push_back(seen::over_ipv6(seen::port(ProbeRole::address, "web", 443, "open")));
    all.route_v4 = false;
    all.route_v6 = true;
    NameServer server;
    server.address = "192.0.2.53";
    server.status = net::DnsStatus::server_failure;
    all.each_name_server = {server};
    const Report report = conclude(all);
    CHECK_THAT(report.verdict.summary, Catch::Contains("are IPv4 addresses"));
    CHECK(report.verdict.confidence == Confidence::certain);
    CHECK_THAT(advice_of(report), Catch::Contains("one there that has an IPv6 address") &&
                                      !Catch::Contains("sudo relay diagnose"));
    server.address = "127.0.0.53";
    all.each_name_server.push_back(server);
    CHECK_THAT(conclude(all).verdict.summary, Catch::Contains("do not answer"));
}

TEST_CASE("unread rules do not hide that packets never leave", "[diagnose]") {
    Observations all = seen::network("dropped", "rejected", "rejected");
    for (PortEvidence& item : all.ports) item.last_left = item.role != ProbeRole::direct;
    all.local.address = "192.0.2.65";
    all.local.counter_read = true;
    all.local.retransmissions = 2;
    all.local.failed_retransmissions = 2;
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::no_network);
    CHECK(seen::finds(report, "this host itself does not let port 25 out"));
    CHECK(seen::status_of(report, "local-firewall") == CheckStatus::warn);
}

TEST_CASE("look-ups that fail at once may be stopped by this host", "[diagnose]") {
    Observations all = seen::network("dns", "dns", "dns");
    all.ports.push_back(seen::port(ProbeRole::address, "1.1.1.1", 443, "open"));
    NameServer server;
    server.address = "192.0.2.53";
    server.status = net::DnsStatus::server_failure;
    server.took = base::Duration{3};
    all.each_name_server = {server};
    const Report quick = conclude(all);
    CHECK(quick.verdict.code == VerdictCode::dns_broken);
    CHECK(quick.verdict.confidence == Confidence::likely);
    CHECK_THAT(quick.verdict.summary, Catch::Contains("do not answer"));
    CHECK_THAT(advice_of(quick), Catch::Contains("sudo relay diagnose"));

    all.each_name_server.front().status = net::DnsStatus::timeout;
    all.each_name_server.front().took = base::Duration{2500};
    CHECK(conclude(all).verdict.confidence == Confidence::certain);
    CHECK_THAT(advice_of(conclude(all)), Catch::Contains("sudo relay diagnose"));

    all.each_name_server = {server};
    all.local.rules_read = true;
    CHECK(conclude(all).verdict.confidence == Confidence::certain);
    CHECK_THAT(advice_of(conclude(all)), !Catch::Contains("sudo relay diagnose"));
}

namespace {

// Five operators asked over both families, whose port 25 is silent while the rest answers.
Observations silent_over_both() {
    Observations all = seen::network("dropped", "open");
    all.route_v6 = true;
    const std::vector<PortEvidence> known = all.ports;
    for (const PortEvidence& item : known) all.ports.push_back(seen::over_ipv6(item));
    return all;
}

LocalSigns ruled(const std::string& address, std::string_view rule) {
    LocalSigns signs;
    signs.address = address;
    signs.rules_read = true;
    if (!rule.empty()) signs.rule = rule_of(rule);
    return signs;
}

}  // namespace

TEST_CASE("a rule of this host is blamed over its own family only", "[diagnose]") {
    Observations all = silent_over_both();
    all.local = ruled("192.0.2.71", "");
    all.local_second = ruled("2001:db8::71", "meta nfproto ipv6 tcp dport 25 drop");
    SECTION("IPv6") {
        const Report report = conclude(all);
        CHECK(report.verdict.code == VerdictCode::local_firewall);
        CHECK(report.direct.ipv4 == VerdictCode::outbound_25_dropped);
        CHECK(report.direct.ipv6 == VerdictCode::local_firewall);
        CHECK_THAT(report.verdict.summary,
                   Catch::Contains("Over IPv4 it is blocked") &&
                       Catch::Contains("Over IPv6 this host itself does not let it out"));
        CHECK_THAT(report.cause.name, Catch::Contains("meta nfproto ipv6"));
        CHECK_THAT(advice_of(report), Catch::Contains("out of this host (over IPv6)") &&
                                          Catch::Contains("who filters port 25") &&
                                          Catch::Contains("(over IPv4)"));
        CHECK(status_of(report, "local-firewall") == CheckStatus::fail);
    }
    SECTION("both, by a rule each") {
        all.local.rule = rule_of("meta nfproto ipv4 tcp dport 25 drop");
        const Report report = conclude(all);
        CHECK(report.direct.ipv4 == VerdictCode::local_firewall);
        CHECK(report.direct.ipv6 == VerdictCode::local_firewall);
        CHECK_THAT(advice_of(report),
                   Catch::Contains("nfproto ipv4") && Catch::Contains("nfproto ipv6"));
    }
    SECTION("IPv4, where IPv6 answers in another's name") {
        std::swap(all.local.rule, all.local_second->rule);
        for (PortEvidence& item : all.ports) {
            if (item.family != net::Family::ipv6 || item.role != ProbeRole::direct) continue;
            item.result = "open";
            item.identity = Identity::foreign;
        }
        const Report report = conclude(all);
        CHECK(report.direct.ipv4 == VerdictCode::local_firewall);
        CHECK(report.direct.ipv6 == VerdictCode::outbound_25_intercepted);
        CHECK_THAT(report.verdict.summary, Catch::Contains("Over IPv6 something on the path"));
        CHECK_THAT(advice_of(report), Catch::Contains("Do not trust port 25"));
    }
    SECTION("IPv4, where the counter speaks and IPv6 was seen to leave") {
        all.local = watched(25, "192.0.2.71", 3, false);
        all.local_second = watched(25, "2001:db8::71", 3, true);
        const Report report = conclude(all);
        CHECK(report.direct.ipv4 == VerdictCode::local_firewall);
        CHECK(report.direct.ipv6 == VerdictCode::outbound_25_dropped);
        CHECK(report.verdict.confidence == Confidence::likely);
    }
}

TEST_CASE("a rule for port 25 does not hide a network that is dead", "[diagnose]") {
    Observations all = seen::network("dropped", "dropped", "dropped");
    all.local = ruled("192.0.2.71", "tcp dport 25 drop");
    for (PortEvidence& item : all.ports) item.last_left = item.role != ProbeRole::direct;
    SECTION("others leave, and nothing answers") {
        const Report report = conclude(all);
        CHECK(report.verdict.code == VerdictCode::no_network);
        CHECK(report.cause.kind != CauseKind::local_firewall);
        CHECK(seen::finds(report, "tcp dport 25 drop"));
        CHECK(status_of(report, "local-firewall") == CheckStatus::warn);
    }
    SECTION("a portal waits") {
        all.portal = "a sign-in page";
        const Report report = conclude(all);
        CHECK(report.verdict.code == VerdictCode::no_network);
        CHECK_THAT(report.verdict.summary, Catch::Contains("captive portal"));
        CHECK_THAT(advice_of(report), Catch::Contains("sign in"));
    }
    SECTION("a portal waits that lets the web pass for show") {
        all.portal = "a sign-in page";
        for (PortEvidence& item : all.ports) {
            if (item.port == 443) item.result = "open";
        }
        CHECK(conclude(all).verdict.code == VerdictCode::no_network);
    }
    SECTION("nothing else leaves this host, either") {
        for (PortEvidence& item : all.ports) item.last_left = false;
        CHECK(conclude(all).verdict.code == VerdictCode::local_firewall);
    }
}
