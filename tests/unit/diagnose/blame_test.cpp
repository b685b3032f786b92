#include <string>

#include "diagnose/domain/recipient.hpp"
#include "diagnose/report_words.hpp"
#include "diagnose/smarthost_blame.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// Who is blamed, and what is advised, for evidence that several could have caused.

using namespace diagnose;
using seen::advice_of;
using seen::rule_of;
using seen::smarthost_on_587;
using seen::spoken_port;
using seen::status_of;

namespace {

bool finds(const Report& report, std::string_view words) {
    for (const Finding& finding : report.findings) {
        if (finding.summary.find(words) != std::string::npos) return true;
    }
    return false;
}

// All operators greet; `change` makes the certificate of each.
template <class Change>
Observations with_certificates(Change change) {
    Observations all = seen::network("genuine", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::direct) continue;
        Greeting greeting;
        greeting.raw = "220 genuine";
        greeting.ehlo.code = 250;
        greeting.starttls_offered = true;
        greeting.certificate.version = "TLSv1.3";
        greeting.certificate.issuer = "CN=Issuer of " + item.operator_name;
        change(greeting.certificate);
        ProbeTarget expected;
        expected.banner = "genuine";
        expected.starttls = true;
        item.identity = judge_identity(greeting, expected);
        item.genuine = item.identity == Identity::genuine;
        item.greeting = greeting;
    }
    if (all.trust_store) judge_issuers(all.ports);
    return all;
}

Trace::Hop router(const std::string& from) {
    Trace::Hop hop;
    hop.asked = true;
    hop.result = ConnectResult::expired;
    hop.icmp = IcmpError{11, 0, from, false};
    return hop;
}

Trace::Hop answer(ConnectResult result) {
    Trace::Hop hop;
    hop.asked = true;
    hop.result = result;
    return hop;
}

// Port 25 is reset at this TTL; the control port goes through the gateway to the host at TTL 3.
PathTrace reset_at(int ttl, const std::string& gateway) {
    PathTrace path;
    path.target = "mx.Google.example";
    path.direct.port = 25;
    path.control.port = 443;
    path.control.hops = {router(gateway), router("203.0.113.9"), answer(ConnectResult::open)};
    for (int hop = 1; hop < ttl; ++hop) path.direct.hops.push_back(router(gateway));
    path.direct.hops.push_back(answer(ConnectResult::refused));
    return path;
}

// Port 25 is silent beyond the gateway.
PathTrace silent_behind(const std::string& gateway) {
    PathTrace path = reset_at(1, gateway);
    path.direct.hops = {router(gateway), answer(ConnectResult::dropped),
                        answer(ConnectResult::dropped)};
    return path;
}

}  // namespace

TEST_CASE("only another's certificate makes an interception", "[diagnose]") {
    const auto code = [](auto change) { return conclude(with_certificates(change)).verdict.code; };
    CHECK(code([](CertificateView&) {}) == VerdictCode::ok_direct);
    CHECK(code([](CertificateView& shown) {
              shown.faults.unknown_issuer = true;
              shown.problem = "its issuer is not in the system's trust store";
          }) == VerdictCode::ok_direct);
    CHECK(code([](CertificateView& shown) { shown.faults.expired = true; }) ==
          VerdictCode::ok_direct);
    CHECK(code([](CertificateView& shown) { shown.faults.wrong_name = true; }) ==
          VerdictCode::outbound_25_intercepted);
    CHECK(code([](CertificateView& shown) {
              shown.faults.unknown_issuer = true;
              shown.issuer = "CN=Inspection authority";
          }) == VerdictCode::outbound_25_intercepted);
}

TEST_CASE("without a trust store no issuer is judged, and the report says what to install",
          "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    all.trust_store = false;
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::ok_direct);
    CHECK(finds(report, "ca-certificates"));
}

TEST_CASE("clocks are looked at when unrelated certificates are out of date", "[diagnose]") {
    const Report report =
        conclude(with_certificates([](CertificateView& shown) { shown.faults.expired = true; }));
    CHECK(finds(report, "timedatectl"));
}

