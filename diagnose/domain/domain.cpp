#include "diagnose/domain/domain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.hpp"
#include "diagnose/domain/checks.hpp"
#include "diagnose/name_trust.hpp"
#include "diagnose/together.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

struct Row {
    CheckName name;
    CheckTask (*run)(DomainContext&);
    VerdictCode code;  // when it fails
};

// In the order of the report; the first that fails is the headline.
constexpr std::array rows{
    Row{check_name::mx, check_mx, VerdictCode::recipient_mx},
    Row{{"free-mail", "Sender domain of a mailbox service"},
        check_free_mail,
        VerdictCode::reputation},
    Row{{"spf", "SPF for the way the mail goes"}, check_spf_record, VerdictCode::reputation},
    Row{{"dkim", "DKIM key"}, check_dkim, VerdictCode::reputation},
    Row{{"dmarc", "DMARC and alignment"}, check_dmarc, VerdictCode::reputation},
    Row{{"mta-sts", "MTA-STS"}, check_mta_sts, VerdictCode::recipient_mx},
    Row{{"tls-rpt", "TLS reports (TLS-RPT)"}, check_tls_rpt, VerdictCode::recipient_mx},
    Row{{"dane", "DANE (TLSA)"}, check_dane, VerdictCode::recipient_mx},
    Row{{"ptr", "Reverse name (PTR) of this host"}, check_ptr, VerdictCode::reputation},
    Row{{"dnsbl", "Block lists of addresses"}, check_dnsbl, VerdictCode::reputation},
    Row{{"domain-list", "Block list of domains"}, check_domain_list, VerdictCode::reputation},
};

// Kept alive by each check, for those that outlast the deadline.
struct DomainRun {
    DomainRun(asio::any_io_executor executor, net::Resolver& resolver, DomainAsk ask)
        : context(std::move(executor), resolver, std::move(ask)) {
        for (const Row& row : rows) {
            results.push_back(outcome(row.name));
            conclude(results.back(), CheckStatus::skip, "There was no answer in time.");
        }
    }
    DomainContext context;
    std::vector<CheckOutcome> results;
    NameTrust trust = NameTrust::unknown;
    bool over = false;
};

asio::awaitable<void> run_check(std::shared_ptr<DomainRun> run, std::size_t index) {
    const Row& row = rows[index];
    const Progress& progress = run->context.ask.progress;
    if (progress.began) progress.began(std::string{row.name.title});
    const auto began = std::chrono::steady_clock::now();
    CheckOutcome result = co_await row.run(run->context);
    if (run->over) co_return;
    result.check.id = row.name.id;
    result.check.title = row.name.title;
    result.check.took =
        std::chrono::duration_cast<base::Duration>(std::chrono::steady_clock::now() - began);
    run->results[index] = std::move(result);
    if (progress.ended) progress.ended(run->results[index].check);
}

asio::awaitable<void> test_names(std::shared_ptr<DomainRun> run) {
    const NameTrust trust = co_await test_name_servers(run->context.resolver);
    if (!run->over) run->trust = trust;
}

// The domain's MX was found: what is said of the domain comes from its own servers.
bool mx_answered(const DomainRun& run) {
    const CheckStatus status = run.results.front().check.status;
    return status == CheckStatus::ok || status == CheckStatus::warn;
}

