#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "diagnose/startup_probe.hpp"
#include "tests/support/catch.hpp"

using diagnose::PortEvidence;
using diagnose::ProbeOptions;
using diagnose::ProbeRole;
using diagnose::StartupVerdict;
using diagnose::VerdictCode;
using net::Family;

namespace {

using Evidence = std::vector<PortEvidence>;

PortEvidence item(ProbeRole role, std::string_view name, std::uint16_t port,
                  std::string_view result, Family family = Family::ipv4,
                  std::string_view address = "192.0.2.1") {
    PortEvidence evidence;
    evidence.role = role;
    evidence.operator_name = name;
    evidence.address = address;
    evidence.port = port;
    evidence.family = family;
    evidence.result = result == "genuine" || result == "refusing" ? "open" : result;
    evidence.genuine = result == "genuine" || result == "refusing";
    if (result == "refusing") evidence.identity = diagnose::Identity::refusing;
    if (result == "denied") {
        evidence.result = "rejected";
        evidence.connect = diagnose::ConnectResult::denied;
    }
    return evidence;
}

constexpr std::array<std::string_view, 5> operators{"Google", "Microsoft", "Yahoo", "Apple",
                                                    "Fastmail"};

// The first `count` operators, all with the same results on 25 and on their control port.
Evidence asked(std::size_t count, std::string_view direct, std::string_view control,
               Family family = Family::ipv4) {
    Evidence evidence;
    for (std::size_t i = 0; i < count; ++i) {
        evidence.push_back(item(ProbeRole::direct, operators[i], 25, direct, family));
        if (!control.empty()) {
            evidence.push_back(item(ProbeRole::control, operators[i], 587, control, family));
        }
    }
    return evidence;
}

Evidence operator+(Evidence left, const Evidence& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

Evidence direct(std::string_view name, std::string_view result, Family family = Family::ipv4) {
    return {item(ProbeRole::direct, name, 25, result, family)};
}
Evidence control(std::string_view name, std::string_view result, std::uint16_t port = 587) {
    return {item(ProbeRole::control, name, port, result)};
}
Evidence smarthost(std::string_view result, std::string_view address = "198.51.100.7",
                   std::uint16_t port = 587) {
    return {item(ProbeRole::smarthost, "example", port, result, Family::ipv4, address)};
}
Evidence local(std::string_view result) {
    return {item(ProbeRole::direct, "127.0.0.1:2600", 2600, result, Family::ipv4, "127.0.0.1")};
}

constexpr auto v6 = Family::ipv6;
constexpr VerdictCode ok = VerdictCode::ok_direct;
constexpr VerdictCode dropped = VerdictCode::outbound_25_dropped;
constexpr VerdictCode rejected = VerdictCode::outbound_25_rejected;
constexpr VerdictCode nothing = VerdictCode::no_network;
constexpr VerdictCode dns = VerdictCode::dns_broken;
constexpr VerdictCode intercepted = VerdictCode::outbound_25_intercepted;
constexpr VerdictCode refused = VerdictCode::reputation;
constexpr VerdictCode here = VerdictCode::local_firewall;
constexpr VerdictCode closed = VerdictCode::submission_blocked;
constexpr VerdictCode hopeless = VerdictCode::smtp_hopeless;
constexpr VerdictCode unclear = VerdictCode::inconclusive;

}  // namespace

TEST_CASE("the vote of the start-up probe", "[probe]") {
    struct Case {
        std::string_view name;
        Evidence evidence;
        VerdictCode code;
        std::optional<VerdictCode> ipv4, ipv6;
    };
    const Case c = GENERATE(values<Case>({
        {"one genuine greeting is enough",
         asked(4, "dropped", "open") + direct("Fastmail", "genuine"),
         ok,
         ok,
         {}},
        {"all drop, others answer", asked(5, "dropped", "open"), dropped, dropped, {}},
        {"the quorum of three", asked(3, "dropped", "open"), dropped, dropped, {}},
        {"one below the quorum of answers",
         asked(2, "dropped", "open") + direct("Yahoo", "dns"),
         dropped,
         dropped,
         {}},
        {"only one of five could be asked",
         asked(1, "dropped", "open") + direct("Microsoft", "dns") + direct("Yahoo", "no-name") +
             control("Microsoft", "open"),
         unclear,
         unclear,
         {}},
        {"all refuse", asked(5, "rejected", "open"), rejected, rejected, {}},
        {"routers say unreachable", asked(3, "unreachable", "open"), rejected, rejected, {}},
        {"most refuse",
         asked(2, "rejected", "open") + direct("Yahoo", "dropped"),
         rejected,
         rejected,
         {}},
        {"half refuse: silence is the safer reading",
         asked(1, "rejected", "open") + direct("Yahoo", "dropped") + direct("Apple", "dropped") +
             direct("Microsoft", "rejected") + control("Apple", "open"),
         dropped,
         dropped,
         {}},
        {"one control operator answers of several",
         asked(3, "dropped", "dropped") + control("Google", "open", 465),
         unclear,
         unclear,
         {}},
        {"two control operators answer",
         asked(3, "dropped", "dropped") + control("Google", "open", 465) + control("Yahoo", "open"),
         dropped,
         dropped,
         {}},
        {"only the smarthost answers",
         asked(3, "dropped", "dropped") + smarthost("open"),
         dropped,
         dropped,
         {}},
        {"a smarthost on this host proves nothing",
         asked(3, "dropped", "dropped") + smarthost("open", "127.0.0.1"),
         nothing,
         nothing,
         {}},
        {"nothing answers",
         asked(5, "dropped", "dropped") + smarthost("dropped"),
         nothing,
         nothing,
         {}},
        {"no route at all",
         asked(5, "unreachable", "unreachable") + asked(5, "unreachable", "unreachable", v6),
         nothing,
         {},
         {}},
        {"everything is refused: somebody is there",
         asked(3, "rejected", "rejected"),
         unclear,
         unclear,
         {}},
        {"no name resolves", asked(5, "dns", "dns"), dns, dns, {}},
        {"no name exists: the targets are wrong, not DNS",
         asked(3, "no-name", "no-name"),
         unclear,
         {},
         {}},
        {"some names resolve",
         asked(3, "dropped", "open") + direct("Apple", "dns"),
         dropped,
         dropped,
         {}},
        {"connected, another's greeting", asked(3, "open", "open"), intercepted, intercepted, {}},
        {"one of three shows another's greeting",
         asked(2, "dropped", "open") + direct("Yahoo", "open"),
         unclear,
         unclear,
         {}},
        {"all greet with a refusal", asked(3, "refusing", "open"), refused, refused, {}},
        {"one greets with a refusal, another in full",
         asked(2, "refusing", "open") + direct("Yahoo", "genuine"),
         ok,
         ok,
         {}},
        {"this host denies", asked(3, "denied", "open"), here, here, {}},
        {"submission is closed as well, an alternate port is open",
         asked(3, "dropped", "dropped") + control("smtp.relay.example", "open", 2525) +
             control("mail.relay.example", "open", 2525),
         closed,
         closed,
         {}},
        {"every mail port is closed, 443 is open",
         asked(3, "dropped", "dropped") + control("smtp.relay.example", "open", 443) +
             control("mail.relay.example", "open", 443),
         hopeless,
         hopeless,
         {}},
        {"no IPv6 here",
         asked(3, "dropped", "open") + asked(3, "unreachable", "unreachable", v6),
         dropped,
         dropped,
         {}},
        {"open over IPv6 only", asked(3, "dropped", "open") + asked(3, "genuine", "open", v6), ok,
         dropped, ok},
        {"blocked over IPv6 only", asked(3, "genuine", "open") + asked(3, "dropped", "open", v6),
         ok, ok, dropped},
        {"one operator with IPv6 is no quorum",
         asked(3, "dropped", "open") + asked(1, "dropped", "open", v6), dropped, dropped, unclear},
        {"two of the two with IPv6", asked(3, "dropped", "open") + asked(2, "dropped", "open", v6),
         dropped, dropped, dropped},
        {"IPv4 dead, IPv6 blocked",
         asked(3, "dropped", "dropped") + asked(3, "rejected", "open", v6), rejected, nothing,
         rejected},
        {"one's own target, open", local("genuine"), ok, ok, {}},
        {"465 is left over IPv6 alone",
         asked(3, "dropped", "dropped") + asked(3, "dropped", "dropped", v6) +
             control("Google", "open", 2525) +
             Evidence{item(ProbeRole::control, "Google", 465, "open", v6),
                      item(ProbeRole::control, "Apple", 465, "open", v6)} +
             control("Apple", "open", 2525),
         dropped, closed, dropped},
        {"the web is refused as well",
         asked(3, "rejected", "rejected") + control("Google", "rejected", 443),
         nothing,
         nothing,
         {}},
        {"one's own target, refused, smarthost here answers",
         local("rejected") + smarthost("open", "127.0.0.1"),
         rejected,
         rejected,
         {}},
        {"one's own target, refused, nothing else", local("rejected"), unclear, unclear, {}},
        {"no evidence at all", {}, unclear, {}, {}},
    }));
    CAPTURE(c.name);
    const StartupVerdict verdict = diagnose::judge(c.evidence, ProbeOptions{});
    CAPTURE(verdict.summary);
    CHECK(diagnose::verdict_name(verdict.code) == diagnose::verdict_name(c.code));
    CHECK((verdict.ipv4 == c.ipv4));
    CHECK((verdict.ipv6 == c.ipv6));
    CHECK_FALSE(verdict.summary.empty());
    CHECK(verdict.evidence.size() == c.evidence.size());
}

TEST_CASE("a family that is switched off has no verdict", "[probe]") {
    ProbeOptions options;
    options.ipv6 = false;
    const Evidence evidence = asked(3, "dropped", "open") + asked(3, "genuine", "open", v6);
    CHECK_FALSE(diagnose::judge(evidence, options).ipv6.has_value());
}

TEST_CASE("the summary says what was seen and what relay does", "[probe]") {
    struct Case {
        Evidence evidence;
        std::string_view summary;
    };
    const Case c = GENERATE(values<Case>({
        {asked(4, "dropped", "open"),
         "outbound port 25 is blocked (SYNs dropped; 587 of 4 operators answers): mail goes "
         "through "
         "the smarthost, which is what relay does"},
        {asked(3, "rejected", "dropped") + smarthost("open", "198.51.100.7", 2525),
         "outbound port 25 is blocked (connections refused; 465 and 587 are closed as well, 2525 "
         "of "
         "example answers): mail goes through the smarthost, which is what relay does"},
        {asked(3, "dropped", "open") + smarthost("dropped"),
         "outbound port 25 is blocked (SYNs dropped; 587 of 3 operators answers): mail has to go "
         "through the smarthost, but no port of it answers"},
        {asked(3, "genuine", "open"),
         "outbound port 25 is open (3 operators answered): mail could leave directly; relay "
         "sends it through the smarthost all the same"},
        {asked(3, "dropped", "open") + asked(1, "genuine", "open", v6),
         "outbound port 25 is open over IPv6 only (Google answered): mail could leave directly; "
         "relay sends it through the smarthost all the same"},
        {asked(3, "dropped", "dropped"),
         "nothing connects anywhere (6 connections tried): mail waits in the queue until the "
         "network "
         "is back"},
        {asked(3, "dns", ""),
         "names do not resolve: mail for a smarthost that is found by name waits in the queue; "
         "check the name servers of this host (/etc/resolv.conf)"},
        {asked(3, "open", "open"),
         "outbound port 25 is intercepted: it connects, but what answers is not the server asked "
         "(Google); relay keeps to its smarthost"},
        {asked(2, "dropped", "open") + direct("Yahoo", "open"),
         "outbound port 25 connects, but no greeting is that of the server asked (Yahoo): "
         "something "
         "on the path may intercept mail; relay keeps to its smarthost"},
        {asked(3, "refusing", "open"),
         "outbound port 25 is open, but each of 3 operators turns this address away: mail goes "
         "through the smarthost, which is what relay does"},
        {asked(3, "dropped", "dropped") + control("Google", "open"),
         "port 25 could not be judged (no answer on 25, and only 587 of Google answers): relay "
         "keeps "
         "to its smarthost"},
    }));
    const std::string summary = diagnose::judge(c.evidence, ProbeOptions{}).summary;
    CHECK(summary == c.summary);
}

namespace {

Evidence greeting(std::string_view name, std::string_view banner, bool genuine = true) {
    PortEvidence evidence = item(ProbeRole::direct, name, 25, genuine ? "genuine" : "open");
    evidence.identity = genuine ? diagnose::Identity::genuine : diagnose::Identity::foreign;
    evidence.banner = banner;
    return {evidence};
}

PortEvidence silent(std::string_view name, bool last_left, Family family = Family::ipv4) {
    PortEvidence evidence = item(ProbeRole::direct, name, 25, "dropped", family);
    evidence.retransmissions = 4;
    evidence.last_left = last_left;
    return evidence;
}

}  // namespace

TEST_CASE("one server's greeting for unrelated operators is none of theirs", "[probe]") {
    struct Case {
        std::string_view name;
        Evidence evidence;
        VerdictCode code;
    };
    const Case c = GENERATE(values<Case>({
        {"a filter of the network's own, where only Google's greeting is known",
         greeting("Google", "220 filter.isp.example ESMTP", false) +
             greeting("Apple", "220 filter.isp.example ESMTP") +
             greeting("Fastmail", "220 filter.isp.example ESMTP"),
         intercepted},
        {"it has no name",
         greeting("Google", "220 ready", false) + greeting("Apple", "220 ready") +
             greeting("Fastmail", "220 ready"),
         intercepted},
        {"names of their own",
         greeting("Google", "220 mx.google.com ESMTP gsmtp") +
             greeting("Apple", "220 mx.icloud.com ESMTP") + greeting("Fastmail", "220 mx1.fm"),
         ok},
        {"one operator has changed its greeting",
         greeting("Google", "220 mx.google.com ESMTP new", false) +
             greeting("Apple", "220 mx.icloud.com ESMTP") + greeting("Fastmail", "220 mx1.fm"),
         ok},
        {"one server for one operator over two addresses",
         greeting("Apple", "220 mx.icloud.com ESMTP") +
             greeting("Apple", "220 mx.icloud.com ESMTP"),
         ok},
        {"the same status code in refusals is no name",
         greeting("Apple", "554 5.7.1 Service unavailable") +
             greeting("Fastmail", "554 5.7.1 Service unavailable"),
         ok},
        {"a filter that refuses in its own name",
         greeting("Google", "554 filter.isp.example no") +
             greeting("Apple", "554 filter.isp.example no") +
             greeting("Fastmail", "554 filter.isp.example no"),
         intercepted},
    }));
    CAPTURE(c.name);
    Evidence evidence = c.evidence;
    diagnose::judge_greetings(evidence);
    CHECK(diagnose::judge(evidence, ProbeOptions{}).code == c.code);
}

TEST_CASE("the start-up probe knows silence that is this host's own", "[probe]") {
    struct Case {
        std::string_view name;
        bool left, left_over_ipv6;
        long failed;
        VerdictCode ipv4, ipv6;
    };
    const Case c = GENERATE(values<Case>({
        {"every SYN failed in the kernel", false, false, 24, here, here},
        {"others failed beside them", false, false, 99, here, here},
        {"the kernel counted less", false, false, 23, dropped, dropped},
        {"they left", true, true, 99, dropped, dropped},
        {"those of one family left", false, true, 12, here, dropped},
    }));
    CAPTURE(c.name);
    Evidence evidence;
    for (const std::string_view name : {"Google", "Apple", "Yahoo"}) {
        evidence.push_back(silent(name, c.left));
        evidence.push_back(silent(name, c.left_over_ipv6, v6));
        evidence.push_back(item(ProbeRole::control, name, 587, "open"));
        evidence.push_back(item(ProbeRole::control, name, 587, "open", v6));
    }
    diagnose::judge_silence(evidence, c.failed);
    const StartupVerdict verdict = diagnose::judge(evidence, ProbeOptions{});
    CHECK(verdict.ipv4 == c.ipv4);
    CHECK(verdict.ipv6 == c.ipv6);
}