TEST_CASE("a reset by the first router is no rule of this host", "[diagnose]") {
    const int ttl = GENERATE(1, 2);
    const bool root = GENERATE(false, true);
    CAPTURE(ttl, root);
    Observations all = seen::network("rejected", "open");
    all.paths = {reset_at(ttl, "203.0.113.1")};
    all.local.rules_read = root;
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::outbound_25_rejected);
    CHECK(report.cause.kind == (ttl == 1 && !root ? CauseKind::unknown : CauseKind::gateway));
    CHECK_THAT(where_words(report), !Catch::Contains("never leave"));
    const bool hints = advice_of(report).find("sudo relay diagnose") != std::string::npos;
    CHECK(hints == (ttl == 1 && !root));
    all.local.rule = rule_of("tcp dport 25 reject with tcp reset");
    CHECK(conclude(all).verdict.code == VerdictCode::local_firewall);
}

TEST_CASE("a near box that names itself goes before a cloud's table", "[diagnose]") {
    Observations all = seen::network("rejected", "open");
    all.host.cloud = seen::cloud("aws-ec2");
    all.paths = {reset_at(2, "192.168.7.1")};
    const Report rejected = conclude(all);
    CHECK(rejected.cause.kind == CauseKind::gateway);
    CHECK(finds(rejected, "blocks outbound port 25 by default as well"));

    all = seen::network("dropped", "open");
    all.host.cloud = seen::cloud("aws-ec2");
    all.paths = {silent_behind("192.168.7.1")};
    CHECK(conclude(all).cause.kind == CauseKind::gateway);
    all.paths = {silent_behind("203.0.113.1")};
    CHECK(conclude(all).cause.kind == CauseKind::cloud);
    for (PortEvidence& item : all.ports) {
        if (item.port == 465) item = seen::port(item.role, item.operator_name, 465, "dropped");
    }
    CHECK(finds(conclude(all), "is known to leave open 465"));
}

TEST_CASE("one closed family is in the headline, with cause and fix", "[diagnose]") {
    struct Case {
        std::string_view result;
        VerdictCode code;
        std::string_view headline, advice;
    };
    const Case c = GENERATE(values<Case>({
        {"dropped", VerdictCode::outbound_25_dropped, "over IPv4 only", "(over IPv6)"},
        {"rejected", VerdictCode::outbound_25_rejected, "connections are refused", "(over IPv6)"},
        {"open", VerdictCode::outbound_25_intercepted, "answers in the mail", "Do not trust"},
        {"refusing", VerdictCode::reputation, "refuse this host's address", "Set a PTR name"},
    }));
    CAPTURE(c.result);
    Observations all = seen::network("genuine", "open");
    all.route_v6 = true;
    for (const std::string_view name : seen::operators) {
        PortEvidence item = seen::port(ProbeRole::direct, name, 25, c.result);
        item.family = net::Family::ipv6;
        if (c.result == "open") item.identity = Identity::foreign;
        all.ports.push_back(item);
        item = seen::port(ProbeRole::control, name, 587, "open");
        item.family = net::Family::ipv6;
        all.ports.push_back(item);
    }
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::ok_direct);
    CHECK(report.direct.ipv6 == c.code);
    CHECK_THAT(report.verdict.summary, Catch::Contains(std::string{c.headline}));
    CHECK_THAT(advice_of(report), Catch::Contains(std::string{c.advice}));
    CHECK(status_of(report, "port-25") == CheckStatus::warn);
}

TEST_CASE("four silent operators of five leave a doubt", "[diagnose]") {
    Observations all = seen::network("dropped", "open");
    all.ports.front() = seen::port(ProbeRole::direct, seen::operators.front(), 25, "genuine");
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::ok_direct);
    CHECK(report.verdict.confidence == Confidence::likely);
}

