#include "diagnose/domain/recipient.hpp"
#include "diagnose/inbound/facts.hpp"
#include "diagnose/report_words.hpp"
#include "diagnose/smarthost_blame.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// What must not be claimed: evidence that leaves a doubt, and faults that are not the far side's.

using namespace diagnose;
using seen::advice_of;
using seen::finds;

TEST_CASE("mute servers as far away as they should be are slow rather than intercepted",
          "[diagnose]") {
    struct Case {
        int seconds, hops;  // listened for so long; the answer comes over so many routers
        VerdictCode code;
    };
    const Case c = GENERATE(values<Case>({{8, 2, VerdictCode::inconclusive},
                                          {50, 2, VerdictCode::outbound_25_intercepted},
                                          {8, 0, VerdictCode::outbound_25_intercepted}}));
    CAPTURE(c.seconds, c.hops);
    Observations all = seen::network("open", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::direct) continue;
        Greeting greeting;
        greeting.silent = greeting.timed_out = true;
        item.identity = judge_identity(greeting, ProbeTarget{});
        item.greeting = greeting;
        item.talk = std::chrono::seconds{c.seconds};
    }
    AnswerPair pair;
    pair.direct.result = pair.control.result = ConnectResult::open;
    pair.direct.ttl = 64 - c.hops;
    pair.control.ttl = 62;
    all.answers = {pair};
    const Report report = conclude(all);
    CHECK(report.verdict.code == c.code);
    if (c.code == VerdictCode::inconclusive) {
        CHECK_THAT(advice_of(report), Catch::Contains("--timeout 60s"));
    }
    if (c.hops == 2) CHECK_FALSE(report.cause.hop.has_value());
}

TEST_CASE("a recipient's server that is mute is slow until a quorum shows more", "[diagnose]") {
    RecipientAttempt attempt;
    attempt.host = "mx.partner.example";
    attempt.connect = ConnectResult::open;
    attempt.stage = "greeting";
    attempt.timed_out = GENERATE(true, false);
    Report report;
    report.recipient = "ada@partner.example";
    report.verdict = judge_attempts({attempt}, report.recipient);
    find_recipient_cause(nullptr, {attempt}, report);
    const bool inconclusive = report.verdict.code == VerdictCode::inconclusive;
    CHECK(inconclusive == attempt.timed_out);
    if (inconclusive) CHECK_THAT(advice_of(report), Catch::Contains("--timeout 60s"));
}

TEST_CASE(
    "a smarthost that was reached fails for its own reasons where public names do not resolve",
    "[diagnose]") {
    const std::string host = GENERATE("smtp.example.com", "127.0.0.1");
    const bool wrong_password = GENERATE(true, false);
    CAPTURE(host, wrong_password);
    Observations all = seen::network("no-name", "no-name", "no-name");
    PortEvidence web = seen::port(ProbeRole::address, "1.1.1.1", 443, "open");
    all.ports.push_back(web);
    seen::add_smarthost(all, smtp::Stage::auth, wrong_password ? 535 : 235,
                        "5.7.8 bad credentials");
    all.smarthosts.front().host = host;
    const Report report = conclude(all);
    CHECK(report.direct.code == VerdictCode::dns_broken);
    CHECK_THAT(report.verdict.summary, !Catch::Contains("do not answer"));
    if (wrong_password) {
        CHECK(report.verdict.code == VerdictCode::smarthost_auth);
        CHECK_THAT(report.fixes.front().title, Catch::Contains("smtp.example.com"));
    } else {
        CHECK(report.verdict.code == VerdictCode::dns_broken);
        CHECK(report.verdict.confidence == Confidence::likely);
    }
}

TEST_CASE("a family without a route is this host's own matter", "[diagnose]") {
    Observations all = seen::smarthost_on_587("unreachable", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::smarthost) continue;
        item.family = net::Family::ipv6;
        item.result = "unreachable";
        item.connect = ConnectResult::no_route;
    }
    all.smarthost_ports[0].ports = {{587, "unreachable"}, {465, "unreachable"}};
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_unreachable);
    CHECK(report.cause.kind == CauseKind::config);
    CHECK(report.cause.name == "no IPv6 route on this host");
    CHECK_THAT(report.verdict.summary, Catch::Contains("has only IPv6 addresses"));
    CHECK_THAT(advice_of(report), Catch::Contains("a smarthost that has IPv4 addresses"));
    CHECK(report.smarthosts.front().ports.empty());
}

