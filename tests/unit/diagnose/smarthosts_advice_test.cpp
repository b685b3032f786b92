#include <algorithm>
#include <set>
#include <string>

#include "diagnose/report_words.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// What is advised where there are several smarthosts, or several ways for one.

using namespace diagnose;
using seen::advice_of;
using seen::smarthost_on_587;
using seen::spoken_port;

namespace {

constexpr const char* second = "smtp.second.example";

std::size_t times(const std::string& text, std::string_view words) {
    std::size_t count = 0;
    for (auto at = text.find(words); at != text.npos; at = text.find(words, at + 1)) ++count;
    return count;
}

// Two smarthosts whose port 587 is as silent as that of everybody else.
Observations two_smarthosts() {
    Observations all = smarthost_on_587("dropped", "open");
    std::vector<PortEvidence> more;
    for (PortEvidence& item : all.ports) {
        if (item.port == 587) item = seen::port(item.role, item.operator_name, 587, "dropped");
        if (item.role != ProbeRole::smarthost) continue;
        more.push_back(item);
        more.back().operator_name = second;
    }
    all.ports.insert(all.ports.end(), more.begin(), more.end());
    all.smarthosts.push_back(all.smarthosts.front());
    all.smarthosts.back().name = all.smarthosts.back().host = second;
    all.smarthost_ports.push_back(all.smarthost_ports.front());
    all.smarthost_signs.resize(2);
    return all;
}

}  // namespace

TEST_CASE("another port is a way of its own, before the rule of this host", "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "open");
    all.smarthost_signs.front().rule = seen::rule_of("tcp dport 587 drop");
    all.other_ports = {{spoken_port(465)}};
    const Report report = conclude(all);
    REQUIRE(report.fixes.size() >= 2);
    const Fix &port = report.fixes[0], &rule = report.fixes[1];
    CHECK_THAT(port.title, Catch::Contains("Use another port of the smarthost smtp.example.com"));
    CHECK_THAT(port.config, Catch::Contains("port = 465"));
    CHECK_THAT(rule.title, Catch::Contains("Let port 587 out of this host"));
    CHECK(rule.config.empty());
    CHECK(times(advice_of(report), "nft delete rule") == 1);
    CHECK(times(advice_of(report), "Use port 465") == 1);
}

TEST_CASE("what several smarthosts need is said once", "[diagnose]") {
    Observations all = two_smarthosts();
    SECTION("no port is known") {
        const std::string advice = advice_of(conclude(all));
        CHECK_THAT(advice, Catch::Contains("Have this network let port 587 through, for the "
                                           "smarthosts smtp.example.com, smtp.second.example"));
        CHECK(times(advice, "Have this network") == 1);
    }
    SECTION("one rule of this host") {
        for (LocalSigns& signs : all.smarthost_signs) {
            signs.rule = seen::rule_of("tcp dport 587 drop");
        }
        CHECK(times(advice_of(conclude(all)), "nft delete rule") == 1);
    }
    SECTION("each has another port") {
        all.other_ports = {{spoken_port(465)}, {spoken_port(2525)}};
        const std::string advice = advice_of(conclude(all));
        CHECK(times(advice, "port = 465") == 1);
        CHECK(times(advice, "port = 2525") == 1);
        CHECK(times(advice, "this network closes it") <= 1);
        CHECK(times(advice, "Set this in the section") == 1);
        CHECK(times(advice, "relay check --online") == 1);
    }
    SECTION("one explanation") {
        for (SmarthostStages& stages : all.smarthosts) stages.unfinished = true;
        const std::vector<WayOut> ways = ways_out(conclude(all));
        REQUIRE(ways.size() == 3);
        CHECK(ways[2].explained.empty());
    }
}

TEST_CASE("each check has an id of its own", "[diagnose]") {
    Observations all = two_smarthosts();
    all.other_ports = {{spoken_port(465)}, {spoken_port(465)}};
    std::set<std::string> ids;
    const Report report = conclude(all);
    for (const Check& check : report.checks) ids.insert(check.id);
    CHECK(ids.size() == report.checks.size());
    CHECK(ids.count("smarthost") + ids.count("smarthost-2") == 2);
    CHECK(ids.count("smarthost-ports") + ids.count("smarthost-ports-2") == 2);
}

