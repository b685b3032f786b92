#include "diagnose/report_words.hpp"
#include "diagnose/submission_ports.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// IPv4 and IPv6 are closed in different ways, or a port is of use over one of them only.

using namespace diagnose;
using seen::advice_of;
using seen::over_ipv6;

namespace {

// Port 25 as it is over each family; the other ports are open over both.
Observations closed(std::string_view ipv4, std::string_view ipv6) {
    Observations all = seen::network(ipv4, "open");
    all.route_v6 = true;
    const std::vector<PortEvidence> known = all.ports;
    for (const PortEvidence& item : known) {
        const bool direct = item.role == ProbeRole::direct;
        all.ports.push_back(over_ipv6(
            seen::port(item.role, item.operator_name, item.port, direct ? ipv6 : "open")));
    }
    return all;
}

// What a server there said, or did not.
void greet(PortEvidence& item, bool speaks) {
    item.greeting = Greeting{};
    item.greeting->silent = !speaks;
    if (!speaks) return;
    item.greeting->banner.code = 220;
    item.greeting->ehlo.code = 250;
    item.greeting->starttls_offered = true;
    item.greeting->certificate.version = "TLSv1.3";
}

// 465 speaks over both families, 587 is mute over IPv4.
Observations mute_over_ipv4() {
    Observations all = closed("dropped", "dropped");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::control || item.port == 443) continue;
        greet(item, item.port == 465 || item.family == net::Family::ipv6);
    }
    return all;
}

Observations stopped_here_over_ipv4() {
    Observations all = closed("dropped", "dropped");
    all.local.rules_read = true;
    all.local.address = "192.0.2.7";
    all.local.rule = seen::rule_of("meta nfproto ipv4 tcp dport 25 drop");
    all.local_second = LocalSigns{};
    all.local_second->address = "2001:db8::7";
    all.local_second->rules_read = true;
    return all;
}

std::string way_out(const Report& report) { return ways_out(report).front().text; }

}  // namespace

TEST_CASE("a port that is mute over one family gives way to one that is not", "[diagnose]") {
    const Observations all = mute_over_ipv4();
    const SubmissionPort port = look_at_port(all, 587);
    CHECK(port.useful());
    CHECK(port.only == net::Family::ipv6);
    CHECK(port.other_trouble == "nothing greets there");
    CHECK_FALSE(look_at_port(all, 465).only);
    CHECK(useful_ports(all) == std::vector<std::uint16_t>{465, 587});
    const Report report = conclude(all);
    CHECK_THAT(advice_of(report), Catch::Contains("port = 465"));
    CHECK(seen::status_of(report, "submission") == CheckStatus::warn);
}

TEST_CASE("a port that one family closes is offered over the other, in words", "[diagnose]") {
    Observations all = closed("dropped", "dropped");
    for (PortEvidence& item : all.ports) {
        const bool shut = item.role == ProbeRole::control && item.port != 443 &&
                          (item.port == 587 || item.family == net::Family::ipv4);
        if (shut) item.result = "dropped";
    }
    CHECK(look_at_port(all, 465).only == net::Family::ipv6);
    CHECK(look_at_port(all, 465).other_trouble.empty());
    CHECK_FALSE(look_at_port(all, 587).useful());
    CHECK_THAT(advice_of(conclude(all)),
               Catch::Contains("port = 465") && Catch::Contains("a moment ago, over IPv6 only"));
}

TEST_CASE("where a family carries nothing, no port is called the other one's", "[diagnose]") {
    Observations all = closed("dropped", "dropped");
    for (PortEvidence& item : all.ports) {
        if (item.family == net::Family::ipv6) item.result = "dropped";
    }
    CHECK(look_at_port(all, 587).useful());
    CHECK_FALSE(look_at_port(all, 587).only);
}

TEST_CASE("a family closed on this host and one closed elsewhere are told apart once",
          "[diagnose]") {
    const Report report = conclude(stopped_here_over_ipv4());
    CHECK(report.verdict.code == VerdictCode::local_firewall);
    CHECK_THAT(report.verdict.summary, Catch::StartsWith("Outbound port 25 is closed in two ways. "
                                                         "Over IPv4 this host itself"));
    CHECK(way_out(report) == "IPv4: stopped on this host, IPv6: dropped");
    CHECK_THAT(where_words(report), Catch::StartsWith("over IPv4: on this host"));
    CHECK_FALSE(seen::finds(report, "IPv6: "));
}

