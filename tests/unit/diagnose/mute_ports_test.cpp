#include <string>

#include "diagnose/report_words.hpp"
#include "diagnose/smarthost_blame.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// Ports that take connections, and on which no mail server speaks.

using namespace diagnose;
using seen::advice_of;

namespace {

// Connected over IPv6; the operators' 587 is looked at over both families.
Observations mute_587(const Greeting& over_ipv6, const std::optional<Greeting>& over_ipv4) {
    Observations all = seen::network("genuine", "open");
    all.route_v6 = true;
    std::vector<PortEvidence> more;
    for (PortEvidence& item : all.ports) {
        if (item.port != 587) continue;
        more.push_back(seen::over_ipv6(item));
        more.back().greeting = over_ipv6;
        item.greeting = over_ipv4;
    }
    if (!over_ipv4) std::erase_if(all.ports, [](const auto& item) { return item.port == 587; });
    all.ports.insert(all.ports.end(), more.begin(), more.end());
    seen::add_smarthost(all, smtp::Stage::greeting, 0, "", "it said nothing");
    SmarthostStages& stages = all.smarthosts.front();
    stages.said_nothing = true;
    stages.tls.clear();
    Evidence connected;
    connected.target = "connect";
    connected.address = "2001:db8::7";
    connected.result = "ok";
    stages.evidence = {connected};
    return all;
}

Greeting silence() {
    Greeting greeting;
    greeting.silent = greeting.timed_out = true;
    greeting.problem = "timed out";
    return greeting;
}

Greeting hung_up() {
    Greeting greeting;
    greeting.silent = true;
    greeting.problem = "the peer closed the connection";
    return greeting;
}

Greeting web_page() {
    Greeting greeting;
    greeting.raw = "HTTP/1.1 302 Found";
    greeting.problem = "not an SMTP reply";
    return greeting;
}

Greeting mail_server() {
    Greeting greeting;
    greeting.raw = "220 mx.example";
    greeting.banner.code = 220;
    return greeting;
}

std::string headline(const Greeting& over_ipv6, const std::optional<Greeting>& over_ipv4) {
    return conclude(mute_587(over_ipv6, over_ipv4)).verdict.summary;
}

}  // namespace

TEST_CASE("a port that is no mail server's is told as it was seen", "[diagnose]") {
    CHECK_THAT(headline(silence(), silence()),
               Catch::Contains("takes connections and says nothing"));
    CHECK_THAT(headline(hung_up(), hung_up()), Catch::Contains("closes them without a word"));
    CHECK_THAT(headline(web_page(), web_page()),
               Catch::Contains("is answered by what is no mail server"));
}

TEST_CASE("a family is named where the other one is better", "[diagnose]") {
    CHECK_THAT(headline(silence(), silence()),
               Catch::Contains("says nothing either:") && !Catch::Contains("IPv"));
    CHECK_THAT(headline(silence(), std::nullopt),
               Catch::Contains("says nothing either:") && !Catch::Contains("IPv"));
    CHECK_THAT(headline(silence(), mail_server()),
               Catch::Contains("says nothing over IPv6 either, while over IPv4 it greets:"));
}

TEST_CASE("a test that was not finished is told once, with the port that works first",
          "[diagnose]") {
    const bool offered = GENERATE(true, false);
    CAPTURE(offered);
    Observations all = seen::network("dropped", "open");
    seen::add_smarthost(all, smtp::Stage::greeting, 0, "", "it said nothing");
    all.smarthosts.front().unfinished = all.smarthosts.front().said_nothing = true;
    if (offered) all.other_ports = {{seen::spoken_port(465)}};
    const Report report = conclude(all);
    REQUIRE(report.verdict.code == VerdictCode::inconclusive);
    CHECK_THAT(report.verdict.summary, Catch::Contains("had not greeted by then"));
    const std::string advice = advice_of(report);
    CHECK_THAT(advice, !Catch::Contains("had not greeted") &&
                           !Catch::Contains("Longer time-outs") &&
                           Catch::Contains("--timeout 60s"));
    CHECK_THAT(ways_out(report).back().text,
               Catch::Contains("was not finished") && !Catch::Contains("greeted"));
    REQUIRE_FALSE(report.fixes.empty());
    CHECK(report.fixes.front().title.starts_with(offered ? "Use another port"
                                                         : "Test the smarthost"));
}
