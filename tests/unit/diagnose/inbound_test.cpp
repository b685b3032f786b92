#include <algorithm>
#include <string>
#include <vector>

#include "diagnose/inbound/facts.hpp"
#include "diagnose/inbound/inbound.hpp"
#include "tests/support/catch.hpp"

using diagnose::Check;
using diagnose::CheckStatus;
using diagnose::Confidence;
using diagnose::Fix;
using diagnose::HostAddress;
using diagnose::InboundFacts;
using diagnose::MailExchanger;
using diagnose::Report;
using diagnose::RuleMatch;
using diagnose::RuleVerdict;
using diagnose::TcpListener;
using diagnose::VantagePort;
using diagnose::VantageView;
using diagnose::VerdictCode;

namespace {

TcpListener listener(const std::string& address, const std::string& process = "master") {
    TcpListener made;
    made.address = address;
    made.port = 25;
    made.v6 = address.find(':') != std::string::npos;
    made.process = process;
    made.pid = process.empty() ? 0 : 77;
    return made;
}

MailExchanger exchanger(const std::string& host, std::vector<std::string> addresses) {
    MailExchanger made;
    made.preference = 10;
    made.host = host;
    made.addresses = std::move(addresses);
    if (made.addresses.empty()) made.status = net::DnsStatus::no_such_name;
    return made;
}

VantageView view(const std::string& address, const std::string& result,
                 const std::string& banner = "220 mail.example.com ESMTP") {
    VantageView made;
    made.family = address.find(':') == std::string::npos ? net::Family::ipv4 : net::Family::ipv6;
    made.address = address;
    VantagePort port;
    port.port = 25;
    port.result = result;
    if (result == "open") port.banner = banner;
    made.ports.push_back(port);
    return made;
}

RuleMatch rule(RuleVerdict verdict = RuleVerdict::drop) {
    RuleMatch made;
    made.verdict = verdict;
    made.tool = "nftables";
    made.family = "inet";
    made.table = "filter";
    made.chain = made.base_chain = "input";
    made.hook = "input";
    made.rule = "tcp dport 25 drop";
    made.names_port = true;
    made.remove = "nft delete rule inet filter input handle 9";
    return made;
}

// A host with a public address, Postfix on all addresses, and an MX that is this host.
InboundFacts good_host() {
    InboundFacts facts;
    facts.domain = "example.com";
    facts.hostname = "mail.example.com";
    facts.addresses = {{"85.10.240.5", "eth0"}};
    facts.listeners = {listener("0.0.0.0"), listener("::")};
    facts.exchangers = {exchanger("mail.example.com", {"85.10.240.5"})};
    facts.rules_readable = true;
    facts.rules_note = "nftables";
    return facts;
}

void put_behind_nat(InboundFacts& facts) { facts.addresses = {{"192.168.1.9", "eth0"}}; }

void ask_vantage(InboundFacts& facts, std::vector<VantageView> views) {
    facts.vantage_asked = true;
    facts.vantage = std::move(views);
}

CheckStatus status_of(const Report& report, const std::string& id) {
    for (const Check& check : report.checks) {
        if (check.id == id) return check.status;
    }
    FAIL("no check " << id);
    return CheckStatus::skip;
}

std::string all_steps(const Report& report) {
    std::string text;
    for (const Fix& fix : report.fixes) {
        text += fix.title + "\n";
        for (const std::string& step : fix.steps) text += step + "\n";
    }
    return text;
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the verdict on receiving mail follows from the evidence", "[inbound]") {
    struct Case {
        std::string name;
        void (*change)(InboundFacts&);
        VerdictCode code;
        Confidence confidence;
    };
    using F = InboundFacts;
    const Case c = GENERATE(values<Case>({
        {"nothing wrong, nobody outside asked", [](F&) {}, VerdictCode::inconclusive,
         Confidence::unclear},
        {"open from outside", [](F& f) { ask_vantage(f, {view("85.10.240.5", "open")}); },
         VerdictCode::ok_direct, Confidence::certain},
        {"dropped from outside", [](F& f) { ask_vantage(f, {view("85.10.240.5", "dropped")}); },
         VerdictCode::inbound_firewalled, Confidence::certain},
        {"dropped from outside, and this host's own rules are not known",
         [](F& f) {
             f.rules_readable = false;
             ask_vantage(f, {view("85.10.240.5", "dropped")});
         },
         VerdictCode::inbound_firewalled, Confidence::likely},
        {"another server answers outside",
         [](F& f) {
             f.greeting = diagnose::OwnGreeting{"127.0.0.1", true, "220 mail.example.com ESMTP"};
             ask_vantage(f, {view("85.10.240.5", "open", "220-elsewhere.example ESMTP Exim")});
         },
         VerdictCode::inconclusive, Confidence::likely},
        {"this host's own server answers outside, in several lines",
         [](F& f) {
             f.greeting = diagnose::OwnGreeting{"127.0.0.1", true, "220-mail.example.com ESMTP a"};
             ask_vantage(f, {view("85.10.240.5", "open", "220-mail.example.com ESMTP b")});
         },
         VerdictCode::ok_direct, Confidence::certain},
        {"open over one family only",
         [](F& f) {
             ask_vantage(f, {view("85.10.240.5", "open"), view("2a01:4f8:a0:1::5", "dropped")});
         },
         VerdictCode::ok_direct, Confidence::certain},
        {"the vantage is down",
         [](F& f) {
             VantageView none;
             none.problem = "vantage.example:2580: connection refused";
             ask_vantage(f, {none});
         },
         VerdictCode::inconclusive, Confidence::unclear},
        {"nothing listens", [](F& f) { f.listeners.clear(); }, VerdictCode::inbound_not_listening,
         Confidence::certain},
        {"nothing listens here, but the port is published elsewhere",
         [](F& f) {
             f.listeners.clear();
             ask_vantage(f, {view("85.10.240.5", "open")});
         },
         VerdictCode::ok_direct, Confidence::certain},
        {"nothing listens and it is closed from outside",
         [](F& f) {
             f.listeners.clear();
             ask_vantage(f, {view("85.10.240.5", "rejected")});
         },
         VerdictCode::inbound_not_listening, Confidence::certain},
        {"a rule redirects to a container",
         [](F& f) {
             f.listeners.clear();
             f.stops4 = rule(RuleVerdict::redirect);
         },
         VerdictCode::inconclusive, Confidence::unclear},
        {"loopback only", [](F& f) { f.listeners = {listener("127.0.0.1"), listener("::1")}; },
         VerdictCode::inbound_loopback_only, Confidence::certain},
        {"one address besides loopback is enough",
         [](F& f) { f.listeners = {listener("127.0.0.1"), listener("85.10.240.5")}; },
         VerdictCode::inconclusive, Confidence::unclear},
        {"a local rule", [](F& f) { f.stops4 = rule(); }, VerdictCode::inbound_firewalled,
         Confidence::certain},
        {"a local rule that spares somebody",
         [](F& f) {
             f.stops4 = rule();
             f.stops4->conditions = {"unless ip saddr @friends"};
         },
         VerdictCode::inbound_firewalled, Confidence::likely},
        {"a local rule for the family that this host lacks", [](F& f) { f.stops6 = rule(); },
         VerdictCode::inconclusive, Confidence::unclear},
        {"null MX",
         [](F& f) {
             f.null_mx = true;
             f.exchangers.clear();
         },
         VerdictCode::inbound_mx_elsewhere, Confidence::certain},
        {"no such domain",
         [](F& f) {
             f.exchangers.clear();
             f.mx_status = net::DnsStatus::no_such_name;
         },
         VerdictCode::inbound_mx_elsewhere, Confidence::certain},
        {"an MX that does not exist",
         [](F& f) { f.exchangers = {exchanger("gone.example.com", {})}; },
         VerdictCode::inbound_mx_elsewhere, Confidence::certain},
        {"an MX elsewhere",
         [](F& f) { f.exchangers = {exchanger("mx.other.example", {"104.16.7.1"})}; },
         VerdictCode::inbound_mx_elsewhere, Confidence::likely},
        {"the second MX is this host",
         [](F& f) {
             f.exchangers.insert(f.exchangers.begin(),
                                 exchanger("mx.other.example", {"104.16.7.1"}));
         },
         VerdictCode::inconclusive, Confidence::unclear},
        {"behind a NAT with an unknown outer address the MX may be ours", put_behind_nat,
         VerdictCode::inconclusive, Confidence::unclear},
        {"behind a NAT, the outer address known",
         [](F& f) {
             put_behind_nat(f);
             f.host.public_addresses = {"104.16.7.77"};
         },
         VerdictCode::inbound_mx_elsewhere, Confidence::likely},
        {"behind a NAT, the vantage sees the MX's address open",
         [](F& f) {
             put_behind_nat(f);
             ask_vantage(f, {view("85.10.240.5", "open")});
         },
         VerdictCode::ok_direct, Confidence::certain},
        {"open only over a family that no MX has an address of",
         [](F& f) {
             ask_vantage(f, {view("85.10.240.5", "rejected"), view("2a01:4f8:a0:1::5", "open")});
         },
         VerdictCode::inbound_firewalled, Confidence::certain},
        {"DNS dead is no verdict about the MX",
         [](F& f) {
             f.exchangers.clear();
             f.mx_status = net::DnsStatus::timeout;
             f.mx_problem = "example.com: no answer from DNS in time";
         },
         VerdictCode::inconclusive, Confidence::unclear},
        {"no domain to ask about",
         [](F& f) {
             f.domain.clear();
             f.exchangers.clear();
             ask_vantage(f, {view("85.10.240.5", "open")});
         },
         VerdictCode::ok_direct, Confidence::certain},
    }));
    CAPTURE(c.name);
    InboundFacts facts = good_host();
    c.change(facts);
    const Report report = report_inbound(facts);
    CHECK(verdict_name(report.verdict.code) == verdict_name(c.code));
    CHECK(confidence_name(report.verdict.confidence) == confidence_name(c.confidence));
    CHECK(report.verdict.inbound);
    CHECK_FALSE(report.verdict.summary.empty());
    CHECK(report.good == (c.code == VerdictCode::ok_direct));
    if (report.good) {
        CHECK(report.fixes.empty());
    } else {
        REQUIRE_FALSE(report.fixes.empty());
        // What cannot help is said wherever somebody might try it.
        const bool about_port = c.code != VerdictCode::inbound_mx_elsewhere;
        CHECK(holds(all_steps(report), "465 and 587, and a smarthost") == about_port);
    }
}

TEST_CASE("a check that could not run is no pass", "[inbound]") {
    InboundFacts facts = good_host();
    facts.rules_readable = false;
    facts.rules_note = "the rules of this host's firewall can be read by root only";
    facts.domain.clear();
    facts.exchangers.clear();
    const Report report = report_inbound(facts);
    CHECK(status_of(report, "firewall") == CheckStatus::skip);
    CHECK(status_of(report, "outside") == CheckStatus::skip);
    CHECK(status_of(report, "mx") == CheckStatus::skip);
    CHECK(status_of(report, "greeting") == CheckStatus::skip);
    CHECK(status_of(report, "listening") == CheckStatus::ok);
}

TEST_CASE("the steps are those of this situation", "[inbound]") {
    InboundFacts facts = good_host();
    SECTION("Postfix on loopback") {
        facts.listeners = {listener("127.0.0.1", "master")};
        const std::string steps = all_steps(report_inbound(facts));
        CHECK(holds(steps, "postconf -e 'inet_interfaces = all'"));
        CHECK_FALSE(holds(steps, "exim4"));
    }
    SECTION("a container published on loopback") {
        facts.listeners = {listener("127.0.0.1", "docker-proxy")};
        CHECK(
            holds(all_steps(report_inbound(facts)), "`-p 25:25` instead of `-p 127.0.0.1:25:25`"));
    }
    SECTION("an unknown server on loopback") {
        facts.listeners = {listener("127.0.0.1", "")};
        CHECK(holds(all_steps(report_inbound(facts)), "sudo ss -ltnp"));
    }
    SECTION("in a container") {
        facts.listeners.clear();
        facts.host.container = "Docker container";
        CHECK(holds(all_steps(report_inbound(facts)), "docker run -p 25:25"));
    }
    SECTION("a rule of this host") {
        facts.stops4 = rule();
        const Report report = report_inbound(facts);
        CHECK(report.cause.kind == diagnose::CauseKind::local_firewall);
        CHECK(report.cause.hop == 0);
        CHECK(holds(report.cause.name, "tcp dport 25 drop"));
        CHECK(holds(all_steps(report), "nft delete rule inet filter input handle 9"));
        CHECK(holds(all_steps(report), "/etc/nftables.conf"));
    }
    SECTION("a cloud's security group") {
        diagnose::CloudPolicy cloud;
        cloud.id = "aws-ec2";
        cloud.name = "Amazon EC2";
        facts.host.cloud = &cloud;
        ask_vantage(facts, {view("85.10.240.5", "dropped")});
        const Report report = report_inbound(facts);
        CHECK(report.cause.kind == diagnose::CauseKind::cloud);
        CHECK(holds(all_steps(report), "Security Groups"));
    }
    SECTION("a router at home") {
        put_behind_nat(facts);
        ask_vantage(facts, {view("85.10.240.5", "dropped")});
        const Report report = report_inbound(facts);
        CHECK(report.cause.kind == diagnose::CauseKind::gateway);
        CHECK(holds(all_steps(report), "TCP 25 from outside to 192.168.1.9 port 25"));
    }
    SECTION("carrier NAT") {
        facts.addresses = {{"100.70.1.2", "eth0"}};
        ask_vantage(facts, {view("85.10.240.5", "dropped")});
        CHECK(holds(all_steps(report_inbound(facts)), "public IPv4 address"));
    }
    SECTION("an MX elsewhere") {
        facts.exchangers = {exchanger("mx.other.example", {"104.16.7.1"})};
        const std::string steps = all_steps(report_inbound(facts));
        CHECK(holds(steps, "`example.com. MX 10 mail.example.com.`"));
        CHECK(holds(steps, "`mail.example.com. A 85.10.240.5`"));
    }
    SECTION("nobody outside asked") {
        const std::string steps = all_steps(report_inbound(facts));
        CHECK(holds(steps, "nc -vz -w 10 85.10.240.5 25"));
        CHECK(holds(steps, "openssl s_client -starttls smtp -connect 85.10.240.5:25"));
        CHECK(holds(steps, "relay vantage"));
    }
}

TEST_CASE("a NAT of IPv4 is nothing to mail that comes over IPv6", "[inbound]") {
    InboundFacts facts = good_host();
    facts.addresses = {{"192.168.1.9", "eth0"}, {"2a01:4f8:a0:1::5", "eth0"}};
    facts.exchangers = {exchanger("mail.example.com", {"2a01:4f8:a0:1::5"})};
    CHECK_FALSE(behind_nat(facts));
    CHECK_FALSE(holds(all_steps(report_inbound(facts)), "port forwarding"));
    CHECK(status_of(report_inbound(facts), "addresses") == CheckStatus::ok);
    facts.exchangers = {exchanger("mail.example.com", {"85.10.240.5", "2a01:4f8:a0:1::5"})};
    CHECK(behind_nat(facts));
    // The inner side of 464XLAT is no address that anybody forwards to.
    facts.addresses = {{"192.0.0.1", "clat"}, {"2a01:4f8:a0:1::5", "eth0"}};
    CHECK_FALSE(behind_nat(facts));
    CHECK_FALSE(holds(all_steps(report_inbound(facts)), "192.0.0.1"));
}

TEST_CASE("an address that this network's DNS64 made is no fault of the MX", "[inbound]") {
    InboundFacts facts = good_host();
    facts.exchangers = {exchanger("mail.example.com", {"85.10.240.5", "64:ff9b:1::550a:f005"})};
    CHECK(status_of(report_inbound(facts), "mx") == CheckStatus::ok);
    facts.exchangers = {exchanger("mail.example.com", {"85.10.240.5", "64:ff9b::7f00:1"})};
    CHECK(status_of(report_inbound(facts), "mx") == CheckStatus::warn);
}

TEST_CASE("oddities of what is seen from outside are pointed out", "[inbound]") {
    InboundFacts facts = good_host();
    facts.greeting = diagnose::OwnGreeting{"127.0.0.1", true, "220 mail.example.com ESMTP"};
    SECTION("another server answers") {
        ask_vantage(facts, {view("85.10.240.5", "open", "220 router.isp.example")});
        const Report report = report_inbound(facts);
        CHECK(status_of(report, "outside") == CheckStatus::warn);
        CHECK_FALSE(report.good);
        CHECK(report.cause.kind == diagnose::CauseKind::gateway);
        CHECK(holds(report.verdict.summary, "router.isp.example greets there"));
        CHECK(holds(all_steps(report), "Lead port 25 to this host"));
        CHECK_FALSE(holds(all_steps(report), "take mail"));
    }
    SECTION("what answers tells no name") {
        ask_vantage(facts, {view("85.10.240.5", "open", "220 ESMTP")});
        CHECK(report_inbound(facts).good);
    }
    SECTION("a router at home leads elsewhere") {
        put_behind_nat(facts);
        ask_vantage(facts, {view("85.10.240.5", "open", "220-router.isp.example ESMTP")});
        CHECK(holds(all_steps(report_inbound(facts)), "TCP 25 from outside to 192.168.1.9"));
    }
    SECTION("the vantage is in the same network") {
        ask_vantage(facts, {view("192.168.1.9", "open")});
        CHECK(status_of(report_inbound(facts), "outside") == CheckStatus::warn);
    }
    SECTION("closed over one family") {
        facts.exchangers = {exchanger("mail.example.com", {"85.10.240.5", "2a01:4f8:a0:1::5"})};
        ask_vantage(facts, {view("85.10.240.5", "open"), view("2a01:4f8:a0:1::5", "dropped")});
        const Report report = report_inbound(facts);
        REQUIRE(report.findings.size() == 1);
        CHECK(report.findings[0].code == "inbound-firewalled");
        CHECK(holds(report.findings[0].summary, "IPv6"));
    }
}

TEST_CASE("an MX that is an alias is reported, though mail may get through", "[inbound]") {
    InboundFacts facts = good_host();
    facts.exchangers.front().alias_of = "box.hoster.example";
    const Report here = report_inbound(facts);
    CHECK(status_of(here, "mx") == CheckStatus::warn);
    const auto told = [](const diagnose::Finding& finding) {
        return finding.code == "recipient-mx" && holds(finding.summary, "RFC 2181");
    };
    CHECK(std::any_of(here.findings.begin(), here.findings.end(), told));
    facts.exchangers.front().addresses = {"85.10.240.99"};
    for (const Check& check : report_inbound(facts).checks) {
        if (check.id == "mx") CHECK(holds(check.summary, "an alias (CNAME) of box.hoster.example"));
    }
    // Without an MX record the domain's own name counts, and that may be an alias.
    facts = good_host();
    facts.implicit_mx = true;
    facts.exchangers.front().alias_of = "box.hoster.example";
    const Report implicit = report_inbound(facts);
    CHECK(std::none_of(implicit.findings.begin(), implicit.findings.end(), told));
}

TEST_CASE("commands in advice stand between backticks, to be copied whole", "[inbound]") {
    for (const char* address : {"127.0.0.1", "0.0.0.0"}) {
        for (const char* process : {"master", "exim4", "smtpd", "sendmail", "docker-proxy", ""}) {
            InboundFacts facts = good_host();
            facts.listeners = {listener(address, process)};
            facts.stops4 = rule();
            bool inside = false;
            std::string bare;
            for (const char c : all_steps(report_inbound(facts))) {
                if (c == '`') inside = !inside;
                if (!inside) bare += c;
            }
            CHECK_FALSE(inside);
            for (const char* command : {"systemctl ", "postconf ", "dpkg-reconfigure", " ss -",
                                        "nft ", "nc -", "openssl ", "relay "}) {
                CAPTURE(process, command, bare);
                CHECK_FALSE(holds(bare, command));
            }
        }
    }
}