TEST_CASE("a recipient's servers without a route of their family are no broken network",
          "[diagnose]") {
    RecipientAttempt attempt;
    attempt.host = "mx.six.example";
    attempt.connect = ConnectResult::no_route;
    attempt.evidence.family = net::Family::ipv6;
    attempt.evidence.address = "2001:db8::1";
    Report report;
    report.verdict = judge_attempts({attempt}, "ada@six.example");
    find_recipient_cause(nullptr, {attempt}, report);
    CHECK_THAT(report.verdict.summary, Catch::Contains("only IPv6 addresses"));
    CHECK(report.cause.kind == CauseKind::config);
    CHECK_FALSE(report.fixes.empty());
}

TEST_CASE("handshakes that hang at unrelated operators are a matter of packet sizes",
          "[diagnose]") {
    const bool with_smarthost = GENERATE(false, true);
    CAPTURE(with_smarthost);
    Observations all = seen::network("genuine", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::direct) continue;
        item.greeting = Greeting{};
        item.greeting->starttls.code = 220;
        item.greeting->banner.code = 220;
        item.greeting->certificate.problem = "TLS handshake: timed out after 8 s";
        item.greeting->certificate.timed_out = true;
        item.talk = std::chrono::seconds{8};
    }
    if (with_smarthost) {
        seen::add_smarthost(all, smtp::Stage::tls, 0, "", "TLS handshake: timed out after 12 s");
        all.smarthosts.front().handshake_hung = true;
    }
    const Report report = conclude(all);
    CHECK(report.direct.code == VerdictCode::inconclusive);
    CHECK_THAT(report.verdict.summary, Catch::Contains("large ones do not"));
    CHECK_THAT(report.cause.name, Catch::Contains("MTU"));
    CHECK_THAT(advice_of(report), Catch::Contains("mtu 1400"));
    // One handshake that was made, or a line so slow, proves otherwise.
    for (PortEvidence& item : all.ports) item.took = std::chrono::milliseconds{700};
    CHECK_THAT(conclude(all).cause.name, !Catch::Contains("MTU"));
}

TEST_CASE("a rule of this host that redirects port 25 is no interception by the gateway",
          "[diagnose]") {
    const bool root = GENERATE(false, true);
    CAPTURE(root);
    Observations all = seen::network("open", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role == ProbeRole::direct) item.identity = Identity::foreign;
    }
    Trace::Hop router, server;
    router.asked = server.asked = true;
    router.result = ConnectResult::expired;
    router.icmp = IcmpError{11, 0, "192.0.2.1", false};
    server.result = ConnectResult::open;
    PathTrace path;
    path.direct.port = 25;
    path.direct.hops = {server};
    path.control.port = 443;
    path.control.hops = {router, router, server};
    all.paths = {path};
    all.local.rules_read = root;
    if (root) {
        all.local.rule.emplace();
        all.local.rule->verdict = RuleVerdict::redirect;
        all.local.rule->rule = "tcp dport 25 redirect to :25";
    }
    const Report report = conclude(all);
    CHECK(report.verdict.code ==
          (root ? VerdictCode::local_firewall : VerdictCode::outbound_25_intercepted));
    if (root) {
        CHECK(report.cause.kind == CauseKind::local_firewall);
        CHECK(report.cause.hop == 0);
        CHECK_THAT(report.cause.name, Catch::Contains("redirect to :25"));
        CHECK_THAT(advice_of(report), Catch::Contains("SMTP_REDIRECT"));
    } else {
        CHECK(report.cause.name == "this host or the first router");
        CHECK(report.cause.hop_address.empty());
        CHECK_THAT(advice_of(report), Catch::Contains("sudo relay diagnose"));
    }
}

TEST_CASE("a reply that the catalogue lacks is explained by its code, never by a guess",
          "[diagnose]") {
    struct Case {
        smtp::Stage stage;
        int code;
        std::string enhanced, text, untrue;
    };
    using smtp::Stage;
    const Case c = GENERATE(values<Case>(
        {{Stage::greeting, 421, "4.3.2", "quaint words", "no greeting of a mail server"},
         {Stage::greeting, 554, "5.3.2", "quaint words", "no greeting of a mail server"},
         {Stage::starttls, 500, "5.3.3", "quaint words", "does not offer STARTTLS"},
         {Stage::auth, 550, "5.9.9", "quaint words", "None of the sign-in mechanisms"},
         {Stage::auth, 504, "5.7.4", "quaint words", "None of the sign-in mechanisms"},
         {Stage::rcpt, 550, "5.9.9", "quaint words", "mechanisms"}}));
    CAPTURE(c.code, c.enhanced);
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, c.stage, c.code, c.text);
    all.smarthosts.front().reply.enhanced = c.enhanced;
    const Report report = conclude(all);
    CHECK_FALSE(report.smarthosts.front().explained.empty());
    CHECK_THAT(report.smarthosts.front().explained, !Catch::Contains(c.untrue));
    CHECK_THAT(report.verdict.summary, !Catch::Contains(c.untrue));
}