TEST_CASE("a port that is open over one family only is offered as that", "[diagnose]") {
    Observations all = seen::network("dropped", "dropped");
    all.route_v6 = true;
    for (std::size_t i = 0, count = all.ports.size(); i < count; ++i) {
        PortEvidence item = all.ports[i];
        const bool open = item.port == 443 || item.port == 465;
        item = seen::port(item.role, item.operator_name, item.port, open ? "open" : "dropped");
        item.family = net::Family::ipv6;
        all.ports.push_back(item);
    }
    const std::string advice = advice_of(conclude(all));
    CHECK_THAT(advice, Catch::Contains("smarthost on port 465 over IPv6 only"));
    CHECK_THAT(advice, Catch::Contains("must be a server with an IPv6 address"));
}

TEST_CASE("the only port of a smarthost that works over one family is offered as that",
          "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "open");
    all.route_v6 = true;
    for (const std::uint16_t number : {587, 465}) {
        const char* result = "dropped";
        PortEvidence item = seen::port(ProbeRole::smarthost, "smtp.example.com", number, result);
        item.family = net::Family::ipv6;
        all.ports.push_back(item);
    }
    PortEvidence web = seen::port(ProbeRole::address, "web", 443, "open");
    web.family = net::Family::ipv6;
    all.ports.push_back(web);
    all.other_ports = {{spoken_port(465)}};
    CHECK_THAT(advice_of(conclude(all)), Catch::Contains("Use port 465 (over IPv4 only) of smtp"));
}

TEST_CASE("one rule that stops the ports of two smarthosts is taken out once", "[diagnose]") {
    Observations all = two_smarthosts();
    all.smarthosts.front().configured = {465};
    for (PortEvidence& item : all.ports) {
        const bool its = item.role == ProbeRole::smarthost && item.port == 465;
        if (its) item = seen::port(item.role, item.operator_name, 465, "dropped");
    }
    const bool one = GENERATE(true, false);
    CAPTURE(one);
    all.smarthost_signs[0].rule = seen::rule_of("tcp dport { 465, 587 } drop");
    all.smarthost_signs[1].rule = all.smarthost_signs[0].rule;
    if (!one) {
        all.smarthost_signs[1].rule = seen::rule_of("tcp dport 587 drop");
        all.smarthost_signs[1].rule->remove = "nft delete rule inet filter output handle 8";
    }
    const std::string advice = advice_of(conclude(all));
    CHECK(times(advice, "handle 7") == 1);
    CHECK(times(advice, "Let port") == (one ? 1 : 2));
    if (one) {
        CHECK_THAT(advice, Catch::Contains("Let ports 465 and 587 out of this host, for the "
                                           "smarthosts smtp.example.com, smtp.second.example"));
    } else {
        CHECK_THAT(advice,
                   Catch::Contains("Let port 465 out of this host, for the smarthost smtp.e"));
        CHECK_THAT(advice,
                   Catch::Contains("Let port 587 out of this host, for the smarthost smtp.s"));
    }
}

TEST_CASE("the port that is stopped is named, and where", "[diagnose]") {
    Observations all = smarthost_on_587("rejected", "open");
    for (PortEvidence& item : all.ports) {
        const bool its = item.role == ProbeRole::smarthost && item.port == 587;
        if (its) item.connect = ConnectResult::denied;
    }
    const auto rules = [](const Report& report) {
        for (const Check& check : report.checks) {
            if (check.id == "local-firewall") return check.summary;
        }
        return std::string{};
    };
    CHECK_THAT(rules(conclude(all)), Catch::Contains("own policy stops port 587."));
    all.host.container = "Docker container";
    const Report inside = conclude(all);
    CHECK_THAT(inside.verdict.summary, Catch::Contains("This container itself turns"));
    CHECK_THAT(rules(inside), Catch::Contains("This container's own policy stops port 587."));
    CHECK_THAT(advice_of(inside), Catch::Contains("Let port 587 out of this container"));
    all.smarthost_signs.front().rule = seen::rule_of("tcp dport 587 drop");
    CHECK_THAT(conclude(all).verdict.summary,
               Catch::Contains("A rule of this container stops port 587."));
}

