#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/resolver.hpp"

namespace diagnose {

enum class DnsblKind : std::uint8_t {
    addresses,  // its codes are its own
    zen,        // Spamhaus ZEN: which list of it, and the PBL apart
    dbl         // Spamhaus DBL: domains
};

struct DnsblZone {
    std::string_view zone, name;
    DnsblKind kind = DnsblKind::addresses;
    std::string_view lookup_url;
};

[[nodiscard]] const std::vector<DnsblZone>& dnsbl_zones();  // of addresses
[[nodiscard]] const DnsblZone& domain_zone();

enum class DnsblState : std::uint8_t { clean, listed, policy, untested };

struct DnsblReading {
    DnsblState state = DnsblState::untested;
    std::string detail;  // the list's part, or why it could not be tested
};

struct DnsblAnswer {
    net::DnsStatus status = net::DnsStatus::ok;
    std::vector<boost::asio::ip::address> addresses;
};

// Whether a zone works from here: 127.0.0.2, for domains TEST, must be listed, and 127.0.0.1, for
// domains INVALID, must not (RFC 5782 section 5). Returns what is wrong, "" when it works.
[[nodiscard]] std::string dnsbl_health(const DnsblZone& zone, const DnsblAnswer& listed,
                                       const DnsblAnswer& clean);
// What the answer for an address or a domain means. 127.255.255.x are errors, not listings;
// anything outside 127.0.0.0/8 is not the list's answer. policy: the PBL, which accuses nobody.
[[nodiscard]] DnsblReading read_dnsbl(const DnsblZone& zone, const DnsblAnswer& answer);

// "clean", "listed", "policy", "untested"
[[nodiscard]] std::string_view dnsbl_state_name(DnsblState state);

[[nodiscard]] boost::asio::awaitable<DnsblAnswer> ask_dnsbl(net::Resolver& resolver,
                                                            std::string name);

}  // namespace diagnose