TEST_CASE("a temporary reply to the sign-in is the server's trouble, not the configuration's",
          "[diagnose]") {
    const int code = GENERATE(421, 454);
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::auth, code, "4.7.0 try again later");
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_auth);
    CHECK(report.verdict.confidence == Confidence::likely);
    CHECK(report.cause.kind == CauseKind::remote);
    CHECK_THAT(report.verdict.summary, Catch::Contains("just now"));
}

TEST_CASE("a host that can judge no certificate blames no server", "[diagnose]") {
    const bool clock = GENERATE(false, true);
    CAPTURE(clock);
    Observations all = seen::network("genuine", "open");
    all.trust_store = clock;
    for (PortEvidence& item : all.ports) {
        if (!clock || item.port != 587) continue;
        item.greeting = Greeting{};
        item.greeting->certificate.version = "TLSv1.3";
        item.greeting->certificate.faults.expired = true;
    }
    seen::add_smarthost(all, smtp::Stage::tls, 0, "",
                        clock ? "the certificate of smtp.example.com expired on 2026-01-01"
                              : "the issuer is not in the system's trust store");
    all.smarthosts.front().certificate.expired = clock;
    all.smarthosts.front().certificate.unknown_issuer = !clock;
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_tls);
    CHECK(report.cause.kind == CauseKind::config);
    CHECK_THAT(report.verdict.summary,
               Catch::Contains(clock ? "clock is wrong" : "no trust store"));
    CHECK_THAT(advice_of(report), Catch::Contains(clock ? "timedatectl" : "ca-certificates"));
    CHECK_THAT(advice_of(report), !Catch::Contains("antivirus"));
}

TEST_CASE("other ports are said to answer only where they do", "[diagnose]") {
    Observations all = seen::network("dropped", "dropped", "dropped");
    all.ports.push_back(seen::port(ProbeRole::smarthost, "smtp.example.com", 587, "open"));
    seen::add_smarthost(all, smtp::Stage::rcpt, 250, "ok");
    const Report report = conclude(all);
    CHECK(report.direct.code == VerdictCode::outbound_25_dropped);
    CHECK_THAT(report.direct.summary, !Catch::Contains("other ports answer"));
    CHECK_THAT(report.verdict.summary, Catch::Contains("nothing but the smarthost answers"));
    CHECK(report.verdict.confidence == Confidence::likely);
}

TEST_CASE("a certificate that nobody looked at is not called verified", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::rcpt, 250, "ok");
    all.smarthosts.front().verified = GENERATE(true, false);
    const bool verified = all.smarthosts.front().verified;
    const Check check = check_of(all.smarthosts.front());
    CHECK_THAT(check.summary, Catch::Contains(verified ? "TLSv1.3 verified" : "not verified"));
    CHECK(check.status == (verified ? CheckStatus::ok : CheckStatus::warn));
}

TEST_CASE("a smarthost at the address of a search page does not exist", "[diagnose]") {
    Observations all = seen::smarthost_on_587("rejected", "open");
    all.search_page = "192.0.2.115";
    for (PortEvidence& item : all.ports) {
        if (item.role == ProbeRole::smarthost) item.address = all.search_page;
    }
    expose_search_page(all);
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_dns);
    CHECK_THAT(advice_of(report), Catch::Contains("search page"));
    CHECK(finds(report, "search page"));
}

TEST_CASE("a private address of a smarthost that does not work is named", "[diagnose]") {
    Observations all = seen::smarthost_on_587("dropped", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role == ProbeRole::smarthost) item.address = "10.1.2.3";
    }
    CHECK(finds(conclude(all), "private address 10.1.2.3"));
}

TEST_CASE("a network that lets out only its web proxy is named", "[diagnose]") {
    Observations all = seen::network("dropped", "dropped", "dropped");
    all.proxy = "proxy.corp.example:3128";
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::no_network);
    CHECK(report.verdict.confidence == Confidence::likely);
    CHECK_THAT(report.verdict.summary, Catch::Contains("web proxy"));
    CHECK_THAT(advice_of(report), Catch::Contains("open port 587"));
}