TEST_CASE("a way out names its port once", "[diagnose]") {
    Observations all = seen::network("dropped", "open");
    seen::add_smarthost(all, smtp::Stage::greeting, 0, "", "the peer closed the connection");
    all.smarthosts.front().said_nothing = true;
    all.smarthosts.front().tls.clear();
    const std::string text = ways_out(conclude(all)).back().text;
    CHECK(times(text, "587") == 1);
    CHECK_THAT(text, Catch::Contains("port 587: it takes connections, but nobody greets"));
}

TEST_CASE("an address as host is the configuration's fault, and the name is offered",
          "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::tls, 0, "",
                        "TLS with 192.0.2.7:587 failed: the certificate is not for 192.0.2.7 but "
                        "for smtp.example.com, mail.example.com");
    SmarthostStages& stages = all.smarthosts.front();
    stages.name = stages.host = "192.0.2.7";
    stages.certificate.wrong_name = true;
    stages.certificate.made_for = "smtp.example.com";
    const Report report = conclude(all);
    CHECK(report.cause.kind == CauseKind::config);
    CHECK_THAT(report.verdict.summary,
               Catch::Contains("the certificate there is for smtp.example"));
    REQUIRE_FALSE(report.fixes.empty());
    CHECK_THAT(advice_of(report),
               Catch::Contains("host = \"smtp.example.com\" in its section, if that is a name of "
                               "your provider's"));
    // Whoever is in between may show a good certificate of his own: --write must not obey it.
    CHECK(report.fixes.front().config.empty());

    // Of a name that is wrong, another server may be at fault; a wildcard is no host.
    stages.name = stages.host = "smtp.other.example";
    CHECK(conclude(all).cause.kind == CauseKind::remote);
    stages.name = stages.host = "192.0.2.7";
    stages.certificate.made_for = "*.example.com";
    CHECK(conclude(all).cause.kind == CauseKind::remote);
}

TEST_CASE("what the headline is about is mended first", "[diagnose]") {
    Observations all = two_smarthosts();
    for (PortEvidence& item : all.ports) {
        if (item.role == ProbeRole::control && item.port == 587) {
            item = seen::port(item.role, item.operator_name, 587, "open");
        }
    }
    all.smarthost_signs.back().rule = seen::rule_of("tcp dport 587 drop");
    all.other_ports = {{}, {spoken_port(465)}};
    const Report report = conclude(all);
    CHECK_THAT(report.verdict.summary, Catch::Contains("smtp.example.com"));
    CHECK_THAT(report.fixes.front().title, Catch::Contains("smtp.example.com"));
    CHECK_THAT(advice_of(report), Catch::Contains("Or take another smarthost: port 587 of other "
                                                  "providers"));
}

TEST_CASE("a port of both families is offered before one of a single one", "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "open");
    all.route_v6 = true;
    for (const std::uint16_t number : {587, 465, 2525}) {
        const char* result = number == 2525 ? "open" : "dropped";
        PortEvidence item = seen::port(ProbeRole::smarthost, "smtp.example.com", number, result);
        all.ports.push_back(seen::over_ipv6(item));
    }
    all.ports.push_back(seen::port(ProbeRole::smarthost, "smtp.example.com", 2525, "open"));
    all.ports.push_back(seen::over_ipv6(seen::port(ProbeRole::address, "web", 443, "open")));
    all.other_ports = {{spoken_port(465), spoken_port(2525)}};
    CHECK_THAT(advice_of(conclude(all)), Catch::Contains("port = 2525"));
}

TEST_CASE("a server that rejects the port by itself is named", "[diagnose]") {
    Observations all = smarthost_on_587("rejected", "open");
    for (PortEvidence& item : all.ports) {
        const bool its = item.role == ProbeRole::smarthost && item.port == 587;
        if (its) item.icmp = IcmpError{3, 13, item.address, false};
    }
    const Report report = conclude(all);
    CHECK(report.cause.kind == CauseKind::remote);
    CHECK_THAT(advice_of(report), Catch::Contains("The server itself rejects port 587") &&
                                      !Catch::Contains("home routers"));
}