TEST_CASE("of two faults the verdict's own is mended first", "[diagnose]") {
    Observations all = stopped_here_over_ipv4();
    seen::add_smarthost(all, smtp::Stage::auth, 535, "5.7.8 Authentication credentials invalid");
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_auth);
    CHECK_THAT(report.fixes.at(0).title, Catch::Contains("smtp.example.com"));
    CHECK_THAT(report.fixes.at(1).title, Catch::StartsWith("Let port 25 out of this host"));
    CHECK(seen::finds(report, "Outbound port 25 is closed in two ways. Over IPv4"));
    CHECK_FALSE(seen::finds(report, "IPv6: "));
}

TEST_CASE("each family's own fault has a fix of its own", "[diagnose]") {
    Observations all = closed("refusing", "dropped");
    all.local.rules_read = true;
    all.local.address = "2001:db8::7";
    all.local.rule = seen::rule_of("meta nfproto ipv6 tcp dport 25 drop");
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::reputation);
    const std::string advice = advice_of(report);
    CHECK_THAT(advice, Catch::Contains("If direct delivery is really wanted (over IPv4)\n"));
    CHECK_THAT(advice, !Catch::Contains("If direct delivery is really wanted\n"));
    CHECK_THAT(advice, Catch::Contains("Let port 25 out of this host (over IPv6)\n"));
    CHECK_THAT(advice, Catch::Contains("nft delete rule"));
}

TEST_CASE("one box that answers for all over one family is told once", "[diagnose]") {
    Observations all = closed("open", "genuine");
    for (PortEvidence& item : all.ports) {
        const bool strange = item.role == ProbeRole::direct && item.family == net::Family::ipv4;
        if (strange) item.identity = Identity::foreign;
    }
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::ok_direct);
    CHECK(seen::finds(report, "answers in the mail servers' place"));
    CHECK_FALSE(seen::finds(report, "Google: "));
}

TEST_CASE("a dead family is mended before the other is called hopeless", "[diagnose]") {
    Observations all = seen::network("dropped", "dropped", "dropped");
    all.route_v6 = true;
    const std::vector<PortEvidence> known = all.ports;
    for (const PortEvidence& item : known) {
        const std::string_view result = item.port == 443 ? "open" : "dropped";
        all.ports.push_back(
            over_ipv6(seen::port(item.role, item.operator_name, item.port, result)));
    }
    all.ports.push_back(seen::port(ProbeRole::address, "web", 443, "dropped"));
    all.ports.push_back(over_ipv6(seen::port(ProbeRole::address, "web", 443, "open")));
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smtp_hopeless);
    CHECK(report.verdict.confidence == Confidence::likely);
    CHECK_THAT(report.verdict.summary, Catch::Contains("over IPv4 nothing answers at all"));
    CHECK_THAT(report.fixes.front().title, Catch::StartsWith("Mend IPv4"));
}

TEST_CASE("a usual port of IPv4 alone comes before unusual ones", "[diagnose]") {
    Observations all = closed("dropped", "dropped");
    for (PortEvidence& item : all.ports) {
        const bool shut = item.role == ProbeRole::control && item.port != 443 &&
                          (item.port == 465 || item.family == net::Family::ipv6);
        if (shut) item.result = "dropped";
    }
    for (const std::string_view name : {"SendGrid", "Mailgun"}) {
        const PortEvidence port = seen::port(ProbeRole::control, name, 2525, "open");
        all.ports.push_back(port);
        all.ports.push_back(over_ipv6(port));
    }
    const std::string advice = advice_of(conclude(all));
    CHECK_THAT(advice, Catch::Contains("port = 587") && Catch::Contains("over IPv4 only") &&
                           !Catch::Contains("have none of them"));
}

TEST_CASE("what both families' filters need is said once", "[diagnose]") {
    const Report report = conclude(closed("rejected", "dropped"));
    CHECK_THAT(report.verdict.summary, Catch::Contains("closed in two ways"));
    const std::string advice = advice_of(report);
    CHECK_THAT(advice, Catch::Contains("(over IPv4)") && Catch::Contains("(over IPv6)"));
    const std::size_t first = advice.find("Look in the router or firewall");
    REQUIRE(first != advice.npos);
    CHECK(advice.find("Look in the router or firewall", first + 1) == advice.npos);
}

TEST_CASE("a cloud that never opens one family is told of, though the other one is open",
          "[diagnose]") {
    Observations all = closed("dropped", "genuine");
    all.host.cloud = seen::cloud("gcp");
    REQUIRE(all.host.cloud != nullptr);
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::ok_direct);
    CHECK_THAT(advice_of(report), Catch::Contains("never lifts this block (over IPv4)"));
}