void give_verdict(const DomainRun& run, Report& report) {
    const auto failed = std::find_if(
        run.results.begin(), run.results.end(),
        [](const CheckOutcome& result) { return result.check.status == CheckStatus::fail; });
    // Without MX and SPF nothing has been said about the domain itself.
    const auto skipped = [&](std::size_t index) {
        return run.results[index].check.status == CheckStatus::skip;
    };
    constexpr std::size_t mx = 0, spf = 2;
    if (failed != run.results.end()) {
        report.verdict.code = rows[static_cast<std::size_t>(failed - run.results.begin())].code;
        report.verdict.confidence = Confidence::certain;
        report.verdict.summary = failed->check.summary;
    } else if (skipped(mx) && skipped(spf)) {
        report.verdict.summary = fmt::format(
            "The DNS did not answer for {}: nothing could be tested.", run.context.ask.domain);
    } else {
        const bool direct = run.context.ask.smarthosts.empty();
        report.verdict.code = direct ? VerdictCode::ok_direct : VerdictCode::ok_smarthost;
        report.verdict.confidence = Confidence::likely;
        const bool doubts = std::any_of(
            run.results.begin(), run.results.end(),
            [](const CheckOutcome& result) { return result.check.status != CheckStatus::ok; });
        report.verdict.summary =
            doubts ? fmt::format(
                         "The mail DNS of {} has no fault, but see what is suspicious or "
                         "could not be tested.",
                         run.context.ask.domain)
                   : fmt::format("The mail DNS of {} is in order.", run.context.ask.domain);
    }
    report.good = failed == run.results.end() && report.verdict.code != VerdictCode::inconclusive;
    report.mail_leaves = report.good;  // of the thing asked about, as with --to
}

// Records are the domain's; a reverse name and a listing are for the address's owner to mend.
void blame(const DomainRun& run, Report& report) {
    if (report.good) return;
    report.cause.name = run.context.ask.domain;
    report.cause.kind = CauseKind::config;
    for (const Check& check : report.checks) {
        if (check.status != CheckStatus::fail) continue;
        const bool address = check.id == "ptr" || check.id == "dnsbl";
        if (!address) return;
        report.cause.kind = CauseKind::isp;
        report.cause.name = fmt::format("the owner of the address {}",
                                        base::join(run.context.ask.public_addresses, ", "));
        return;
    }
}

bool exists(const DomainRun& run) {
    const std::vector<Evidence>& mx = run.results.front().check.evidence;
    return mx.empty() || mx.front().result != "no-such-name";
}

Report make_report(DomainRun& run) {
    Report report;
    give_verdict(run, report);
    report.direct.summary = "Not tested: this report is about the domain's DNS.";
    const bool missing = !exists(run);
    for (CheckOutcome& result : run.results) {
        // There is nothing to publish records for.
        if (missing && &result != &run.results.front()) {
            result.fixes.clear();
            result.findings.clear();
            const bool of_host = result.check.id == "ptr" || result.check.id == "dnsbl";
            if (!of_host) conclude(result, CheckStatus::skip, "There is no such domain.");
        }
        std::move(result.fixes.begin(), result.fixes.end(), std::back_inserter(report.fixes));
        std::move(result.findings.begin(), result.findings.end(),
                  std::back_inserter(report.findings));
        report.checks.push_back(std::move(result.check));
    }
    blame(run, report);
    // Silence about two large domains as well is this host's, whether it ended in time or not.
    const bool here =
        !mx_answered(run) && blame_name_servers(run.trust, run.context.ask.domain, report);
    if (here) report.direct.code = VerdictCode::inconclusive;
    drop_repetitions(report);
    report.host.hostname = run.context.ask.hostname;
    report.host.public_addresses = run.context.ask.public_addresses;
    return report;
}

}  // namespace

asio::awaitable<Report> diagnose_domain(asio::any_io_executor executor, net::Resolver& resolver,
                                        DomainAsk ask) {
    const auto started = std::chrono::system_clock::now();
    const base::Duration limit = ask.timeout;
    ask.domain = base::to_lower(base::trim(ask.domain));
    if (ask.domain.ends_with('.')) ask.domain.pop_back();
    auto run = std::make_shared<DomainRun>(executor, resolver, std::move(ask));
    std::vector<asio::awaitable<void>> tasks;
    for (std::size_t i = 0; i < rows.size(); ++i) tasks.push_back(run_check(run, i));
    tasks.push_back(test_names(run));
    co_await run_together(executor, std::move(tasks), limit);
    run->over = true;
    Report report = make_report(*run);
    report.started = std::chrono::time_point_cast<base::Duration>(started);
    report.took =
        std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now() - started);
    co_return report;
}

}  // namespace diagnose