TEST_CASE("a smarthost's closed port is compared with the operators'", "[diagnose]") {
    const Report far = conclude(smarthost_on_587("dropped", "open"));
    CHECK(far.verdict.code == VerdictCode::smarthost_unreachable);
    CHECK(far.verdict.confidence == Confidence::likely);
    CHECK(far.cause.kind == CauseKind::remote);

    Observations all = smarthost_on_587("dropped", "open");
    for (PortEvidence& item : all.ports) {
        const bool other = item.role == ProbeRole::control && item.port == 587;
        if (other) item = seen::port(item.role, item.operator_name, 587, "dropped");
    }
    all.other_ports = {{spoken_port(465)}};
    const Report path = conclude(all);
    CHECK(path.cause.kind == CauseKind::unknown);
    CHECK_THAT(path.verdict.summary, Catch::Contains("this network closes it"));
    CHECK_THAT(advice_of(path), Catch::Contains("port = 465"));

    all.smarthost_signs.front().rule = rule_of("tcp dport 587 drop");
    const Report here = conclude(all);
    CHECK(here.cause.kind == CauseKind::local_firewall);
    CHECK(here.verdict.confidence == Confidence::certain);
    CHECK_THAT(advice_of(here), Catch::Contains("nft delete rule inet filter output handle 7"));
    CHECK(status_of(here, "local-firewall") == CheckStatus::fail);
}

TEST_CASE("a provider's name that leads into a private network is odd", "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "open");
    CHECK_FALSE(finds(conclude(all), "private address"));
    all.smarthosts.front().provider = "gmail";
    for (PortEvidence& item : all.ports) {
        if (item.role == ProbeRole::smarthost) item.address = "192.168.1.9";
    }
    CHECK(finds(conclude(all), "private address 192.168.1.9"));
}

TEST_CASE("STARTTLS that no operator offers is removed on the path", "[diagnose]") {
    const bool offered = GENERATE(false, true);
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::starttls, 0, "", "STARTTLS is not offered");
    for (PortEvidence& item : all.ports) {
        if (item.role != ProbeRole::control || item.port != 587) continue;
        item.greeting.emplace();
        item.greeting->ehlo.code = 250;
        item.greeting->starttls_offered = offered;
    }
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_no_starttls);
    CHECK(report.cause.kind == (offered ? CauseKind::remote : CauseKind::unknown));
}

TEST_CASE("a certificate's fault is mended by no other port", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(
        all, smtp::Stage::tls, 0, "",
        "TLS with smtp.example.com:587 failed: the certificate expired on 2026-01-01");
    all.smarthosts.front().certificate.expired = true;
    all.smarthost_ports = {
        {"smtp.example.com", "smtp.example.com", {{587, "open"}, {465, "open"}}}};
    const std::string advice = advice_of(conclude(all));
    CHECK_THAT(advice, !Catch::Contains("port ="));
    CHECK_THAT(advice, Catch::Contains("timedatectl"));
    CHECK_THAT(advice, Catch::Contains("renew"));
}

TEST_CASE("the block that is shown is the failed smarthost's own", "[diagnose]") {
    Observations all = smarthost_on_587("dropped", "open");
    SmarthostStages first = all.smarthosts.front();
    first.name = first.host = "first.example.com";
    first.ok = true;
    all.smarthosts.insert(all.smarthosts.begin(), first);
    all.smarthost_ports.insert(all.smarthost_ports.begin(), SmarthostPorts{});
    all.smarthost_signs.resize(2);
    all.other_ports = {{}, {spoken_port(465)}};
    const std::string advice = advice_of(conclude(all));
    CHECK_THAT(advice, Catch::Contains("host = \"smtp.example.com\""));
    CHECK_THAT(advice, !Catch::Contains("host = \"first.example.com\""));
}

TEST_CASE("only a block that can be written is offered to be", "[diagnose]") {
    const std::string advice = advice_of(conclude(seen::network("dropped", "open")));
    CHECK_THAT(advice, Catch::Contains("[smarthost]"));
    CHECK_THAT(advice, !Catch::Contains("--write"));
}

TEST_CASE("a sender that was not tested leaves a warning", "[diagnose]") {
    struct Case {
        bool asked, refused, guessed;
        std::string_view sender;
        CheckStatus status;
    };
    const Case c = GENERATE(values<Case>({
        {true, false, false, "tested", CheckStatus::ok},
        {true, false, true, "guessed", CheckStatus::ok},
        {true, true, true, "guess-refused", CheckStatus::warn},
        {false, false, false, "not-tested", CheckStatus::warn},
    }));
    Observations all = seen::network("dropped", "open");
    seen::add_smarthost(all, smtp::Stage::rcpt, 250, "OK");
    SmarthostStages& stages = all.smarthosts.front();
    stages.sender_asked = c.asked;
    stages.sender_refused = c.refused;
    stages.sender_guessed = c.guessed;
    const Report report = conclude(all);
    CHECK(report.smarthosts.front().code == VerdictCode::ok_smarthost);
    CHECK(report.smarthosts.front().sender == c.sender);
    CHECK(status_of(report, "smarthost") == c.status);
    CHECK(finds(report, "--from ADDRESS") == (c.status == CheckStatus::warn));
}

