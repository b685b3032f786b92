#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/domain/address_kind.hpp"
#include "diagnose/domain/checks.hpp"
#include "diagnose/ptr_name.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
namespace ip = boost::asio::ip;

struct PtrTally {
    unsigned good = 0, generic = 0, bad = 0, unasked = 0;
};

// Who can set the reverse name: the SOA of the zone that holds it.
asio::awaitable<std::string> zone_contact(net::Resolver& resolver, ip::address address) {
    const std::string_view suffix = address.is_v4() ? ".in-addr.arpa" : ".ip6.arpa";
    const auto answer = co_await resolver.query(reversed_address(address) + std::string(suffix),
                                                net::RecordType::soa);
    if (!answer.records.soa) co_return "";
    co_return fmt::format("the zone {} is kept by {}", answer.records.soa->zone,
                          answer.records.soa->contact);
}

asio::awaitable<bool> resolves_back(net::Resolver& resolver, std::string name,
                                    ip::address address) {
    const net::RecordType type = address.is_v4() ? net::RecordType::a : net::RecordType::aaaa;
    const auto answer = co_await resolver.query(name, type);
    const auto& found = answer.records.addresses;
    co_return std::find(found.begin(), found.end(), address) != found.end();
}

asio::awaitable<void> check_address(DomainContext& context, ip::address address,
                                    CheckOutcome& result, PtrTally& tally) {
    const auto answer = co_await context.resolver.ptr(address);
    Evidence row = record_evidence("reverse name", "no-answer", answer.problem);
    row.address = address.to_string();
    if (could_not_ask(answer.status)) {
        ++tally.unasked;
        result.check.evidence.push_back(row);
        co_return;
    }
    if (answer.records.empty()) {
        ++tally.bad;
        row.result = "none";
        row.detail = co_await zone_contact(context.resolver, address);
        result.check.evidence.push_back(row);
        co_return;
    }
    const std::string name = answer.records.front();
    const bool back = co_await resolves_back(context.resolver, name, address);
    const bool generic = generic_ptr(name, address);
    row.result = !back ? "not-confirmed" : generic ? "generic" : "ok";
    row.detail = name;
    ++(!back ? tally.bad : generic ? tally.generic : tally.good);
    result.check.evidence.push_back(row);
}

// Through a smarthost the receivers see its address, not ours.
void conclude_ptr(CheckOutcome& result, const PtrTally& tally, const DomainAsk& ask) {
    const bool direct = ask.smarthosts.empty();
    if (tally.bad > 0) {
        conclude(result, direct ? CheckStatus::fail : CheckStatus::warn,
                 fmt::format("This host's address has no reverse name that leads back to it; "
                             "receivers refuse direct mail from it{}.",
                             direct ? "" : " (mail through the smarthost is not concerned)"));
    } else if (tally.generic > 0) {
        conclude(result, CheckStatus::warn,
                 "This host's reverse name looks like an end user's; many receivers refuse direct "
                 "mail from it.");
    } else if (tally.good > 0) {
        conclude(result, CheckStatus::ok, "This host's address and its name lead to each other.");
    } else {
        conclude(result, CheckStatus::skip, "The reverse name could not be looked up.");
    }
    if (tally.bad + tally.generic == 0) return;
    // A reverse name has to be one that the world can look up.
    const bool full = ask.hostname.find('.') != std::string::npos;
    const std::string name = full ? ask.hostname : "mail." + ask.domain;
    result.fixes.push_back(make_fix(
        "Set the reverse name, or send through a smarthost",
        {fmt::format(
             "Ask the owner of the address (cloud console or provider) to set its PTR to {}; "
             "nobody else can.",
             name),
         fmt::format("Let {} resolve to the address, and give the same name in EHLO "
                     "(server.hostname).",
                     name),
         "Where the owner does not do it, send through a smarthost: receivers see its address."}));
}

}  // namespace

CheckTask check_ptr(DomainContext& context) {
    CheckOutcome result;
    if (context.ask.public_addresses.empty()) {
        conclude(result, CheckStatus::skip, "This host's public address is not known.");
        co_return result;
    }
    PtrTally tally;
    for (const std::string& text : context.ask.public_addresses) {
        boost::system::error_code failed;
        const ip::address address = ip::make_address(text, failed);
        if (!failed) co_await check_address(context, address, result, tally);
    }
    conclude_ptr(result, tally, context.ask);
    if (result.check.status == CheckStatus::fail) {
        result.findings.push_back({"reputation", result.check.summary});
    }
    co_return result;
}

}  // namespace diagnose
