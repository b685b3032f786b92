#include <fmt/format.h>

#include "diagnose/domain/checks.hpp"
#include "diagnose/domain/dnsbl.hpp"

namespace diagnose {
namespace {

// A listed domain is refused whatever way its mail takes: a smarthost does not help.
void conclude_listing(CheckOutcome& result, const std::string& domain,
                      const DnsblReading& reading) {
    const DnsblZone& zone = domain_zone();
    if (reading.state == DnsblState::untested) {
        conclude(result, CheckStatus::skip,
                 fmt::format("{} could not be asked: {}.", zone.name, reading.detail));
        return;
    }
    if (reading.state == DnsblState::clean) {
        conclude(result, CheckStatus::ok, fmt::format("{} is not on {}.", domain, zone.name));
        return;
    }
    conclude(result, CheckStatus::fail,
             fmt::format("{} is on {}, as {}: receivers refuse mail that names it.", domain,
                         zone.name, reading.detail));
    result.findings.push_back({"reputation", result.check.summary});
    result.fixes.push_back(make_fix(
        fmt::format("Find out why {} is listed, then ask to be taken off", domain),
        {"Look first for what was abused: a broken-in web site, form or mailbox, or a mailing to "
         "people who did not ask for it. Without that the listing comes back.",
         fmt::format("Then ask for removal: {}", zone.lookup_url),
         "Another smarthost or address does not help: the name in the mail is what is listed."}));
}

}  // namespace

CheckTask check_domain_list(DomainContext& context) {
    CheckOutcome result;
    const DnsblZone& zone = domain_zone();
    const std::string suffix = "." + std::string(zone.zone);
    const DnsblAnswer listed = co_await ask_dnsbl(context.resolver, "test" + suffix);
    const DnsblAnswer clean = co_await ask_dnsbl(context.resolver, "invalid" + suffix);
    DnsblReading reading;
    reading.detail = dnsbl_health(zone, listed, clean);
    if (reading.detail.empty()) {
        const DnsblAnswer answer =
            co_await ask_dnsbl(context.resolver, context.ask.domain + suffix);
        reading = read_dnsbl(zone, answer);
    }
    Evidence row = record_evidence(std::string(zone.zone),
                                   std::string(dnsbl_state_name(reading.state)), reading.detail);
    result.check.evidence.push_back(std::move(row));
    conclude_listing(result, context.ask.domain, reading);
    co_return result;
}

}  // namespace diagnose