TEST_CASE("a limit that is reached is not the sender's fault", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::mail, 550, "Daily user sending limit exceeded");
    all.smarthosts.front().reply.enhanced = "5.4.5";
    all.smarthosts.front().provider = "gmail";
    const Report report = conclude(all);
    CHECK(report.verdict.code == VerdictCode::smarthost_rejected);
    CHECK_THAT(report.verdict.summary, Catch::Contains("a limit is reached"));
}

TEST_CASE("a server without sign-in was not signed in to", "[diagnose]") {
    Observations all = seen::network("genuine", "open");
    seen::add_smarthost(all, smtp::Stage::auth, 0, "", "no mechanism is offered");
    all.smarthosts.front().auth_offered = false;
    const Report report = conclude(all);
    CHECK_THAT(report.verdict.summary, Catch::Contains("offers no sign-in here"));
    CHECK_THAT(advice_of(report), !Catch::Contains("One sign-in was tried"));
}

TEST_CASE("a rule that stops everything is named as the cause", "[diagnose]") {
    Observations all = seen::network("dns", "dns", "dns");
    all.ports.push_back(seen::port(ProbeRole::address, "192.0.2.99", 443, "dropped"));
    all.rule_for_all = rule_of("drop");
    const Report shut = conclude(all);
    CHECK(shut.verdict.code == VerdictCode::no_network);
    CHECK(shut.cause.kind == CauseKind::local_firewall);
    CHECK(status_of(shut, "network") == CheckStatus::fail);

    all = seen::network("dns", "dns", "dns");
    all.ports.push_back(seen::port(ProbeRole::address, "192.0.2.99", 443, "open"));
    all.rule_for_dns = rule_of("th dport 53 drop");
    const Report mute = conclude(all);
    CHECK(mute.verdict.code == VerdictCode::dns_broken);
    CHECK(mute.cause.kind == CauseKind::local_firewall);
    CHECK_THAT(advice_of(mute), Catch::Contains("th dport 53 drop"));
}

TEST_CASE("an unclear verdict says what is missing", "[diagnose]") {
    Observations all = seen::network("dropped", "dropped");
    const Report report = conclude(all);
    Observations none;
    none.route_v4 = true;
    const std::string advice = advice_of(conclude(none));
    CHECK_THAT(advice, Catch::Contains("What is missing"));
    CHECK_THAT(advice, !Catch::Contains("Longer time-outs"));
}

TEST_CASE("a refusal is quoted and explained, the PBL's first", "[diagnose]") {
    Observations all = seen::network("refusing", "open");
    for (PortEvidence& item : all.ports) {
        if (item.role == ProbeRole::direct) {
            item.banner = "554 5.7.1 Service unavailable; listed at zen.spamhaus.org (PBL)";
        }
    }
    const std::string advice = advice_of(conclude(all));
    CHECK_THAT(advice, Catch::Contains("listed at zen.spamhaus.org (PBL)"));
    CHECK(advice.find("PBL is no accusation") < advice.find("Set a PTR name"));
}

