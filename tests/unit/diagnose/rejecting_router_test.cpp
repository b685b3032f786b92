#include <algorithm>
#include <string>

#include "diagnose/rejecting_router.hpp"
#include "diagnose/report_words.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// A smarthost's port that a router on the way turns away, and says so.

using namespace diagnose;
using seen::advice_of;
using seen::smarthost_on_587;

namespace {

void reject(PortEvidence& item, const std::string& by) {
    item.result = "rejected";
    item.connect = ConnectResult::prohibited;
    item.icmp = IcmpError{3, 13, by, false};
}

// The smarthost's port 587 is, and that of others is dropped, open, or rejected by the same box.
Observations rejected_by(const std::string& router, std::string_view others) {
    Observations all = smarthost_on_587("rejected", others);
    for (PortEvidence& item : all.ports) {
        const bool its = item.role == ProbeRole::smarthost || others == "rejected";
        if (item.port == 587 && its) reject(item, router);
    }
    return all;
}

// The way to some operator, over these routers, all the way for port 25.
PathTrace path_over(const std::vector<std::string>& routers) {
    PathTrace path;
    path.direct.port = 25;
    path.control.port = 443;
    for (const std::string& router : routers) {
        Trace::Hop hop;
        hop.asked = true;
        hop.result = ConnectResult::expired;
        hop.icmp = IcmpError{11, 0, router, false};
        path.direct.hops.push_back(hop);
    }
    Trace::Hop end;
    end.asked = true;
    end.result = ConnectResult::open;
    path.direct.hops.push_back(end);
    path.control.hops = path.direct.hops;
    return path;
}

}  // namespace

TEST_CASE("a router that rejects the smarthost's port is the cause", "[diagnose]") {
    Observations all = rejected_by("203.0.113.9", "open");
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_unreachable);
    CHECK_THAT(report.verdict.summary,
               Catch::Contains("203.0.113.9 rejects port 587 of this server; that of 5 other "
                               "operators answers from here"));
    CHECK(report.cause.kind == CauseKind::unknown);
    CHECK(report.cause.name == "203.0.113.9");
    CHECK_FALSE(report.cause.hop);
    CHECK_THAT(advice_of(report), Catch::Contains("let port 587 of smtp.example.com through"));
}

TEST_CASE("a router that rejects a port is found on the path", "[diagnose]") {
    Observations all = rejected_by("203.0.113.9", "rejected");
    all.paths.push_back(path_over({"198.51.100.1", "203.0.113.9"}));
    const Report second = conclude(all);
    CHECK(second.cause.hop == 2);
    CHECK(second.cause.kind == CauseKind::unknown);
    CHECK_THAT(where_words(second), Catch::Contains("rejects port 587 (ICMP type 3 code 13"));

    all.paths.front() = path_over({"203.0.113.9"});
    const Report first = conclude(all);
    CHECK(first.cause.hop == 1);
    CHECK(first.cause.kind == CauseKind::gateway);
}

TEST_CASE("a private router that rejects a port is a gateway, and one of a cloud is the cloud's",
          "[diagnose]") {
    CHECK(conclude(rejected_by("10.0.0.1", "open")).cause.kind == CauseKind::gateway);
    Observations all = rejected_by("203.0.113.9", "rejected");
    all.host.cloud = seen::cloud("digitalocean");
    REQUIRE(all.host.cloud != nullptr);
    CHECK(conclude(all).cause.kind == CauseKind::cloud);
    CHECK(conclude(all).cause.hop_address == "203.0.113.9");
}

TEST_CASE("neither the server itself nor a host that is down is a router that rejects",
          "[diagnose]") {
    Observations all = rejected_by("203.0.113.9", "open");
    for (PortEvidence& item : all.ports) {
        if (item.icmp) item.icmp->from = item.address;
    }
    CHECK(conclude(all).cause.kind == CauseKind::remote);
    all = rejected_by("203.0.113.9", "open");
    for (PortEvidence& item : all.ports) {
        if (item.icmp) item.connect = ConnectResult::unreachable;
    }
    CHECK(conclude(all).cause.kind == CauseKind::remote);
}

TEST_CASE("the rejecting router of one family is told for that one", "[diagnose]") {
    Observations all = rejected_by("203.0.113.9", "open");
    PortEvidence silent =
        seen::over_ipv6(seen::port(ProbeRole::smarthost, "smtp.example.com", 587, "dropped"));
    all.ports.push_back(silent);
    all.route_v6 = true;
    const Report report = conclude(all);
    CHECK_THAT(report.verdict.summary, Catch::Contains("of this server over IPv4"));
    CHECK(report.cause.family == net::Family::ipv4);
}

TEST_CASE("a gateway that rejects 25 and 587 is asked for both", "[diagnose]") {
    Observations all = rejected_by("192.168.1.1", "rejected");
    PathTrace path = path_over({"192.168.1.1", "203.0.113.9"});
    path.direct.hops.resize(2);
    path.direct.hops[1].result = ConnectResult::prohibited;
    path.direct.hops[1].icmp = IcmpError{3, 13, "192.168.1.1", false};
    all.paths.push_back(path);
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::direct) continue;
        reject(item, "192.168.1.1");
        item.genuine = false;
        item.identity = Identity::unknown;
    }
    const std::string advice = advice_of(conclude(all));
    CHECK_THAT(advice, Catch::Contains("pass outbound ports 25 and 587"));
    CHECK_THAT(advice, Catch::Contains("names ports 25 and 587"));
}

TEST_CASE("a closed port is told as it was seen, with whom to ask", "[diagnose]") {
    const std::string dropped = conclude(smarthost_on_587("dropped", "dropped")).verdict.summary;
    CHECK_THAT(dropped, Catch::Contains("does not answer from here either"));
    Observations all = smarthost_on_587("rejected", "rejected");
    const Report report = conclude(all);
    CHECK_THAT(report.verdict.summary, Catch::Contains("is rejected from here as well"));
    CHECK_THAT(advice_of(report), Catch::Contains("Ask whoever runs this network") &&
                                      Catch::Contains("to let outbound port 587 through"));
}

TEST_CASE("a cloud that opens its ports for nobody is not asked to", "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "dropped");
    all.host.cloud = seen::cloud("digitalocean");
    CHECK_THAT(
        advice_of(conclude(all)),
        Catch::Contains("closes port 587 by default, and no way to have it opened is known") &&
            !Catch::Contains("Ask DigitalOcean"));
}

TEST_CASE("a port that is open over the other family is of use to another smarthost",
          "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "dropped");
    all.route_v6 = true;
    for (const std::string_view name : seen::operators) {
        all.ports.push_back(seen::over_ipv6(seen::port(ProbeRole::control, name, 587, "open")));
    }
    CHECK_THAT(advice_of(conclude(all)),
               Catch::Contains("a smarthost that has an IPv6 address can be used on it"));
}
