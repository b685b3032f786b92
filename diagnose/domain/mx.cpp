#include "diagnose/domain/mx.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

#include "diagnose/domain/address_kind.hpp"
#include "diagnose/domain/checks.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
using net::DnsStatus;

bool is_literal(const std::string& name) {
    boost::system::error_code failed;
    (void)asio::ip::make_address(name, failed);
    return !failed;
}

// Some networks number their hosts from blocks that nobody else routes; nobody does from those of
// the manuals.
bool in_one_network(std::string_view kind) {
    return kind == "private" || kind == "shared" || kind == "benchmarking" || kind == "reserved";
}

struct HostVerdict {
    CheckStatus status = CheckStatus::ok;
    std::string result, detail;
};

HostVerdict verdict_of(const MxHost& host) {
    if (is_literal(host.name)) {
        return {CheckStatus::fail, "literal",
                "an MX record must name a host; this is an address, and servers ignore it"};
    }
    if (could_not_ask(host.status)) return {CheckStatus::skip, "no-answer", host.problem};
    if (host.addresses.empty()) return {CheckStatus::fail, "unresolvable", host.problem};
    bool any_public = false, any_private = false;
    for (const auto& address : host.addresses) {
        const std::string_view kind = address_kind(address);
        any_public = any_public || kind.empty();
        any_private = any_private || in_one_network(kind);
    }
    if (!any_public && !any_private) {
        return {CheckStatus::fail, std::string(address_kind(host.addresses.front())),
                "no address that mail could be sent to"};
    }
    if (!any_public) {
        return {CheckStatus::warn, "private", "its address is reachable only inside one network"};
    }
    if (!host.aliases.empty()) {
        return {CheckStatus::warn, "alias",
                fmt::format("an alias (CNAME) of {}, which RFC 2181 does not allow for an MX",
                            host.aliases.back())};
    }
    return {CheckStatus::ok, host.implicit ? "implicit" : "ok",
            host.implicit ? "no MX record: mail goes to the domain's own address" : ""};
}

std::vector<asio::ip::address> usable_addresses(const MxHost& host) {
    std::vector<asio::ip::address> usable;
    for (const auto& address : host.addresses) {
        const std::string_view kind = address_kind(address);
        if (kind.empty() || in_one_network(kind)) usable.push_back(address);
    }
    return usable;
}

void add_evidence(MxJudgement& judgement, const MxHost& host, const HostVerdict& verdict) {
    Evidence row = record_evidence(host.name, verdict.result, verdict.detail);
    row.port = 25;
    if (host.addresses.empty()) judgement.evidence.push_back(row);
    for (const auto& address : host.addresses) {
        row.address = address.to_string();
        row.family = address.is_v4() ? net::Family::ipv4 : net::Family::ipv6;
        judgement.evidence.push_back(row);
    }
}

void judge_hosts(const MxFacts& facts, MxJudgement& judgement) {
    std::size_t failed = 0, skipped = 0, suspicious = 0;
    for (const MxHost& host : facts.hosts) {
        const HostVerdict verdict = verdict_of(host);
        failed += verdict.status == CheckStatus::fail ? 1 : 0;
        skipped += verdict.status == CheckStatus::skip ? 1 : 0;
        suspicious += verdict.status == CheckStatus::warn ? 1 : 0;
        add_evidence(judgement, host, verdict);
        MxHost usable = host;
        usable.addresses = usable_addresses(host);
        if (!usable.addresses.empty() && !is_literal(host.name)) {
            judgement.usable.push_back(std::move(usable));
        }
    }
    const std::size_t count = facts.hosts.size();
    judgement.deliverable = !judgement.usable.empty() || skipped > 0;
    if (failed == count) {
        judgement.status = CheckStatus::fail;
        const HostVerdict first = verdict_of(facts.hosts.front());
        judgement.summary = fmt::format("None of the mail servers of {} can be used: {}: {}.",
                                        facts.domain, facts.hosts.front().name,
                                        first.detail.empty() ? first.result : first.detail);
    } else if (judgement.usable.empty()) {
        judgement.status = CheckStatus::skip;
        judgement.summary =
            fmt::format("The DNS did not answer for the mail servers of {}.", facts.domain);
    } else if (failed + skipped + suspicious > 0) {
        judgement.status = CheckStatus::warn;
        judgement.summary = fmt::format("{} of {} mail servers of {} are not as they should be.",
                                        failed + skipped + suspicious, count, facts.domain);
    } else {
        judgement.status = CheckStatus::ok;
        judgement.summary =
            fmt::format("{} mail server{} for {}, the first is {}.", count, count == 1 ? "" : "s",
                        facts.domain, facts.hosts.front().name);
    }
}

}  // namespace

// Alias and addresses of one host, both families in one list.
asio::awaitable<void> look_up_mx_host(net::Resolver& resolver, MxHost& host) {
    if (is_literal(host.name)) co_return;
    for (const net::RecordType type : {net::RecordType::a, net::RecordType::aaaa}) {
        const auto answer = co_await resolver.query(host.name, type);
        if (host.aliases.empty()) host.aliases = answer.records.aliases;
        host.addresses.insert(host.addresses.end(), answer.records.addresses.begin(),
                              answer.records.addresses.end());
        // A failure of one family must not hide behind the other's "there is none".
        const bool worse = answer.status != DnsStatus::ok && !could_not_ask(host.status);
        if (worse) {
            host.status = answer.status;
            host.problem = answer.problem;
        }
    }
    if (!host.addresses.empty()) host.status = DnsStatus::ok;
}

