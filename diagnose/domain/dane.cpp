#include <fmt/format.h>

#include "diagnose/domain/checks.hpp"
#include "diagnose/domain/tlsa.hpp"

namespace diagnose {
namespace {

struct DaneTally {
    unsigned usable = 0, unusable = 0, hosts = 0, unasked = 0;
    bool authentic = true;
};

void note_records(const net::DnsRecords& records, const std::string& name, DaneTally& tally,
                  CheckOutcome& result) {
    for (const net::TlsaRecord& record : records.tlsa) {
        const std::string problem = tlsa_problem(record);
        ++(problem.empty() ? tally.usable : tally.unusable);
        result.check.evidence.push_back(
            record_evidence(name, problem.empty() ? "usable" : "unusable",
                            fmt::format("{} {} {}{}{}", record.usage, record.selector,
                                        record.matching, problem.empty() ? "" : ": ", problem)));
    }
    if (records.tlsa.empty()) return;
    ++tally.hosts;
    tally.authentic = tally.authentic && records.authentic;
}

void conclude_dane(CheckOutcome& result, const DaneTally& tally, bool local) {
    if (tally.unasked > 0 && tally.hosts == 0) {
        conclude(result, CheckStatus::skip, "The TLSA records could not be looked up.");
    } else if (tally.hosts == 0) {
        conclude(result, CheckStatus::ok, "DANE is not used (it is voluntary).");
    } else if (tally.usable == 0) {
        conclude(result, CheckStatus::fail,
                 "There are TLSA records, but none that mail servers can use.");
        result.fixes.push_back(
            make_fix("Correct the TLSA records", {"For SMTP only usages 2 (DANE-TA) and 3 "
                                                  "(DANE-EE) count (RFC 7672); \"3 1 1\" with the "
                                                  "SHA-256 of the server's public key is usual."}));
    } else if (tally.authentic && local) {
        conclude(result, tally.unusable > 0 ? CheckStatus::warn : CheckStatus::ok,
                 "DANE is in place, and this host's resolver has verified the records (DNSSEC).");
    } else {
        conclude(result, CheckStatus::skip,
                 local ? "There are TLSA records, but the resolver did not verify them (no DNSSEC "
                         "AD): without DNSSEC they do not count."
                       : "There are TLSA records; whether DNSSEC protects them can only be told "
                         "through a validating resolver on this host.");
    }
}

}  // namespace

CheckTask check_dane(DomainContext& context) {
    CheckOutcome result;
    const auto answer = co_await context.resolver.mx(context.ask.domain);
    DaneTally tally;
    if (could_not_ask(answer.status)) ++tally.unasked;
    for (const net::MxRecord& record : answer.records) {
        if (record.host == ".") continue;
        const std::string name = "_25._tcp." + record.host;
        const auto found = co_await context.resolver.query(name, net::RecordType::tlsa);
        if (could_not_ask(found.status)) ++tally.unasked;
        note_records(found.records, name, tally, result);
    }
    conclude_dane(result, tally, context.resolver.local_servers());
    co_return result;
}

std::string tlsa_problem(const net::TlsaRecord& record) {
    if (record.usage > 3) return "unknown usage";
    if (record.usage < 2) return "usages 0 and 1 do not count for SMTP (RFC 7672 section 3.1.3)";
    if (record.selector > 1) return "unknown selector";
    if (record.matching > 2) return "unknown matching type";
    if (record.matching == 1 && record.data.size() != 32) return "a SHA-256 has 32 bytes";
    if (record.matching == 2 && record.data.size() != 64) return "a SHA-512 has 64 bytes";
    return record.data.empty() ? "it is empty" : "";
}

}  // namespace diagnose
