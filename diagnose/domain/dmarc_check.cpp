#include <fmt/format.h>

#include "base/text.hpp"
#include "diagnose/domain/checks.hpp"
#include "diagnose/domain/dmarc.hpp"

// DMARC for the way the domain's mail goes, and the From that no foreign relay may use.

namespace diagnose {
namespace {

bool enforces(const DmarcFound& found) {
    return found.policy == "quarantine" || found.policy == "reject";
}

Fix publish_dmarc(const DomainAsk& ask) {
    return make_fix(
        "Publish a DMARC record",
        {fmt::format("Begin with `{}`",
                     txt_line("_dmarc." + ask.domain,
                              fmt::format("v=DMARC1; p=none; rua=mailto:dmarc@{}", ask.domain))),
         "Read the reports for some weeks; once all your own senders pass, change p=none to "
         "p=quarantine, later to p=reject."});
}

// Which of SPF and DKIM can be aligned through this smarthost.
Evidence alignment_through(const DomainSmarthost& smarthost, const DmarcFound& found) {
    const ProviderFacts* facts = facts_of(smarthost);
    const std::string name = smarthost.name.empty() ? smarthost.host : smarthost.name;
    const std::string_view envelope = facts == nullptr ? "" : std::string_view(facts->envelope);
    if (envelope == "own") {
        return record_evidence(
            name, "dkim-needed",
            fmt::format("{} uses an envelope domain of its own, so SPF passes "
                        "without vouching for you: only a DKIM signature of "
                        "your domain ({}) aligns",
                        facts->name,
                        found.record.strict_dkim ? "strictly the same"
                                                 : "or "
                                                   "of its organisational domain"));
    }
    if (envelope == "kept") {
        return record_evidence(name, "spf-or-dkim",
                               fmt::format("{} keeps your envelope sender: SPF aligns once it "
                                           "passes, DKIM as well once it is set up",
                                           facts->name));
    }
    return record_evidence(name, "not-known",
                           "whether it keeps your envelope sender is not known; a DKIM signature "
                           "of your domain aligns in any case");
}

void conclude_found(CheckOutcome& result, const DmarcFound& found, const DomainAsk& ask) {
    const std::string where =
        found.at == ask.domain ? "" : fmt::format(" (inherited from {})", found.at);
    if (!found.record.valid) {
        conclude(result, CheckStatus::fail,
                 fmt::format("The DMARC record{} is not valid: {}.", where, found.record.problem));
        result.fixes.push_back(publish_dmarc(ask));
        return;
    }
    const bool weak = !enforces(found) || !found.record.problem.empty();
    conclude(result, weak ? CheckStatus::warn : CheckStatus::ok,
             weak ? fmt::format("DMARC{} says p={}: it watches, but protects nothing yet{}.", where,
                                found.policy,
                                found.record.problem.empty() ? "" : "; " + found.record.problem)
                  : fmt::format("DMARC{} says {}: mail without aligned SPF or DKIM is not wanted.",
                                where, found.policy));
}

}  // namespace

CheckTask check_dmarc(DomainContext& context) {
    CheckOutcome result;
    const DomainAsk& ask = context.ask;
    const DmarcFound found = co_await find_dmarc(context.resolver, ask.domain);
    for (const std::string& text : found.texts) {
        result.check.evidence.push_back(record_evidence("_dmarc", "record", text));
    }
    if (!found.at.empty()) {
        conclude_found(result, found, ask);
    } else if (found.status != net::DnsStatus::ok) {
        conclude(result, CheckStatus::skip,
                 fmt::format("DMARC could not be looked up: {}.", found.problem));
        co_return result;
    } else {
        const bool several = found.texts.size() > 1;
        conclude(result, several ? CheckStatus::fail : CheckStatus::warn,
                 several ? "There are several DMARC records, which count as none."
                         : fmt::format("{} has no DMARC record; large receivers ask for one.",
                                       ask.domain));
        result.fixes.push_back(publish_dmarc(ask));
    }
    for (const DomainSmarthost& smarthost : ask.smarthosts) {
        result.check.evidence.push_back(alignment_through(smarthost, found));
    }
    if (enforces(found) && !ask.smarthosts.empty()) {
        result.findings.push_back(
            {"reputation",
             fmt::format("DMARC of {} is enforced: mail counts only with aligned SPF or DKIM "
                         "({}, organisational domain {}).",
                         ask.domain, found.record.strict_dkim ? "strict" : "relaxed",
                         found.organisation)});
    }
    co_return result;
}

CheckTask check_free_mail(DomainContext& context) {
    CheckOutcome result;
    const DomainAsk& ask = context.ask;
    const ProviderFacts* owner = provider_of_free_domain(ask.domain);
    if (owner == nullptr) {
        conclude(result, CheckStatus::ok,
                 fmt::format("{} is not a mailbox service's shared domain.", ask.domain));
        co_return result;
    }
    bool foreign = false;
    for (const DomainSmarthost& smarthost : ask.smarthosts) {
        const ProviderFacts* facts = facts_of(smarthost);
        const bool own = facts == owner;
        foreign = foreign || !own;
        result.check.evidence.push_back(record_evidence(
            smarthost.host, own ? "own" : "foreign",
            own ? "the mailbox service's own server" : "not a server of the mailbox service"));
    }
    if (ask.smarthosts.empty() || foreign) {
        conclude(
            result, foreign ? CheckStatus::fail : CheckStatus::warn,
            fmt::format("{} belongs to {}: mail with such a From passes DMARC only through its "
                        "own servers.",
                        ask.domain, owner->name));
        result.fixes.push_back(make_fix(
            "Do not send as a mailbox service's address through somebody else",
            {fmt::format("Either send through {} itself ({}),", owner->hosts.front(), owner->id),
             "or use a From address of a domain of your own and put the mailbox into Reply-To."}));
    } else {
        conclude(result, CheckStatus::ok,
                 fmt::format("{} is sent through {} itself.", ask.domain, owner->name));
    }
    co_return result;
}

}  // namespace diagnose
