#include "diagnose/report_words.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// Whose filter it is: what a trace proves of it, and what it does not.

using namespace diagnose;

namespace {

Trace::Hop hop(ConnectResult result, const std::string& router = "") {
    Trace::Hop made;
    made.asked = true;
    made.result = result;
    if (!router.empty()) made.icmp = IcmpError{11, 0, router, false};
    return made;
}

// Port 443 is answered at hop 3; port 25 as `direct` says.
PathTrace trace(std::vector<Trace::Hop> direct, const std::string& second = "198.51.100.2") {
    PathTrace path;
    path.direct.port = 25;
    path.direct.hops = std::move(direct);
    path.control.port = 443;
    path.control.hops = {hop(ConnectResult::expired, "192.0.2.1"),
                         hop(ConnectResult::expired, second), hop(ConnectResult::open)};
    return path;
}

Observations intercepted_at_hop_two(const std::string& second) {
    Observations all = seen::network("open", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role == ProbeRole::direct) item.identity = Identity::foreign;
    }
    all.paths = {
        trace({hop(ConnectResult::expired, "192.0.2.1"), hop(ConnectResult::open)}, second)};
    return all;
}

}  // namespace

TEST_CASE("a box two hops away is the provider's only where a provider is known", "[diagnose]") {
    struct Case {
        std::string second;
        bool residential;
        CauseKind kind;
    };
    const Case c = GENERATE(values<Case>({{"198.51.100.2", false, CauseKind::unknown},
                                          {"198.51.100.2", true, CauseKind::isp},
                                          {"10.20.0.1", false, CauseKind::gateway},
                                          {"100.64.0.1", false, CauseKind::unknown}}));
    CAPTURE(c.second, c.residential);
    Observations all = intercepted_at_hop_two(c.second);
    all.host.residential = c.residential;
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::outbound_25_intercepted);
    CHECK(report.cause.kind == c.kind);
    CHECK(report.cause.hop == 2);
    const bool both =
        seen::advice_of(report).find("Ask the provider of the line") != std::string::npos;
    CHECK(both == (c.kind == CauseKind::unknown));
}

TEST_CASE("another port's filter is not placed by a trace that ends on this host", "[diagnose]") {
    Observations all = seen::smarthost_on_587("dropped", "dropped");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::direct) continue;
        item.result = "dropped";
        item.genuine = false;
        item.identity = Identity::unknown;
        item.connect = ConnectResult::dropped;
    }
    all.paths = {trace({hop(ConnectResult::dropped), hop(ConnectResult::dropped)})};
    all.local.rule.emplace();
    all.local.rule->rule = "tcp dport 25 drop";
    const Report report = conclude(all);
    REQUIRE(report.direct.code == VerdictCode::local_firewall);
    REQUIRE(report.verdict.code == VerdictCode::smarthost_unreachable);
    CHECK(report.cause.kind == CauseKind::unknown);
    CHECK_FALSE(report.cause.hop.has_value());
    all.host.cloud = seen::cloud("digitalocean");
    REQUIRE(all.host.cloud != nullptr);
    CHECK(conclude(all).cause.kind == CauseKind::cloud);
}

TEST_CASE("a box that rejects by ICMP is told as that", "[diagnose]") {
    Observations all = seen::network("rejected", "open");
    Trace::Hop refusal = hop(ConnectResult::unreachable, "192.0.2.1");
    refusal.icmp = IcmpError{3, 13, "192.0.2.1", false};
    all.paths = {trace({hop(ConnectResult::expired, "192.0.2.1"), refusal})};
    const Report report = conclude(all);
    CHECK(report.cause.kind == CauseKind::gateway);
    CHECK_THAT(where_words(report), Catch::Contains("rejects port 25") &&
                                        Catch::Contains("type 3 code 13") &&
                                        !Catch::Contains("packets end there"));
}

TEST_CASE("a box that resets connections rejects them, whatever else is closed", "[diagnose]") {
    Observations all = seen::network("rejected", "rejected");
    Trace::Hop reset = hop(ConnectResult::refused, "");
    all.paths = {trace({hop(ConnectResult::expired, "192.0.2.1"),
                        hop(ConnectResult::expired, "198.51.100.1"), reset})};
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smtp_hopeless);
    CHECK_THAT(where_words(report), Catch::EndsWith("rejects port 25"));
    CHECK_THAT(seen::advice_of(report), !Catch::Contains("end there or just after"));
}

TEST_CASE("an interception is told as one beside a smarthost's fault", "[diagnose]") {
    Observations all = intercepted_at_hop_two("198.51.100.2");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::control || item.port != 587) continue;
        item.greeting = Greeting{};
        item.greeting->banner.code = 220;
        item.greeting->ehlo.code = 250;
    }
    seen::add_smarthost(all, smtp::Stage::starttls, 0, "",
                        "the server does not offer STARTTLS: either this is the wrong port");
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_no_starttls);
    CHECK_THAT(where_words(report), Catch::Contains("answers in the name of the mail servers"));
    const std::string text = seen::advice_of(report);
    CHECK(text.find("not offer STARTTLS") == text.rfind("not offer STARTTLS"));
}

TEST_CASE("a smarthost that proved itself may have any address", "[diagnose]") {
    struct Case {
        std::string address;
        bool ok, told;
    };
    const Case c = GENERATE(values<Case>({{"64:ff9b:1::6811:705", true, false},
                                          {"64:ff9b:1::6811:705", false, false},
                                          {"fd64:ff9b::6811:705", true, false},
                                          {"10.1.2.3", true, false},
                                          {"10.1.2.3", false, true},
                                          {"64:ff9b::10.1.2.3", false, true}}));
    CAPTURE(c.address, c.ok);
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::auth, c.ok ? 235 : 0, "", c.ok ? "" : "no connection");
    SmarthostStages& stages = all.smarthosts.front();
    stages.provider = "gmail";
    PortEvidence item = seen::port(ProbeRole::smarthost, stages.name, 587, "open");
    item.address = c.address;
    all.ports.push_back(item);
    CHECK(seen::finds(conclude(all), "which its provider does not publish") == c.told);
    // Without a certificate that was checked it proved nothing.
    stages.verified = false;
    const bool private_address = c.address == "10.1.2.3";
    if (private_address) CHECK(seen::finds(conclude(all), "does not publish"));
}
