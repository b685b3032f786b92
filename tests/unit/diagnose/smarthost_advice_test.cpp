#include <algorithm>
#include <string>

#include "diagnose/other_ports.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// What is advised about a smarthost, and what a report says of its own evidence.

using namespace diagnose;
using seen::advice_of;
using seen::smarthost_on_587;
using seen::spoken_port;
using seen::status_of;

TEST_CASE("another port of a smarthost is offered once a mail server spoke there", "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "open");
    const std::string untried = advice_of(conclude(all));
    CHECK_THAT(untried, !Catch::Contains("port = "));
    CHECK_THAT(untried, Catch::Contains("Port 465 of smtp.example.com takes connections"));

    all.other_ports = {{spoken_port(465, false)}};
    const std::string useless = advice_of(conclude(all));
    CHECK_THAT(useless, !Catch::Contains("port = "));
    CHECK_THAT(useless, Catch::Contains("Port 465 of smtp.example.com is open, but of no use: it "
                                        "offers no STARTTLS."));

    all.other_ports = {{spoken_port(2525), spoken_port(465, false)}};
    const Report report = conclude(all);
    CHECK_THAT(advice_of(report), Catch::Contains("port = 2525"));
    CHECK(status_of(report, "smarthost-ports") == CheckStatus::warn);
}

TEST_CASE("a port speaks when it greets, answers EHLO and shows a good certificate", "[diagnose]") {
    struct Case {
        std::string name, words;
        int banner, ehlo;
        bool silent, offered, encrypted;
        std::string problem;
    };
    const Case c = GENERATE(values<Case>({
        {"speaks", "TLSv1.3, certificate verified", 220, 250, false, true, true, ""},
        {"silent", "nothing greets there", 0, 0, true, false, false, ""},
        {"noise", "what answers there is no mail server", 0, 0, false, false, false, ""},
        {"implicit TLS fails", "TLS fails: expired", 0, 0, true, false, false, "expired"},
        {"refuses", "it turns this host away: \"554\"", 554, 0, false, false, false, ""},
        {"EHLO is refused", "it does not answer EHLO as a mail server does", 220, 502, false, false,
         false, ""},
        {"no STARTTLS", "it offers no STARTTLS", 220, 250, false, false, false, ""},
        {"STARTTLS is refused", "STARTTLS is offered and then refused", 220, 250, false, true,
         false, ""},
        {"a certificate's fault", "TLS fails: expired", 220, 250, false, true, true, "expired"},
    }));
    CAPTURE(c.name);
    Greeting greeting;
    greeting.banner.code = c.banner;
    greeting.ehlo.code = c.ehlo;
    greeting.silent = c.silent;
    greeting.starttls_offered = c.offered;
    if (c.encrypted) greeting.certificate.version = "TLSv1.3";
    greeting.certificate.problem = c.problem;
    const OtherPort port = judge_other_port(587, greeting);
    CHECK(port.speaks == (c.name == "speaks"));
    CHECK_THAT(port.words, Catch::Contains(c.words));
}

TEST_CASE("a smarthost whose test was cut short is not claimed to be unreachable", "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "open");
    all.smarthosts.front().unfinished = true;
    all.smarthosts.front().given = std::chrono::seconds{2};
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::inconclusive);
    CHECK(report.verdict.confidence == Confidence::unclear);
    CHECK_THAT(report.verdict.summary, Catch::Contains("was not finished in 2 s"));
    CHECK(report.cause.kind == CauseKind::unknown);
    CHECK(report.smarthosts.front().code == VerdictCode::inconclusive);
    CHECK(status_of(report, "smarthost") == CheckStatus::skip);
    CHECK_THAT(advice_of(report), Catch::Contains("--timeout 60s"));
}

TEST_CASE("a known provider's wants are told where it refused", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::auth, 535, "Username and Password not accepted");
    all.smarthosts.front().host = "smtp.gmail.com";
    const std::string advice = advice_of(conclude(all));
    CHECK_THAT(advice, Catch::Contains("app password"));
    CHECK_THAT(advice, Catch::Contains("ended in 2025"));
}