TEST_CASE("what one's own network does to a recipient's servers is not the recipient's fault",
          "[diagnose]") {
    RecipientAttempt silent;
    silent.host = "mx.d.example";
    silent.connect = ConnectResult::dropped;
    silent.stage = "connect";
    silent.evidence.address = "198.51.100.7";
    silent.evidence.family = net::Family::ipv4;
    const auto judged = [&](const Report* here, const RecipientAttempt& attempt) {
        Report report;
        report.cause.name = "d.example";
        report.verdict = judge_attempts({attempt}, "a@d.example");
        report.good = report.verdict.code == VerdictCode::ok_direct;
        find_recipient_cause(here, {attempt}, report);
        return report;
    };
    Observations all = seen::network("dropped", "open");
    all.local.rule = rule_of("tcp dport 25 drop");
    const Report blocked = conclude(all);
    const Report here = judged(&blocked, silent);
    CHECK(here.verdict.code == VerdictCode::local_firewall);
    CHECK(here.cause.kind == CauseKind::local_firewall);
    CHECK_THAT(advice_of(here), Catch::Contains("nft delete rule"));

    const Report open = conclude(seen::network("genuine", "open"));
    CHECK(judged(&open, silent).verdict.code == VerdictCode::outbound_25_dropped);
    CHECK(judged(&open, silent).cause.kind == CauseKind::unknown);
    CHECK(judged(nullptr, silent).cause.kind == CauseKind::unknown);

    RecipientAttempt inside = silent;
    inside.evidence.address = "10.0.0.7";
    CHECK(judged(&open, inside).verdict.code == VerdictCode::recipient_mx);
    CHECK(judged(&open, inside).cause.kind == CauseKind::remote);

    Observations strange = seen::network("open", "open");
    for (PortEvidence& item : strange.ports) {
        if (item.role == ProbeRole::direct) item.identity = Identity::foreign;
    }
    const Report proxy = conclude(strange);
    RecipientAttempt refused = silent;
    refused.connect = ConnectResult::open;
    refused.stage = "rcpt";
    refused.code = 550;
    CHECK(judged(&proxy, refused).verdict.code == VerdictCode::outbound_25_intercepted);
    CHECK(judged(&open, refused).verdict.code == VerdictCode::recipient_mx);
    RecipientAttempt taken = refused;
    taken.accepted = true;
    CHECK(judged(&open, taken).good);
    CHECK_FALSE(judged(&proxy, taken).good);
    CHECK(judged(&proxy, taken).verdict.code == VerdictCode::outbound_25_intercepted);
}

TEST_CASE("mail to one recipient is not all mail", "[diagnose]") {
    Report report;
    report.recipient = "a@d.example";
    report.verdict.code = VerdictCode::recipient_mx;
    report.direct.summary = "d.example takes no mail.";
    CHECK_THAT(verdict_words(report), Catch::Contains("Mail to a@d.example: no."));
    CHECK_THAT(verdict_words(report), !Catch::Contains("Mail leaves this host"));
}

TEST_CASE("a name that nobody answers for is not misspelt", "[diagnose]") {
    const auto report_for = [](net::DnsStatus status) {
        Observations all = seen::network("genuine", "open");
        seen::add_smarthost(all, smtp::Stage::dns, 0, "", "no DNS server answered");
        all.smarthosts.front().name_status = status;
        return conclude(all);
    };
    const Report silent = report_for(net::DnsStatus::timeout);
    CHECK(silent.verdict.code == VerdictCode::smarthost_dns);
    CHECK(silent.verdict.confidence == Confidence::likely);
    CHECK(silent.cause.kind == CauseKind::unknown);
    CHECK_THAT(advice_of(silent), !Catch::Contains("check its spelling"));
    const Report unknown = report_for(net::DnsStatus::no_such_name);
    CHECK(unknown.verdict.confidence == Confidence::certain);
    CHECK(unknown.cause.kind == CauseKind::config);
    CHECK_THAT(advice_of(unknown), Catch::Contains("check its spelling"));
}

TEST_CASE("one family's fault is not called the whole host's", "[diagnose]") {
    const VerdictCode code = GENERATE(VerdictCode::dns_broken, VerdictCode::no_network);
    Observations all = seen::network("genuine", "open");
    for (std::size_t i = 0, count = all.ports.size(); i < count; ++i) {
        PortEvidence item = all.ports[i];
        item.family = net::Family::ipv6;
        item.result = code == VerdictCode::dns_broken ? "dns" : "dropped";
        item.genuine = false;
        item.connect = ConnectResult::dropped;
        all.ports.push_back(item);
    }
    const Report report = conclude(all);
    REQUIRE(report.direct.ipv6 == code);
    CHECK(finds(report, "IPv6: "));
    CHECK_FALSE(finds(report, "of this host do not answer"));
    CHECK_FALSE(finds(report, "this host has no working network"));
}
