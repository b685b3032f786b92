#include "diagnose/broken_family.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// IPv4 works, and IPv6 does not, in ways that a vote on port 25 alone does not tell.

using namespace diagnose;

namespace {

// What the IPv4 port showed, over IPv6.
void add_ipv6(Observations& all, std::string_view result) {
    all.route_v6 = true;
    const std::vector<PortEvidence> known = all.ports;
    for (const PortEvidence& item : known) {
        all.ports.push_back(
            seen::over_ipv6(seen::port(item.role, item.operator_name, item.port, result)));
    }
    PortEvidence address = seen::port(ProbeRole::address, "web", 443, result);
    all.ports.push_back(seen::over_ipv6(address));
}

// A handshake on port 25 of each operator: it is made over IPv4, and hangs over IPv6.
void shake_hands(Observations& all) {
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::direct) continue;
        item.genuine = true;
        item.identity = Identity::genuine;
        item.greeting = Greeting{};
        item.talk = std::chrono::seconds{8};
        if (item.family == net::Family::ipv4) {
            item.greeting->certificate.version = "TLSv1.3";
        } else {
            item.greeting->banner.code = 220;
            item.greeting->certificate.problem = "TLS handshake: timed out after 8 s";
            item.greeting->certificate.timed_out = true;
        }
    }
}

Evidence connected_to(std::string address) {
    Evidence row;
    row.target = "connect";
    row.result = "ok";
    row.address = std::move(address);
    return row;
}

}  // namespace

TEST_CASE("an IPv6 route that leads nowhere is named, with a way out", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    add_ipv6(all, "dropped");
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::ok_direct);
    CHECK(report.direct.ipv6 == VerdictCode::no_network);
    CHECK_THAT(report.verdict.summary, Catch::Contains("over IPv4 only"));
    CHECK_THAT(report.cause.name, Catch::Contains("IPv6"));
    CHECK_THAT(seen::advice_of(report), Catch::Contains("ip -6 route del default"));
    CHECK(seen::finds(report, "nothing answers on any port"));
    CHECK(seen::status_of(report, "network") == CheckStatus::warn);
}

TEST_CASE("a family is broken only where nothing connects and not by a rule of this host",
          "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    add_ipv6(all, "dropped");
    REQUIRE(broken_family(all).has_value());
    SECTION("without a route it is none") { all.route_v6 = false; }
    SECTION("one port answers") { all.ports.back().result = "open"; }
    SECTION("one port is refused by this host") {
        all.ports.back().result = "rejected";
        all.ports.back().connect = ConnectResult::denied;
    }
    SECTION("a rule of this host stops it") { all.local.rule.emplace(); }
    SECTION("the other one does not work, either") {
        for (PortEvidence& item : all.ports) item.result = "dropped";
    }
    SECTION("port 25 alone was asked") {
        std::erase_if(all.ports, [](const PortEvidence& item) {
            return item.family == net::Family::ipv6 && item.role != ProbeRole::direct;
        });
    }
    CHECK_FALSE(broken_family(all).has_value());
}

TEST_CASE("a rule of this host that stops all of one family is a local firewall", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    add_ipv6(all, "dropped");
    all.local.rule.emplace();
    all.local.rule->rule = "meta nfproto ipv6 drop";
    const Report report = conclude(all);
    CHECK(report.direct.ipv6 == VerdictCode::local_firewall);
    CHECK(report.cause.kind == CauseKind::local_firewall);
    CHECK_THAT(report.verdict.summary, Catch::Contains("over IPv4 only"));
}

TEST_CASE("a lost IPv6 is told beside a closed port 25", "[diagnose]") {
    Observations all = seen::network("dropped", "open");
    add_ipv6(all, "dropped");
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::outbound_25_dropped);
    CHECK_THAT(seen::advice_of(report), Catch::Contains("Mend IPv6"));
    CHECK(report.fixes.back().title == "What will not help");
}

TEST_CASE("large packets that are lost over IPv6 alone are told as such", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    add_ipv6(all, "open");
    shake_hands(all);
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::ok_direct);
    CHECK(report.verdict.confidence == Confidence::likely);
    CHECK(report.direct.ipv4 == VerdictCode::ok_direct);
    CHECK(report.direct.ipv6 == VerdictCode::inconclusive);
    CHECK_THAT(report.verdict.summary, Catch::Contains("Over IPv6 TLS handshakes"));
    CHECK_THAT(report.cause.name, Catch::Contains("MTU") && Catch::Contains("IPv6"));
    CHECK_THAT(seen::advice_of(report), Catch::Contains("ping -6"));
    CHECK(seen::status_of(report, "interception") == CheckStatus::warn);
    CHECK(seen::status_of(report, "network") == CheckStatus::ok);

    // One certificate may be small enough; where many pass it is the servers that are slow.
    int made = 0;
    for (PortEvidence& item : all.ports) {
        if (item.family != net::Family::ipv6 || !item.greeting) continue;
        item.greeting->certificate.version = "TLSv1.3";
        CHECK(broken_family(all).has_value() == (++made == 1));
        if (made == 3) break;
    }
}

TEST_CASE("a smarthost is not blamed for a handshake that hangs over IPv6 as all do",
          "[diagnose]") {
    const bool v6 = GENERATE(true, false);
    CAPTURE(v6);
    Observations all = seen::network("genuine", "open");
    add_ipv6(all, "open");
    shake_hands(all);
    seen::add_smarthost(all, smtp::Stage::tls, 0, "", "TLS handshake: timed out after 12 s");
    all.smarthosts.front().handshake_hung = true;
    all.smarthosts.front().evidence = {connected_to(v6 ? "2001:db8::25" : "192.0.2.25")};
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_tls);
    CHECK((report.cause.name.find("over IPv6") != std::string::npos) == v6);
    CHECK((report.verdict.summary.find("over IPv6 do not come to an end") != std::string::npos) ==
          v6);
    CHECK_THAT(seen::advice_of(report), Catch::Contains("disable_ipv6"));
}

TEST_CASE("going without IPv6 is not advised for a smarthost that has nothing else", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    add_ipv6(all, "dropped");
    seen::add_smarthost(all, smtp::Stage::connect, 0, "", "no connection");
    all.smarthosts.front().port = 0;
    PortEvidence own = seen::port(ProbeRole::smarthost, "smtp.example.com", 587, "dropped");
    all.ports.push_back(seen::over_ipv6(own));
    const bool both = GENERATE(false, true);
    CAPTURE(both);
    if (both) all.ports.push_back(own);
    const std::string advice = seen::advice_of(conclude(all));
    CHECK_THAT(advice, Catch::Contains("Mend IPv6"));
    CHECK((advice.find("ip -6 route del") != std::string::npos) == both);
    CHECK((advice.find("gai.conf") != std::string::npos) == both);
    CHECK((advice.find("take a smarthost that has IPv4 addresses") != std::string::npos) != both);
}