TEST_CASE("a smarthost that breaks off at EHLO was reached", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::ehlo, 0, "", "the server closed the connection");
    CHECK_THAT(conclude(all).verdict.summary, !Catch::Contains("cannot be reached"));
}

TEST_CASE("a name without an address is no connection", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::dns, 0, "", "smtp.example.com has no address");
    all.smarthosts.front().name_status = net::DnsStatus::no_data;
    CHECK_THAT(conclude(all).smarthosts.front().explained, !Catch::Contains("No connection to"));
}

TEST_CASE("a receiving server that is reached and takes no mail is not fine", "[diagnose]") {
    const std::string banner = GENERATE(std::string{}, std::string{"554 no service"});
    VantagePort port;
    port.port = 25;
    port.result = "open";
    port.banner = banner;
    VantageView view;
    view.address = "203.0.113.5";
    view.ports = {port};
    InboundFacts facts;
    facts.vantage_asked = true;
    facts.vantage = {view};
    const Report report = report_inbound(facts);
    CHECK(report.verdict.code == VerdictCode::inconclusive);
    CHECK_FALSE(report.good);
    CHECK_THAT(report.verdict.summary, Catch::Contains(banner.empty() ? "nothing greets" : banner));
    CHECK_FALSE(report.fixes.empty());
}

TEST_CASE("name servers that know nothing do not say where mail goes", "[diagnose]") {
    InboundFacts facts;
    facts.domain = "example.com";
    facts.mx_status = GENERATE(net::DnsStatus::no_such_name, net::DnsStatus::timeout);
    const bool silent = facts.mx_status == net::DnsStatus::timeout;
    facts.names = silent ? NameTrust::silent : NameTrust::knows_nothing;
    TcpListener listener;
    listener.address = "0.0.0.0";
    listener.port = 25;
    facts.listeners = {listener};
    const Report report = report_inbound(facts);
    CHECK(report.verdict.code == VerdictCode::dns_broken);
    CHECK(report.verdict.inbound);
    CHECK_FALSE(report.fixes.empty());
}

TEST_CASE("one issuer for all operators is worth a word, though this host trusts it",
          "[diagnose]") {
    const bool shared = GENERATE(true, false);
    CAPTURE(shared);
    Observations all = seen::network("genuine", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::direct) continue;
        item.greeting = Greeting{};
        item.greeting->certificate.version = "TLSv1.3";
        item.greeting->certificate.issuer = shared ? "CN=Company root" : item.operator_name;
    }
    CHECK(finds(conclude(all), "CN=Company root") == shared);
}

TEST_CASE("a smarthost is compared over its own family and on its own port", "[diagnose]") {
    struct Case {
        std::string_view name;
        std::uint16_t port;
        net::Family family;
        std::string_view over_ipv4, over_ipv6;  // the operators, on that port
        Blame who;
    };
    constexpr auto v4 = net::Family::ipv4, v6 = net::Family::ipv6;
    const Case c = GENERATE(values<Case>({
        {"it has IPv6 alone, which this network closes", 587, v6, "open", "dropped", Blame::path},
        {"it has IPv6 alone, over which others answer", 587, v6, "open", "open", Blame::far},
        {"it has IPv4 alone, which this network closes", 587, v4, "dropped", "open", Blame::path},
        {"it is asked on 25, which is closed to everybody", 25, v4, "dropped", "dropped",
         Blame::path},
        {"it is asked on 25, where others answer", 25, v4, "genuine", "dropped", Blame::far},
    }));
    CAPTURE(c.name);
    Observations all = seen::network(c.port == 25 ? c.over_ipv4 : "genuine", c.over_ipv4);
    all.route_v6 = true;
    const std::vector<PortEvidence> known = all.ports;
    for (const PortEvidence& item : known) {
        const bool its = item.port == c.port;
        PortEvidence other = seen::port(item.role, item.operator_name, item.port,
                                        its ? c.over_ipv6 : std::string_view{"open"});
        other.family = v6;
        all.ports.push_back(other);
    }
    seen::add_smarthost(all, smtp::Stage::connect, 0, "", "no connection");
    all.smarthosts.front().port = c.port;
    PortEvidence item = seen::port(ProbeRole::smarthost, "smtp.example.com", c.port, "dropped");
    item.family = c.family;
    all.ports.push_back(item);
    const SmarthostBlame blame = blame_for(all, std::size_t{0});
    CHECK(blame.who == c.who);
    if (c.port != 25) {
        CHECK_THAT(blame.words, Catch::Contains(c.family == v6 ? "over IPv6" : "over IPv4"));
    }
}

