#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/domain/checks.hpp"
#include "diagnose/domain/spf.hpp"

// SPF judged for the way the domain's mail goes: our own addresses and the smarthosts.

namespace diagnose {
namespace {

namespace asio = boost::asio;

// What is wrong with the record whoever sends.
void judge_record(CheckOutcome& result, const SpfTree& tree, const std::string& domain) {
    const SpfRecord& own = tree.records.front();
    result.check.evidence.push_back(
        record_evidence(domain, std::string(spf_result_name(own.state)), own.text));
    if (own.state == SpfResult::temperror) {
        conclude(result, CheckStatus::skip,
                 fmt::format("SPF could not be looked up: {}.", own.problem));
        return;
    }
    if (own.state == SpfResult::none) {
        conclude(result, CheckStatus::warn,
                 fmt::format("{} has no SPF record; large receivers ask for one.", domain));
        return;
    }
    for (const SpfRecord& record : tree.records) {
        if (record.state == SpfResult::permerror || record.state == SpfResult::none) {
            conclude(result, CheckStatus::fail,
                     fmt::format("SPF is broken (permerror): {}.", record.problem));
            return;
        }
    }
    if (tree.lookups > spf_lookup_limit || tree.voids > spf_void_limit) {
        conclude(result, CheckStatus::fail,
                 fmt::format("SPF needs {} DNS look-ups, {} of them without an answer; receivers "
                             "stop at {} and {} (permerror).",
                             tree.lookups, tree.voids, spf_lookup_limit, spf_void_limit));
        return;
    }
    const bool open = spf_all(tree) == '+';
    conclude(result, open ? CheckStatus::fail : CheckStatus::ok,
             open ? "SPF ends in +all: it allows everybody to send as this domain."
                  : fmt::format("The SPF record of {} is valid; {} of {} look-ups.", domain,
                                tree.lookups, spf_lookup_limit));
}

Fix include_fix(const DomainAsk& ask, const SpfTree& tree, const ProviderFacts& facts) {
    const SpfRecord& own = tree.records.front();
    return make_fix(
        fmt::format("Let {} send for {}", facts.name, ask.domain),
        {fmt::format("Publish as the only SPF record: `{}`",
                     txt_line(ask.domain, spf_with_include(own.text, facts.spf_include)))});
}

// A smarthost that keeps the envelope sender must be named in the record.
asio::awaitable<void> judge_smarthost(DomainContext& context, const SpfTree& tree,
                                      DomainSmarthost smarthost, CheckOutcome& result) {
    const ProviderFacts* facts = facts_of(smarthost);
    const std::string name = smarthost.name.empty() ? smarthost.host : smarthost.name;
    if (facts == nullptr || facts->spf_include.empty() || facts->envelope == "own") {
        const bool own = facts != nullptr && facts->envelope == "own";
        result.check.evidence.push_back(record_evidence(
            name, own ? "own-envelope" : "not-known",
            own ? "it passes SPF with an envelope domain of its own; no include is needed"
                : "what it needs in SPF is not known; its documentation names the include"));
        co_return;
    }
    bool covered = spf_names(tree, facts->spf_include);
    if (!covered) {
        const SpfTree included = co_await expand_spf(context.resolver, facts->spf_include);
        covered = spf_covers(tree, included);
    }
    const std::string wanted = "include:" + facts->spf_include;
    result.check.evidence.push_back(record_evidence(name, covered ? "allowed" : "missing", wanted));
    if (covered) co_return;
    const SpfRecord& own = tree.records.front();
    const bool strict = own.state == SpfResult::pass && spf_all(tree) == '-';
    const bool usable = own.state == SpfResult::pass || own.state == SpfResult::none;
    result.fixes.push_back(include_fix(context.ask, tree, *facts));
    if (!usable || result.check.status == CheckStatus::fail) co_return;
    conclude(result, CheckStatus::fail,
             fmt::format("SPF of {} does not allow {}, through which the mail goes{}.",
                         context.ask.domain, facts->name,
                         strict ? "; with -all that is a sure rejection" : ""));
}

// Our own address counts only where mail goes out directly.
void judge_addresses(const DomainAsk& ask, const SpfTree& tree, CheckOutcome& result) {
    for (const std::string& text : ask.public_addresses) {
        boost::system::error_code failed;
        const asio::ip::address address = asio::ip::make_address(text, failed);
        if (failed) continue;
        const SpfResult found = check_spf(tree, address);
        Evidence row = record_evidence("this host", std::string(spf_result_name(found)), "");
        row.address = text;
        row.detail = "what receivers find for mail that this host sends itself";
        result.check.evidence.push_back(std::move(row));
        const bool direct = ask.smarthosts.empty();
        const bool refused = found == SpfResult::fail || found == SpfResult::softfail;
        if (!direct || !refused || result.check.status == CheckStatus::fail) continue;
        conclude(result, found == SpfResult::fail ? CheckStatus::fail : CheckStatus::warn,
                 fmt::format("SPF of {} does not allow this host's address {}.", ask.domain, text));
        result.fixes.push_back(make_fix(
            "Allow this host in SPF",
            {fmt::format(
                "Put `{}:{}` before the \"all\" of the SPF record of {}, or send through a "
                "smarthost.",
                address.is_v4() ? "ip4" : "ip6", text, ask.domain)}));
    }
}

void add_record_fix(const DomainAsk& ask, const SpfTree& tree, CheckOutcome& result) {
    const SpfRecord& own = tree.records.front();
    if (own.state == SpfResult::none && result.fixes.empty()) {
        result.fixes.push_back(make_fix(
            "Publish an SPF record",
            {fmt::format("If the domain sends from its mail servers, publish `{}`",
                         txt_line(ask.domain, "v=spf1 mx ~all")),
             "Add an include for each service that sends for you; there may be only one record."}));
    } else if (result.check.status == CheckStatus::fail && result.fixes.empty()) {
        result.fixes.push_back(make_fix(
            "Correct the SPF record",
            {"Keep a single record that begins with v=spf1 and ends in ~all or -all.",
             "Remove includes of services that you no longer use, and \"ptr\", \"a\" and \"mx\" "
             "where "
             "they are not needed: each costs a look-up, and includes cost what they hold."}));
    }
}

}  // namespace

CheckTask check_spf_record(DomainContext& context) {
    CheckOutcome result;
    const SpfTree tree = co_await expand_spf(context.resolver, context.ask.domain);
    judge_record(result, tree, context.ask.domain);
    if (tree.records.front().state == SpfResult::temperror) co_return result;
    for (const DomainSmarthost& smarthost : context.ask.smarthosts) {
        co_await judge_smarthost(context, tree, smarthost, result);
    }
    judge_addresses(context.ask, tree, result);
    add_record_fix(context.ask, tree, result);
    if (result.check.status == CheckStatus::fail) {
        result.findings.push_back({"reputation", result.check.summary});
    }
    co_return result;
}

}  // namespace diagnose