TEST_CASE("what the catalogue knows of a provider is told when it does not work", "[diagnose]") {
    struct Case {
        const char* host;
        smtp::Stage stage;
        const char* words;
    };
    const Case c = GENERATE(values<Case>({
        {"smtp-mail.outlook.com", smtp::Stage::auth, "It takes OAuth2 and no password"},
        {"smtp-mail.outlook.com", smtp::Stage::auth, "https://outlook.office.com/SMTP.Send"},
        {"smtp.office365.com", smtp::Stage::auth, "In place of a password it takes OAuth2"},
        {"smtp.gmail.com", smtp::Stage::auth, "auth = \"xoauth2\""},
        {"smtp.office365.com", smtp::Stage::greeting, "It has no port 465"},
        {"smtp-relay.gmail.com", smtp::Stage::ehlo, "minds the EHLO name"},
    }));
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, c.stage, 535, "no");
    all.smarthosts.front().host = c.host;
    CAPTURE(c.host);
    CHECK_THAT(advice_of(conclude(all)), Catch::Contains(c.words));
}

TEST_CASE("a port set to the wrong kind of TLS is the configuration's fault", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::greeting, 0, "", "it said nothing");
    all.smarthosts.front().implicit_seen = true;
    CHECK(conclude(all).cause.kind == CauseKind::config);
}

TEST_CASE("words about clear text alone blame nobody's configuration", "[diagnose]") {
    const bool plain = GENERATE(true, false);
    CAPTURE(plain);
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::tls, 0, "",
                        "the peer sent more in clear text after agreeing to start TLS, which is an "
                        "attack or a broken proxy: \"250 OK\"");
    all.smarthosts.front().plain_seen = plain;
    const Report report = conclude(all);
    CHECK((report.cause.kind == CauseKind::config) == plain);
    CHECK((advice_of(report).find("set tls = \"starttls\"") != std::string::npos) == plain);
}

TEST_CASE("a block for a configured smarthost leaves its sign-in alone", "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "open");
    all.smarthosts.front().sender = "app@example.com";
    all.other_ports = {{spoken_port(465)}};
    const std::string advice = advice_of(conclude(all));
    CHECK_THAT(advice, Catch::Contains("port = 465"));
    CHECK_THAT(advice, !Catch::Contains("username = ") && !Catch::Contains("password_file = "));
}

TEST_CASE("a greeting that is missing is told as what it was", "[diagnose]") {
    struct Case {
        bool said_nothing, implicit_seen;
        std::string tls, words;
    };
    const Case c = GENERATE(values<Case>({
        {true, false, "", "takes connections, but nobody greets"},
        {true, true, "", "wants implicit TLS"},
        {true, false, "TLSv1.3", "takes TLS, but nobody greets inside it"},
        {false, false, "", "does not greet as a mail server"},
        {false, false, "TLSv1.3", "does not greet as a mail server"},
    }));
    CAPTURE(c.words);
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::greeting, 0, "", "it ended");
    all.smarthosts.front().said_nothing = c.said_nothing;
    all.smarthosts.front().implicit_seen = c.implicit_seen;
    all.smarthosts.front().tls = c.tls;
    CHECK_THAT(conclude(all).verdict.summary, Catch::Contains(c.words));
}

TEST_CASE("where nothing is known of port 25 nor of a smarthost, both are told", "[diagnose]") {
    Observations all;
    all.route_v4 = true;
    seen::add_smarthost(all, smtp::Stage::connect, 0, "", "no connection");
    all.smarthosts.front().unfinished = true;
    all.smarthosts.push_back(all.smarthosts.front());
    all.smarthosts.back().name = "second.example.com";
    const Report report = conclude(all);
    REQUIRE(report.direct.code == VerdictCode::inconclusive);
    CHECK(report.verdict.code == VerdictCode::inconclusive);
    CHECK_THAT(report.verdict.summary,
               Catch::Contains("whether port 25 is open") &&
                   Catch::Contains("Whether the smarthost smtp.example.com"));
    REQUIRE(report.findings.size() == 1);
    CHECK_THAT(report.findings.front().summary, Catch::Contains("smarthost second.example.com"));
}

