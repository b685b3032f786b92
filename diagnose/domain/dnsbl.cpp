#include "diagnose/domain/dnsbl.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/domain/address_kind.hpp"
#include "diagnose/domain/checks.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
namespace ip = boost::asio::ip;

std::string_view spamhaus_error(unsigned last) {
    switch (last) {
        case 252:
            return "the zone's name was not understood";
        case 254:
            return "the question came through a public or shared resolver, which Spamhaus does not "
                   "answer";
        case 255:
            return "too many questions from this resolver";
        default:
            return "the list answered with an error";
    }
}

std::string_view spamhaus_list(unsigned last) {
    switch (last) {
        case 2:
            return "SBL (spam seen)";
        case 3:
            return "CSS (spam seen)";
        case 4:
        case 5:
        case 6:
        case 7:
            return "XBL (malware or an open proxy seen)";
        case 9:
            return "DROP (hijacked network)";
        case 10:
            return "PBL, by the network's owner";
        case 11:
            return "PBL, by Spamhaus";
        case 30:
            return "BCL (botnet controller)";
        default:
            return "a list of its own";
    }
}

// Of 127.0.1.x. From 102 on the domain is somebody's who was broken into.
std::string_view dbl_list(unsigned last) {
    switch (last) {
        case 2:
            return "a spam domain";
        case 4:
            return "a phishing domain";
        case 5:
            return "a malware domain";
        case 6:
            return "a botnet's control domain";
        case 102:
            return "an honest domain abused for spam";
        case 103:
            return "an honest domain abused as a spammer's redirector";
        case 104:
            return "an honest domain abused for phishing";
        case 105:
            return "an honest domain abused for malware";
        case 106:
            return "an honest domain abused for a botnet's control";
        default:
            return "a bad reputation";
    }
}

ip::address_v4::bytes_type bytes_of(const ip::address& address) {
    return address.is_v4() ? address.to_v4().to_bytes() : ip::address_v4::bytes_type{};
}

struct ListTally {
    unsigned listed = 0, policy = 0, clean = 0, untested = 0;
    std::vector<std::string> lists;     // "203.0.113.9 on Spamhaus ZEN, as SBL"
    std::vector<std::string> removals;  // "Spamhaus ZEN: https://..."
};

void note(CheckOutcome& result, ListTally& tally, const DnsblZone& zone, const std::string& address,
          const DnsblReading& reading) {
    Evidence row = record_evidence(std::string(zone.zone),
                                   std::string(dnsbl_state_name(reading.state)), reading.detail);
    row.address = address;
    result.check.evidence.push_back(std::move(row));
    unsigned* counts[] = {&tally.clean, &tally.listed, &tally.policy, &tally.untested};
    ++*counts[static_cast<std::size_t>(reading.state)];
    if (reading.state != DnsblState::listed) return;
    const bool part = !reading.detail.empty() && reading.detail != zone.name;
    tally.lists.push_back(fmt::format("{} on {}{}", address, zone.name,
                                      part ? fmt::format(", as {}", reading.detail) : ""));
    const std::string removal = fmt::format("{}: {}", zone.name, zone.lookup_url);
    if (std::find(tally.removals.begin(), tally.removals.end(), removal) == tally.removals.end()) {
        tally.removals.push_back(removal);
    }
}

asio::awaitable<void> ask_zone(DomainContext& context, const DnsblZone& zone, CheckOutcome& result,
                               ListTally& tally) {
    const std::string suffix = "." + std::string(zone.zone);
    const DnsblAnswer listed = co_await ask_dnsbl(context.resolver, "2.0.0.127" + suffix);
    const DnsblAnswer clean = co_await ask_dnsbl(context.resolver, "1.0.0.127" + suffix);
    const std::string problem = dnsbl_health(zone, listed, clean);
    for (const std::string& text : context.ask.public_addresses) {
        boost::system::error_code failed;
        const ip::address address = ip::make_address(text, failed);
        if (failed) continue;
        DnsblReading reading;
        reading.detail = problem;
        if (problem.empty()) {
            const DnsblAnswer answer =
                co_await ask_dnsbl(context.resolver, reversed_address(address) + suffix);
            reading = read_dnsbl(zone, answer);
        }
        note(result, tally, zone, text, reading);
    }
}