asio::awaitable<MxFacts> look_up_mx(net::Resolver& resolver, std::string domain) {
    MxFacts facts;
    facts.domain = domain;
    const auto answer = co_await resolver.mx(domain);
    facts.status = answer.status;
    facts.problem = answer.problem;
    for (const net::MxRecord& record : answer.records) {
        if (record.host == ".") {
            facts.null_mx = true;
            continue;
        }
        MxHost host;
        host.name = record.host;
        host.preference = record.preference;
        facts.hosts.push_back(std::move(host));
    }
    if (answer.status == DnsStatus::no_data) {
        MxHost host;
        host.name = domain;
        host.implicit = true;
        facts.hosts.push_back(std::move(host));
    }
    for (MxHost& host : facts.hosts) co_await look_up_mx_host(resolver, host);
    co_return facts;
}

std::optional<MxJudgement> judge_literal(const std::string& domain) {
    if (!domain.starts_with('[') || !domain.ends_with(']')) return std::nullopt;
    std::string inner = domain.substr(1, domain.size() - 2);
    if (base::starts_with_ignoring_case(inner, "IPv6:")) inner.erase(0, 5);
    boost::system::error_code failed;
    const auto address = asio::ip::make_address(inner, failed);
    MxJudgement judgement;
    if (failed) {
        judgement.status = CheckStatus::fail;
        judgement.summary =
            fmt::format("{} is no address: write [192.0.2.1] or [IPv6:2001:db8::1].", domain);
        return judgement;
    }
    MxHost host;
    host.name = address.to_string();
    host.addresses = {address};
    judgement.status = CheckStatus::ok;
    judgement.deliverable = true;
    judgement.summary = fmt::format("Mail for {} goes to that address; DNS is not asked.", domain);
    judgement.evidence.push_back(record_evidence(host.name, "literal", ""));
    judgement.usable = {host};
    return judgement;
}

MxJudgement judge_mx(const MxFacts& facts) {
    MxJudgement judgement;
    if (facts.null_mx && facts.hosts.empty()) {
        judgement.status = CheckStatus::fail;
        judgement.summary =
            fmt::format("{} takes no mail: it has a null MX (RFC 7505).", facts.domain);
        judgement.evidence.push_back(record_evidence(facts.domain, "null-mx", "MX 0 ."));
        return judgement;
    }
    if (facts.status == DnsStatus::no_such_name) {
        judgement.status = CheckStatus::fail;
        judgement.summary = fmt::format("The domain {} does not exist.", facts.domain);
        judgement.evidence.push_back(record_evidence(facts.domain, "no-such-name", facts.problem));
        return judgement;
    }
    if (could_not_ask(facts.status)) {
        judgement.deliverable = true;
        judgement.summary = fmt::format("The mail servers of {} could not be looked up: {}.",
                                        facts.domain, facts.problem);
        return judgement;
    }
    judge_hosts(facts, judgement);
    const bool implicit = facts.hosts.size() == 1 && facts.hosts.front().implicit;
    if (implicit && judgement.status == CheckStatus::fail) {
        judgement.summary = fmt::format(
            "{} has neither an MX record nor an address: no mail reaches it.", facts.domain);
    }
    if (facts.null_mx) {
        judgement.status = std::max(judgement.status, CheckStatus::fail);
        judgement.summary =
            fmt::format("{} has a null MX next to other MX records: some senders will not deliver.",
                        facts.domain);
        judgement.evidence.push_back(record_evidence(facts.domain, "null-mx", "MX 0 ."));
    }
    return judgement;
}

Fix mx_fix(const MxFacts& facts, const MxJudgement& judgement) {
    Fix fix;
    if (judgement.status == CheckStatus::ok || judgement.status == CheckStatus::skip) return fix;
    fix.title = fmt::format("Correct the MX records of {}", facts.domain);
    fix.steps.push_back(fmt::format("Check the spelling of {} first.", facts.domain));
    if (facts.null_mx) {
        fix.steps.push_back(
            "If the domain shall receive mail, remove the record \"MX 0 .\". If it "
            "shall not, leave it as the only MX; senders with this domain are then "
            "refused by many receivers.");
    }
    for (const MxHost& host : facts.hosts) {
        const HostVerdict verdict = verdict_of(host);
        if (verdict.status == CheckStatus::ok) continue;
        fix.steps.push_back(fmt::format("{}: {}.", host.name, verdict.detail));
    }
    fix.steps.push_back(
        fmt::format("Publish a host with a public address, for example `{0}. IN MX 10 mail.{0}.`",
                    facts.domain));
    return fix;
}

CheckTask check_mx(DomainContext& context) {
    CheckOutcome result;
    const MxFacts facts = co_await look_up_mx(context.resolver, context.ask.domain);
    const MxJudgement judgement = judge_mx(facts);
    conclude(result, judgement.status, judgement.summary);
    result.check.evidence = judgement.evidence;
    Fix fix = mx_fix(facts, judgement);
    if (!fix.steps.empty()) result.fixes.push_back(std::move(fix));
    if (judgement.status == CheckStatus::fail) {
        result.findings.push_back({"recipient-mx", judgement.summary});
    }
    co_return result;
}

}  // namespace diagnose
