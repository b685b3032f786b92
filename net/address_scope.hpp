#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace net {

// Who reaches an address: what the IANA registries of special-purpose addresses (RFC 6890) say.
enum class AddressScope : std::uint8_t {
    none,         // no address at all
    unspecified,  // 0.0.0.0/8, ::
    loopback,
    link_local,
    private_use,    // RFC 1918, and unique local addresses (RFC 4193)
    shared,         // 100.64.0.0/10, behind a carrier's NAT (RFC 6598)
    documentation,  // in manuals only (RFC 5737, RFC 3849, RFC 9637)
    benchmarking,   // between test devices (RFC 2544, RFC 5180)
    multicast,
    reserved,  // for protocols, for later, or to be discarded
    global     // the public Internet
};

// The first block that holds an address tells its scope; in none: global.
struct SpecialBlock {
    const char* block;
    AddressScope scope;
};

inline constexpr std::array special_blocks{
    SpecialBlock{"127.0.0.0/8", AddressScope::loopback},
    SpecialBlock{"10.0.0.0/8", AddressScope::private_use},
    SpecialBlock{"172.16.0.0/12", AddressScope::private_use},
    SpecialBlock{"192.168.0.0/16", AddressScope::private_use},
    SpecialBlock{"100.64.0.0/10", AddressScope::shared},
    SpecialBlock{"169.254.0.0/16", AddressScope::link_local},
    SpecialBlock{"0.0.0.0/8", AddressScope::unspecified},
    SpecialBlock{"192.0.0.9/32", AddressScope::global},   // RFC 7723
    SpecialBlock{"192.0.0.10/32", AddressScope::global},  // RFC 8155
    SpecialBlock{"192.0.0.0/24", AddressScope::reserved},
    SpecialBlock{"192.0.2.0/24", AddressScope::documentation},
    SpecialBlock{"198.51.100.0/24", AddressScope::documentation},
    SpecialBlock{"203.0.113.0/24", AddressScope::documentation},
    SpecialBlock{"192.88.99.0/24", AddressScope::reserved},  // once 6to4's (RFC 7526)
    SpecialBlock{"198.18.0.0/15", AddressScope::benchmarking},
    SpecialBlock{"224.0.0.0/4", AddressScope::multicast},
    SpecialBlock{"224.0.0.0/3", AddressScope::reserved},  // what is left of it: 240.0.0.0/4

    SpecialBlock{"::1/128", AddressScope::loopback},
    SpecialBlock{"::/128", AddressScope::unspecified},
    SpecialBlock{"fc00::/7", AddressScope::private_use},
    SpecialBlock{"fe80::/10", AddressScope::link_local},
    SpecialBlock{"ff00::/8", AddressScope::multicast},
    SpecialBlock{"2001:db8::/32", AddressScope::documentation},
    SpecialBlock{"3fff::/20", AddressScope::documentation},
    SpecialBlock{"2001:2::/48", AddressScope::benchmarking},
    // Of 2001::/23 these are reached by the world; Teredo (2001::/32) by way of its relays.
    SpecialBlock{"2001::/32", AddressScope::global},
    SpecialBlock{"2001:1::1/128", AddressScope::global},
    SpecialBlock{"2001:1::2/128", AddressScope::global},
    SpecialBlock{"2001:1::3/128", AddressScope::global},
    SpecialBlock{"2001:3::/32", AddressScope::global},
    SpecialBlock{"2001:4:112::/48", AddressScope::global},
    SpecialBlock{"2001:20::/28", AddressScope::global},
    SpecialBlock{"2001:30::/28", AddressScope::global},
    SpecialBlock{"2001::/23", AddressScope::reserved},
    // NAT64's well-known prefix is judged by the IPv4 address in it; global unicast is 2000::/3,
    // and everything else is IANA's.
    SpecialBlock{"64:ff9b::/96", AddressScope::global},
    SpecialBlock{"::/3", AddressScope::reserved},
    SpecialBlock{"4000::/2", AddressScope::reserved},
    SpecialBlock{"8000::/1", AddressScope::reserved},
};

[[nodiscard]] AddressScope scope_of(std::string_view address);

// Of a translator's own network, whose names are made there too (64:ff9b:1::/48, RFC 8215).
[[nodiscard]] bool is_local_nat64(std::string_view address);

// "documentation", "private", "shared"; "" for none and global.
[[nodiscard]] std::string_view scope_name(AddressScope scope);

}  // namespace net