// Through a smarthost the receivers see its address, not ours.
void conclude_lists(CheckOutcome& result, const ListTally& tally, bool direct) {
    if (tally.listed > 0) {
        conclude(
            result, direct ? CheckStatus::fail : CheckStatus::warn,
            fmt::format("This host's address is on {} block list{}, as spam or malware was "
                        "seen from it: {}.",
                        tally.listed, tally.listed == 1 ? "" : "s", base::join(tally.lists, "; ")));
        result.fixes.push_back(make_fix(
            "Find the cause, then ask to be taken off the list",
            {"Look for the sender of the spam first: a broken-in web form or account, or another "
             "host behind the same address. Without that the listing comes back.",
             fmt::format("Then ask for removal at the list's own page: {}",
                         base::join(tally.removals, "; ")),
             "Until then send through a smarthost: receivers see its address."}));
    } else if (tally.policy > 0) {
        conclude(result, CheckStatus::warn,
                 "This host's address is on the PBL: its network is not meant to deliver mail "
                 "directly. That is no accusation.");
        result.fixes.push_back(make_fix(
            "Send through a smarthost",
            {"The PBL does not matter to mail that goes through a smarthost with a sign-in.",
             "The owner of a fixed address may have it taken off: https://check.spamhaus.org/."}));
    } else if (tally.clean > 0) {
        conclude(result, tally.untested > 0 ? CheckStatus::warn : CheckStatus::ok,
                 tally.untested > 0
                     ? fmt::format("Not listed where it could be tested; {} could not be tested.",
                                   tally.untested)
                     : std::string("This host's address is on none of the block lists asked."));
    } else {
        conclude(result, CheckStatus::skip, "No block list could be tested from here.");
    }
}

}  // namespace

const std::vector<DnsblZone>& dnsbl_zones() {
    static const std::vector<DnsblZone> zones{
        {"zen.spamhaus.org", "Spamhaus ZEN", DnsblKind::zen, "https://check.spamhaus.org/"},
        {"bl.spamcop.net", "SpamCop", DnsblKind::addresses, "https://www.spamcop.net/bl.shtml"},
        {"b.barracudacentral.org", "Barracuda", DnsblKind::addresses,
         "https://www.barracudacentral.org/lookups"},
        {"psbl.surriel.com", "PSBL", DnsblKind::addresses, "https://psbl.org/"},
    };
    return zones;
}

const DnsblZone& domain_zone() {
    static const DnsblZone dbl{"dbl.spamhaus.org", "Spamhaus DBL", DnsblKind::dbl,
                               "https://check.spamhaus.org/"};
    return dbl;
}

std::string_view dnsbl_state_name(DnsblState state) {
    switch (state) {
        case DnsblState::clean:
            return "clean";
        case DnsblState::listed:
            return "listed";
        case DnsblState::policy:
            return "policy";
        case DnsblState::untested:
            return "untested";
    }
    return "untested";
}

asio::awaitable<DnsblAnswer> ask_dnsbl(net::Resolver& resolver, std::string name) {
    const auto answer = co_await resolver.query(name, net::RecordType::a);
    DnsblAnswer result;
    result.status = answer.status;
    result.addresses = answer.records.addresses;
    co_return result;
}

std::string dnsbl_health(const DnsblZone& zone, const DnsblAnswer& listed,
                         const DnsblAnswer& clean) {
    if (could_not_ask(listed.status) || could_not_ask(clean.status)) {
        return "the list did not answer";
    }
    const DnsblReading test = read_dnsbl(zone, listed);
    if (test.state == DnsblState::untested) return test.detail;
    if (test.state == DnsblState::clean) return "the list does not even list its test entry";
    if (!clean.addresses.empty()) return "the list answers for everything";
    return {};
}

DnsblReading read_dnsbl(const DnsblZone& zone, const DnsblAnswer& answer) {
    if (could_not_ask(answer.status)) return {DnsblState::untested, "the list did not answer"};
    if (answer.addresses.empty()) return {DnsblState::clean, ""};
    DnsblReading reading{DnsblState::clean, ""};
    for (const ip::address& address : answer.addresses) {
        const auto bytes = bytes_of(address);
        if (bytes[0] != 127) {
            return {DnsblState::untested,
                    fmt::format("the answer {} is not the list's; a resolver invents addresses",
                                address.to_string())};
        }
        if (bytes[1] == 255 && bytes[2] == 255) {
            return {DnsblState::untested, std::string(spamhaus_error(bytes[3]))};
        }
        const bool of_domains = zone.kind == DnsblKind::dbl;
        if (of_domains && (bytes[2] != 1 || bytes[3] == 255)) {
            return {DnsblState::untested, "the list did not take the name for a domain"};
        }
        const bool zen = zone.kind == DnsblKind::zen;
        const bool pbl = zen && (bytes[3] == 10 || bytes[3] == 11);
        if (reading.state != DnsblState::listed) {
            reading.state = pbl ? DnsblState::policy : DnsblState::listed;
        }
        if (!reading.detail.empty()) reading.detail += ", ";
        reading.detail += zen          ? spamhaus_list(bytes[3])
                          : of_domains ? dbl_list(bytes[3])
                                       : zone.name;
    }
    return reading;
}

CheckTask check_dnsbl(DomainContext& context) {
    CheckOutcome result;
    if (context.ask.public_addresses.empty()) {
        conclude(result, CheckStatus::skip, "This host's public address is not known.");
        co_return result;
    }
    ListTally tally;
    for (const DnsblZone& zone : dnsbl_zones()) co_await ask_zone(context, zone, result, tally);
    conclude_lists(result, tally, context.ask.smarthosts.empty());
    if (result.check.status == CheckStatus::fail) {
        result.findings.push_back({"reputation", result.check.summary});
    }
    co_return result;
}

}  // namespace diagnose