TEST_CASE("a port that is mute for everybody is not the smarthost's fault", "[diagnose]") {
    const bool others_greet = GENERATE(false, true);
    Observations all = seen::network("genuine", "open");
    for (PortEvidence& item : all.ports) {
        if (item.port != 587 || item.operator_name != "Google") continue;
        item.greeting = Greeting{};
        item.greeting->silent = !others_greet;
        if (others_greet) item.greeting->banner.code = 220;
    }
    seen::add_smarthost(all, smtp::Stage::tls, 0, "", "TLS failed: timed out after 13s");
    all.smarthosts.front().handshake_hung = true;
    const Report report = conclude(all);
    REQUIRE(report.verdict.code == VerdictCode::smarthost_tls);
    CHECK(report.verdict.confidence == Confidence::likely);
    CHECK(report.cause.kind == CauseKind::unknown);
    const SmarthostBlame blame = blame_for(all, std::size_t{0});
    CHECK(blame.who == (others_greet ? Blame::unknown : Blame::path));
}

TEST_CASE("a smarthost that is as mute as all others is not waited for", "[diagnose]") {
    struct Case {
        std::string name;
        int seconds, banner;
        VerdictCode code;
    };
    const Case c = GENERATE(values<Case>({
        {"all are mute", 8, 0, VerdictCode::smarthost_unreachable},
        {"the others greet", 8, 220, VerdictCode::inconclusive},
        {"they were not heard out", 2, 0, VerdictCode::inconclusive},
    }));
    CAPTURE(c.name);
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::greeting, 0, "", "it said nothing");
    SmarthostStages& stages = all.smarthosts.front();
    stages.unfinished = stages.said_nothing = true;
    stages.tls.clear();
    for (PortEvidence& item : all.ports) {
        if (item.port != 587) continue;
        item.greeting.emplace();
        item.greeting->banner.code = c.banner;
        item.talk = std::chrono::seconds{c.seconds};
    }
    all.other_ports = {{seen::spoken_port(465)}};
    expose_mute_ports(all);
    const Report report = conclude(all);
    CHECK(report.verdict.code == c.code);
    const std::string advice = seen::advice_of(report);
    const bool settled = c.code == VerdictCode::smarthost_unreachable;
    CHECK((advice.find("--timeout 60s") == std::string::npos) == settled);
    // The port that works comes first.
    CHECK(advice.find("Use port 465") < advice.find("--timeout 60s"));
    if (!settled) return;
    CHECK(report.verdict.confidence == Confidence::likely);
    CHECK_THAT(report.verdict.summary, Catch::Contains("says nothing either"));
    CHECK(report.cause.kind != CauseKind::remote);
}

TEST_CASE("with --to a smarthost that works is named first", "[diagnose]") {
    Observations all = seen::network("dropped", "open");
    const bool works = GENERATE(true, false);
    CAPTURE(works);
    if (works) {
        seen::add_smarthost(all, smtp::Stage::rcpt, 250, "OK");
    } else {
        seen::add_smarthost(all, smtp::Stage::auth, 535, "no");
    }
    all.direct_path = all.about_direct = true;
    const Report here = conclude(all);
    CHECK(here.verdict.code == VerdictCode::outbound_25_dropped);
    RecipientAttempt silent;
    silent.host = "mx.d.example";
    silent.connect = ConnectResult::dropped;
    silent.stage = "connect";
    silent.evidence.address = "198.51.100.7";
    Report report;
    report.recipient = "a@d.example";
    report.verdict = judge_attempts({silent}, report.recipient);
    find_recipient_cause(&here, {silent}, report);
    take_smarthosts(&here, report);
    offer_smarthosts({"smtp.example.com"}, report);
    CHECK(report.verdict.code == VerdictCode::outbound_25_dropped);
    CHECK(report.smarthosts.size() == 1);
    CHECK(seen::status_of(report, "smarthost") == (works ? CheckStatus::ok : CheckStatus::fail));
    REQUIRE_FALSE(report.fixes.empty());
    CHECK((report.fixes.front().title == "Leave it to the configured smarthost smtp.example.com") ==
          works);
    CHECK_THAT(verdict_words(report),
               Catch::Contains(works ? "not directly, but through the smarthost" : ": no."));
}