TEST_CASE("what closes a smarthost's port is told where the headline is about port 25",
          "[diagnose]") {
    const std::string control = GENERATE("dropped", "open");
    Observations all = smarthost_on_587("dropped", control);
    for (PortEvidence& item : all.ports) {
        if (item.role == ProbeRole::smarthost || item.port == 443) continue;
        if (item.port == 465) continue;
        item = seen::port(item.role, item.operator_name, item.port, "dropped");
    }
    const Report report = conclude(all);
    const std::string words = "does not answer from here either";
    const bool headline = report.verdict.summary.find(words) != std::string::npos;
    CAPTURE(report.verdict.summary);
    CHECK(headline == (report.verdict.code != report.direct.code));
    CHECK((advice_of(report).find(words) != std::string::npos) != headline);
}

TEST_CASE("a portal and a rule of this host have one order in headline, cause and advice",
          "[diagnose]") {
    Observations all = seen::network("dropped", "dropped", "dropped");
    all.portal = "a sign-in page";
    all.rule_for_all.emplace();
    all.rule_for_all->rule = "drop";
    const Report report = conclude(all);
    REQUIRE(report.verdict.code == VerdictCode::no_network);
    CHECK_THAT(report.verdict.summary, Catch::Contains("a rule of this host"));
    CHECK(report.cause.kind == CauseKind::local_firewall);
    CHECK_THAT(advice_of(report), Catch::Contains("Let connections out of this host"));
    REQUIRE(report.findings.size() == 1);
    CHECK_THAT(report.findings.front().summary, Catch::Contains("captive portal"));
}

TEST_CASE("each public address is shown with its own name", "[diagnose]") {
    HostIdentity identity;
    identity.public_addresses = {"192.0.2.1", "2001:db8::1", "2001:db8::2"};
    identity.ptr = "mail.example.com";
    identity.ptrs = {{"192.0.2.1", "mail.example.com"}, {"2001:db8::1", ""}};
    const Check check = host_check(identity);
    REQUIRE(check.evidence.size() == 3);
    CHECK(check.evidence[0].result == "PTR mail.example.com");
    CHECK(check.evidence[1].result == "no PTR");
    CHECK(check.evidence[2].result == "PTR not known");
}

TEST_CASE("each check says how long it took", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    all.ports.front().lookup = base::Duration{30};
    all.ports.front().took = base::Duration{40};
    all.ports.front().talk = base::Duration{50};
    const Report report = conclude(all);
    const auto took = [&](std::string_view id) {
        for (const Check& check : report.checks) {
            if (check.id == id) return check.took.count();
        }
        return base::Duration::rep{-1};
    };
    CHECK(took("dns") == 30);
    CHECK(took("port-25") == 90);
    CHECK(took("interception") == 50);
}

TEST_CASE("a reset that comes much sooner than any far answer is a near one", "[diagnose]") {
    struct Case {
        int reset, open;
        bool near;
    };
    const Case c =
        GENERATE(values<Case>({{0, 20, true}, {2, 35, true}, {3, 35, false}, {0, 19, false}}));
    Observations all = seen::network("rejected", "open");
    for (PortEvidence& item : all.ports) item.took = base::Duration{item.open() ? c.open : c.reset};
    all.answers.emplace_back();
    const Report report = conclude(all);
    const auto answers = std::find_if(report.checks.begin(), report.checks.end(),
                                      [](const Check& check) { return check.id == "answers"; });
    REQUIRE(answers != report.checks.end());
    CHECK((answers->summary.find("this host or its own network") != std::string::npos) == c.near);
}
