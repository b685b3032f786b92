#include <string>

#include "diagnose/domain/recipient.hpp"
#include "diagnose/report_words.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/diagnose/seen.hpp"

// What --to says of the smarthosts by which relay sends.

using namespace diagnose;
using seen::advice_of;

namespace {

RecipientAttempt taken() {
    RecipientAttempt attempt;
    attempt.host = "mx.d.example";
    attempt.connect = ConnectResult::open;
    attempt.stage = "rcpt";
    attempt.accepted = true;
    attempt.code = 250;
    return attempt;
}

// As diagnose_recipient() puts it together.
Report report_on(const Report& here, const std::vector<RecipientAttempt>& attempts,
                 Verdict verdict) {
    Report report;
    report.recipient = "a@d.example";
    report.verdict = std::move(verdict);
    report.good = report.verdict.code == VerdictCode::ok_direct;
    find_recipient_cause(&here, attempts, report);
    take_smarthosts(&here, report);
    offer_smarthosts({"smtp.example.com"}, report);
    report.direct.code = report.verdict.code;
    report.direct.summary = report.verdict.summary;
    tell_of_broken_smarthosts(&here, report);
    return report;
}

Report here_with(Observations all) {
    all.direct_path = all.about_direct = true;
    return conclude(all);
}

Observations with_smarthost(bool works) {
    Observations all = seen::network("genuine", "open");
    if (works) {
        seen::add_smarthost(all, smtp::Stage::rcpt, 250, "OK");
    } else {
        seen::add_smarthost(all, smtp::Stage::auth, 535, "no");
    }
    return all;
}

Verdict verdict_of(VerdictCode code, const std::string& summary) {
    Verdict verdict;
    verdict.code = code;
    verdict.summary = summary;
    return verdict;
}

}  // namespace

TEST_CASE("--to tells of a smarthost that fails where direct delivery would do", "[diagnose]") {
    Observations all = seen::smarthost_on_587("dropped", "open");
    all.other_ports = {{seen::spoken_port(465)}};
    const Report report =
        report_on(here_with(all), {taken()}, judge_attempts({taken()}, "a@d.example"));
    CHECK(report.good);  // what was asked about is
    CHECK(report.verdict.code == VerdictCode::ok_direct);
    CHECK_FALSE(report.mail_leaves);
    CHECK(report.via.empty());
    CHECK_THAT(verdict_words(report), Catch::EndsWith("Mail to a@d.example: directly yes, but "
                                                      "relay sends through its smarthost, which "
                                                      "fails."));
    CHECK_THAT(report.verdict.summary,
               Catch::Contains("relay does not send directly while a smarthost is configured") &&
                   Catch::Contains("smtp.example.com cannot be reached"));
    CHECK(seen::finds(report, "smtp.example.com cannot be reached"));
    REQUIRE_FALSE(report.fixes.empty());
    CHECK_THAT(report.fixes.front().config, Catch::Contains("port = 465"));
}

TEST_CASE("--to says nothing of a smarthost that works, nor of one not tested", "[diagnose]") {
    const std::string plain = judge_attempts({taken()}, "a@d.example").summary;
    for (const Report& here :
         {here_with(with_smarthost(true)), here_with(seen::network("genuine", "open"))}) {
        const Report report = report_on(here, {taken()}, judge_attempts({taken()}, "a@d.example"));
        CHECK(report.verdict.summary == plain);
        CHECK(report.fixes.empty());
    }
}

TEST_CASE("the recipient's fault comes before that of the smarthost", "[diagnose]") {
    const Report report =
        report_on(here_with(with_smarthost(false)), {},
                  verdict_of(VerdictCode::recipient_mx, "d.example takes no mail."));
    CHECK(report.verdict.summary == "d.example takes no mail.");
    CHECK(seen::finds(report, "does not accept the sign-in"));
    CHECK_THAT(advice_of(report), Catch::Contains("Make the smarthost smtp.example.com work"));
}

TEST_CASE("a smarthost that works does not help a recipient that takes no mail", "[diagnose]") {
    const Report report =
        report_on(here_with(with_smarthost(true)), {},
                  verdict_of(VerdictCode::recipient_mx, "d.example takes no mail."));
    const std::vector<WayOut> ways = ways_out(report);
    REQUIRE(ways.size() == 2);
    CHECK(ways[1].status == CheckStatus::ok);
    CHECK_THAT(ways[1].text, Catch::Contains("does not take this mail, whichever way it goes"));
}

TEST_CASE("where the recipient's domain cannot be looked up, a smarthost may fail as well",
          "[diagnose]") {
    const Verdict verdict = verdict_of(VerdictCode::dns_broken, "d.example: SERVFAIL.");
    const Report report = report_on(here_with(with_smarthost(true)), {}, verdict);
    CHECK_THAT(verdict_words(report), Catch::Contains("perhaps through the smarthost"));
    const std::string advice = advice_of(report);
    CHECK_THAT(advice, Catch::Contains("dig MX d.example") &&
                           Catch::Contains("unless that fails there as well") &&
                           !Catch::Contains("gmail.com"));
    CHECK_THAT(report.cause.name, Catch::Contains("d.example"));

    const Report hidden = report_on(here_with(seen::network("dns", "dns", "dns")), {}, verdict);
    CHECK(hidden.cause.kind != CauseKind::remote);
}

TEST_CASE("both families alike are told with what they share", "[diagnose]") {
    Report report = report_on(here_with(with_smarthost(true)), {taken()},
                              judge_attempts({taken()}, "a@d.example"));
    report.direct.ipv4 = report.direct.ipv6 = VerdictCode::ok_direct;
    CHECK(ways_out(report).front().text.starts_with("open (IPv4 and IPv6 alike)"));
}
