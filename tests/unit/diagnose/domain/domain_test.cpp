#include "diagnose/domain/domain.hpp"

#include <algorithm>

#include "diagnose/domain/mx.hpp"
#include "diagnose/domain/recipient.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/domain/fake_zone.hpp"

using namespace diagnose;
using diagnose_test::FakeZone;

namespace {

MxJudgement judged(FakeZone& zone, const char* domain) {
    boost::asio::io_context loop;
    return judge_mx(diagnose_test::run(loop, look_up_mx(zone, domain)));
}

Report report(FakeZone& zone, const DomainAsk& ask) {
    boost::asio::io_context loop;
    return diagnose_test::run(loop, diagnose_domain(loop.get_executor(), zone, ask));
}

CheckStatus status(const Report& report, const std::string& id) {
    const auto found = std::find_if(report.checks.begin(), report.checks.end(),
                                    [&](const Check& check) { return check.id == id; });
    REQUIRE(found != report.checks.end());
    return found->status;
}

FakeZone good_zone() {
    FakeZone zone;
    zone.exchanger("d.example", 10, "mx.d.example");
    zone.address("mx.d.example", "104.16.7.2");
    zone.text("d.example", "v=spf1 mx include:_spf.google.com -all");
    zone.text("_spf.google.com", "v=spf1 ip4:203.0.113.0/24 ~all");
    zone.text("_dmarc.d.example", "v=DMARC1; p=reject");
    zone.text("google._domainkey.d.example",
              "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    return zone;
}

DomainAsk good_ask() {
    DomainAsk ask;
    ask.domain = "D.example.";
    DomainSmarthost smarthost;
    smarthost.name = "main";
    smarthost.host = "smtp.gmail.com";
    ask.smarthosts.push_back(smarthost);
    ask.timeout = std::chrono::seconds{5};
    return ask;
}

}  // namespace

TEST_CASE("mail servers are judged", "[domain]") {
    FakeZone zone;
    zone.exchanger("null.example", 0, ".");
    zone.exchanger("both.example", 0, ".");
    zone.exchanger("both.example", 10, "mx.example");
    zone.address("mx.example", "104.16.7.2");
    zone.exchanger("good.example", 10, "mx.example");
    zone.exchanger("literal.example", 10, "104.16.7.2");
    zone.exchanger("lost.example", 10, "nowhere.example");
    zone.exchanger("half.example", 10, "nowhere.example");
    zone.exchanger("half.example", 20, "mx.example");
    zone.exchanger("loop.example", 10, "lo.example");
    zone.address("lo.example", "127.0.0.1");
    zone.exchanger("private.example", 10, "inside.example");
    zone.address("inside.example", "10.0.0.1");
    zone.exchanger("alias.example", 10, "www.example");
    zone.alias("www.example", "mx.example");
    zone.address("www.example", "104.16.7.2");
    zone.exchanger("manual.example", 10, "sample.example");
    zone.address("sample.example", "192.0.2.1");
    zone.exchanger("tested.example", 10, "bench.example");
    zone.address("bench.example", "198.18.0.1");
    zone.address("bare.example", "104.16.7.3");
    zone.text("nothing.example", "x");
    zone.exchanger("slow.example", 10, "dead.example");
    zone.failing["dead.example"] = net::DnsStatus::timeout;
    zone.failing["gone.example"] = net::DnsStatus::server_failure;

    struct Case {
        const char* domain;
        CheckStatus status;
        bool deliverable;
    };
    const Case c = GENERATE(values<Case>({{"good.example", CheckStatus::ok, true},
                                          {"null.example", CheckStatus::fail, false},
                                          {"both.example", CheckStatus::fail, true},
                                          {"literal.example", CheckStatus::fail, false},
                                          {"lost.example", CheckStatus::fail, false},
                                          {"half.example", CheckStatus::warn, true},
                                          {"loop.example", CheckStatus::fail, false},
                                          {"private.example", CheckStatus::warn, true},
                                          {"manual.example", CheckStatus::fail, false},
                                          {"tested.example", CheckStatus::warn, true},
                                          {"alias.example", CheckStatus::warn, true},
                                          {"bare.example", CheckStatus::ok, true},
                                          {"nothing.example", CheckStatus::fail, false},
                                          {"absent.example", CheckStatus::fail, false},
                                          {"slow.example", CheckStatus::skip, true},
                                          {"gone.example", CheckStatus::skip, true}}));
    CAPTURE(c.domain);
    const MxJudgement judgement = judged(zone, c.domain);
    CAPTURE(judgement.summary);
    CHECK(judgement.status == c.status);
    CHECK(judgement.deliverable == c.deliverable);
    CHECK_FALSE(judgement.summary.empty());
}

TEST_CASE("a domain is not judged by name servers that know nothing", "[domain]") {
    struct Case {
        net::DnsStatus status;
        VerdictCode code;
    };
    const Case c = GENERATE(values<Case>({{net::DnsStatus::ok, VerdictCode::recipient_mx},
                                          {net::DnsStatus::no_such_name, VerdictCode::dns_broken},
                                          {net::DnsStatus::timeout, VerdictCode::dns_broken}}));
    FakeZone zone;
    if (c.status != net::DnsStatus::ok) {
        for (const char* name : {"gmail.com", "outlook.com", "d.example"}) {
            zone.failing[name] = c.status;
        }
    }
    const Report found = report(zone, good_ask());
    CHECK(found.verdict.code == c.code);
    CHECK_FALSE(found.good);
    if (c.code != VerdictCode::dns_broken) return;
    CHECK(found.verdict.confidence == Confidence::likely);
    CHECK(found.cause.name == "name servers of this host");
    CHECK(found.fixes.size() == 1);
}

TEST_CASE("a domain in order", "[domain]") {
    FakeZone zone = good_zone();
    const Report found = report(zone, good_ask());
    CHECK(found.good);
    CHECK(found.verdict.code == VerdictCode::ok_smarthost);
    for (const char* id :
         {"mx", "spf", "dkim", "dmarc", "free-mail", "mta-sts", "tls-rpt", "dane"}) {
        CAPTURE(id);
        CHECK(status(found, id) == CheckStatus::ok);
    }
    // Our address is not known: that is no pass.
    CHECK(status(found, "ptr") == CheckStatus::skip);
    CHECK(status(found, "dnsbl") == CheckStatus::skip);
}

TEST_CASE("a smarthost missing in SPF is the headline, with the record to publish", "[domain]") {
    FakeZone zone = good_zone();
    zone.exchanger("e.example", 10, "mx.d.example");
    zone.text("e.example", "v=spf1 mx -all");
    DomainAsk ask = good_ask();
    ask.domain = "e.example";
    const Report found = report(zone, ask);
    CHECK_FALSE(found.good);
    CHECK(found.verdict.code == VerdictCode::reputation);
    CHECK(status(found, "spf") == CheckStatus::fail);
    const bool fix = std::any_of(found.fixes.begin(), found.fixes.end(), [](const Fix& candidate) {
        return candidate.steps.front().find("v=spf1 mx include:_spf.google.com -all") !=
               std::string::npos;
    });
    CHECK(fix);
    CHECK(status(found, "dmarc") == CheckStatus::warn);  // has none
    CHECK(status(found, "dkim") == CheckStatus::warn);   // only the usual selectors were asked
    ask.selector = "mine";
    CHECK(status(report(zone, ask), "dkim") == CheckStatus::fail);
}

TEST_CASE("a provider with an envelope of its own needs no include", "[domain]") {
    FakeZone zone = good_zone();
    DomainAsk ask = good_ask();
    ask.smarthosts.front().host = "email-smtp.eu-west-1.amazonaws.com";
    CHECK(status(report(zone, ask), "spf") == CheckStatus::ok);
}

TEST_CASE("a mailbox service's address through a foreign relay", "[domain]") {
    FakeZone zone = good_zone();
    DomainAsk ask = good_ask();
    ask.domain = "gmail.com";
    CHECK(status(report(zone, ask), "free-mail") == CheckStatus::ok);
    ask.smarthosts.front().host = "smtp.sendgrid.net";
    CHECK(status(report(zone, ask), "free-mail") == CheckStatus::fail);
}

TEST_CASE("a DNS that does not answer is inconclusive, never good", "[domain]") {
    FakeZone zone;
    for (const char* name : {"d.example", "_dmarc.d.example", "google._domainkey.d.example",
                             "_mta-sts.d.example", "_smtp._tls.d.example", "_dmarc.example"}) {
        zone.failing[name] = net::DnsStatus::timeout;
    }
    const Report found = report(zone, good_ask());
    CHECK_FALSE(found.good);
    CHECK(found.verdict.code == VerdictCode::inconclusive);
    for (const char* id : {"mx", "spf", "dkim", "dmarc", "mta-sts", "tls-rpt", "dane"}) {
        CAPTURE(id);
        CHECK(status(found, id) == CheckStatus::skip);
    }
}

TEST_CASE("our address: reverse name and block lists", "[domain]") {
    FakeZone zone = good_zone();
    DomainAsk ask = good_ask();
    ask.public_addresses = {"192.0.2.7"};
    zone.address("2.0.0.127.zen.spamhaus.org", "127.0.0.2");
    zone.address("7.2.0.192.zen.spamhaus.org", "127.0.0.4");
    zone.pointer("192.0.2.7", "out.d.example");
    zone.address("out.d.example", "192.0.2.7");
    CHECK(status(report(zone, ask), "ptr") == CheckStatus::ok);
    CHECK(status(report(zone, ask), "dnsbl") == CheckStatus::warn);  // the smarthost's counts
    ask.smarthosts.clear();
    CHECK(status(report(zone, ask), "dnsbl") == CheckStatus::fail);
    ask.public_addresses = {"192.0.2.8"};
    CHECK(status(report(zone, ask), "ptr") == CheckStatus::fail);
}

TEST_CASE("DANE counts only when a resolver on this host has verified it", "[domain]") {
    FakeZone zone = good_zone();
    net::TlsaRecord record;
    record.usage = 3;
    record.selector = 1;
    record.matching = 1;
    record.data = std::string(32, 'x');
    zone.tlsa("_25._tcp.mx.d.example", record, true);
    CHECK(status(report(zone, good_ask()), "dane") == CheckStatus::skip);
    zone.local = true;
    CHECK(status(report(zone, good_ask()), "dane") == CheckStatus::ok);
}

TEST_CASE("what the attempts at a recipient's servers mean", "[domain]") {
    const auto attempt = [](ConnectResult connect, const char* stage, int code,
                            bool accepted = false) {
        RecipientAttempt made;
        made.host = "mx.d.example";
        made.connect = connect;
        made.stage = stage;
        made.code = code;
        made.accepted = accepted;
        return made;
    };
    const auto verdict = [](std::vector<RecipientAttempt> attempts) {
        return judge_attempts(attempts, "a@d.example").code;
    };
    const auto silent = attempt(ConnectResult::dropped, "connect", 0);
    const auto taken = attempt(ConnectResult::open, "rcpt", 250, true);
    CHECK(verdict({silent, silent}) == VerdictCode::outbound_25_dropped);
    CHECK(verdict({silent, taken}) == VerdictCode::ok_direct);
    CHECK(verdict({attempt(ConnectResult::refused, "connect", 0)}) ==
          VerdictCode::outbound_25_rejected);
    CHECK(verdict({attempt(ConnectResult::denied, "connect", 0)}) == VerdictCode::local_firewall);
    CHECK(verdict({attempt(ConnectResult::no_route, "connect", 0)}) == VerdictCode::no_network);
    CHECK(verdict({silent, attempt(ConnectResult::refused, "connect", 0)}) ==
          VerdictCode::inconclusive);
    CHECK(verdict({attempt(ConnectResult::open, "greeting", 554)}) == VerdictCode::reputation);
    CHECK(verdict({attempt(ConnectResult::open, "mail", 550)}) == VerdictCode::reputation);
    CHECK(verdict({attempt(ConnectResult::open, "rcpt", 550)}) == VerdictCode::recipient_mx);
    CHECK(verdict({attempt(ConnectResult::open, "rcpt", 451)}) == VerdictCode::inconclusive);
    CHECK(verdict({attempt(ConnectResult::open, "greeting", 0)}) ==
          VerdictCode::outbound_25_intercepted);
    CHECK(verdict({}) == VerdictCode::inconclusive);
}

TEST_CASE("a recipient without a mail server", "[domain]") {
    FakeZone zone;
    zone.exchanger("null.example", 0, ".");
    RecipientAsk ask;
    ask.address = "a@null.example";
    boost::asio::io_context loop;
    const Report found =
        diagnose_test::run(loop, diagnose_recipient(loop.get_executor(), zone, ask));
    CHECK_FALSE(found.good);
    CHECK(found.verdict.code == VerdictCode::recipient_mx);
    CHECK(found.verdict.confidence == Confidence::certain);
    CHECK_FALSE(found.fixes.empty());
}

TEST_CASE("a domain on a block list of domains is told so, and only by a list that works",
          "[domain]") {
    FakeZone zone = good_zone();
    DomainAsk ask = good_ask();
    const auto state = [&] { return status(report(zone, ask), "domain-list"); };
    CHECK(state() == CheckStatus::skip);  // not even its test entry is there
    zone.address("test.dbl.spamhaus.org", "127.0.1.2");
    CHECK(state() == CheckStatus::ok);
    zone.address("d.example.dbl.spamhaus.org", "127.0.1.4");
    CHECK(state() == CheckStatus::fail);
    const Report listed = report(zone, ask);
    CHECK(listed.verdict.code == VerdictCode::reputation);
    CHECK_THAT(listed.verdict.summary, Catch::Contains("phishing"));
    zone.address("invalid.dbl.spamhaus.org", "127.0.1.2");  // it lists everything
    CHECK(state() == CheckStatus::skip);
}

TEST_CASE("a list that refuses a public resolver could not be asked", "[domain]") {
    FakeZone zone = good_zone();
    zone.address("test.dbl.spamhaus.org", "127.255.255.254");
    zone.address("d.example.dbl.spamhaus.org", "127.255.255.254");
    CHECK(status(report(zone, good_ask()), "domain-list") == CheckStatus::skip);
}

TEST_CASE("an address in brackets is dialled as it stands", "[domain]") {
    struct Case {
        const char *domain, *address;
    };
    const Case c = GENERATE(values<Case>(
        {{"[192.0.2.1]", "192.0.2.1"}, {"[IPv6:2001:db8::1]", "2001:db8::1"}, {"[nonsense]", ""}}));
    CAPTURE(c.domain);
    const auto judgement = judge_literal(c.domain);
    REQUIRE(judgement.has_value());
    CHECK(judgement->usable.size() == (c.address[0] == '\0' ? 0 : 1));
    if (c.address[0] != '\0') CHECK(judgement->usable.front().name == c.address);
    CHECK_FALSE(judge_literal("partner.example").has_value());
}
