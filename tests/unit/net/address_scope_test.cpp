#include "net/address_scope.hpp"

#include "tests/support/catch.hpp"

using net::AddressScope;
using net::scope_of;

// The registries: iana.org/assignments/iana-ipv4-special-registry and -ipv6-special-registry.
TEST_CASE("addresses are told apart by who can reach them", "[net]") {
    struct Case {
        std::string_view first, last;
        AddressScope scope;
    };
    const Case c = GENERATE(values<Case>({
        {"0.0.0.0", "0.255.255.255", AddressScope::unspecified},
        {"10.0.0.0", "10.255.255.255", AddressScope::private_use},
        {"100.64.0.0", "100.127.255.255", AddressScope::shared},
        {"127.0.0.0", "127.255.255.255", AddressScope::loopback},
        {"169.254.0.0", "169.254.255.255", AddressScope::link_local},
        {"172.16.0.0", "172.31.255.255", AddressScope::private_use},
        {"192.0.0.0", "192.0.0.8", AddressScope::reserved},
        {"192.0.0.9", "192.0.0.10", AddressScope::global},
        {"192.0.0.11", "192.0.0.255", AddressScope::reserved},
        {"192.0.2.0", "192.0.2.255", AddressScope::documentation},
        {"192.31.196.0", "192.31.196.255", AddressScope::global},
        {"192.88.99.0", "192.88.99.255", AddressScope::reserved},
        {"192.168.0.0", "192.168.255.255", AddressScope::private_use},
        {"198.18.0.0", "198.19.255.255", AddressScope::benchmarking},
        {"198.51.100.0", "198.51.100.255", AddressScope::documentation},
        {"203.0.113.0", "203.0.113.255", AddressScope::documentation},
        {"224.0.0.0", "239.255.255.255", AddressScope::multicast},
        {"240.0.0.0", "255.255.255.255", AddressScope::reserved},
        {"::1", "::1", AddressScope::loopback},
        {"::", "::", AddressScope::unspecified},
        {"::2", "::fffe:ffff:ffff", AddressScope::reserved},
        {"::ffff:10.0.0.0", "::ffff:10.255.255.255", AddressScope::private_use},
        {"::ffff:104.16.0.0", "::ffff:104.16.0.1", AddressScope::global},
        // The well-known prefix is judged by the IPv4 address in it (RFC 6052 section 3.1).
        {"64:ff9b::104.16.0.0", "64:ff9b::6810:ffff", AddressScope::global},
        {"64:ff9b::127.0.0.1", "64:ff9b::7fff:ffff", AddressScope::loopback},
        {"64:ff9b::192.168.0.0", "64:ff9b::c0a8:ffff", AddressScope::private_use},
        {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", AddressScope::reserved},
        {"100::", "100::ffff:ffff:ffff:ffff", AddressScope::reserved},
        {"100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", AddressScope::reserved},
        {"2001:1::1", "2001:1::3", AddressScope::global},
        {"2001:1::4", "2001:1:ffff::", AddressScope::reserved},
        {"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", AddressScope::benchmarking},
        {"2001:10::", "2001:1f:ffff::", AddressScope::reserved},
        {"2001:20::", "2001:3f:ffff::", AddressScope::global},
        {"2001:200::", "2001:db7:ffff::", AddressScope::global},
        {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", AddressScope::documentation},
        {"2002::", "2002:ffff::", AddressScope::global},
        {"2606:4700::1", "2a01:4f8::1", AddressScope::global},
        {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", AddressScope::documentation},
        {"5f00::", "5f00:ffff::", AddressScope::reserved},
        {"4000::", "fbff::", AddressScope::reserved},
        {"fc00::", "fdff:ffff::", AddressScope::private_use},
        {"fe80::", "febf:ffff::", AddressScope::link_local},
        {"ff00::", "ffff:ffff::", AddressScope::multicast},
    }));
    CAPTURE(c.first, c.last);
    CHECK(scope_of(c.first) == c.scope);
    CHECK(scope_of(c.last) == c.scope);
}

TEST_CASE("the neighbours of special blocks are public", "[net]") {
    const std::string_view address = GENERATE(values<std::string_view>(
        {"1.0.0.0",         "9.255.255.255",   "11.0.0.0",       "100.63.255.255", "100.128.0.0",
         "126.255.255.255", "128.0.0.0",       "172.15.255.255", "172.32.0.0",     "192.0.1.0",
         "192.0.3.0",       "192.167.255.255", "198.17.255.255", "198.20.0.0",     "198.51.99.255",
         "203.0.114.0",     "223.255.255.255", "2001:db9::",     "3ffe:ffff::",    "2000::1"}));
    CAPTURE(address);
    CHECK(scope_of(address) == AddressScope::global);
}

TEST_CASE("a network's own NAT64 prefix is known", "[net]") {
    CHECK(net::is_local_nat64("64:ff9b:1::550a:f014"));
    CHECK_FALSE(net::is_local_nat64("64:ff9b::550a:f014"));
    CHECK_FALSE(net::is_local_nat64("fd64:ff9b:1::550a:f014"));
    CHECK_FALSE(net::is_local_nat64("85.10.240.20"));
}

TEST_CASE("what is no address has no scope", "[net]") {
    CHECK(scope_of("mail.example.com") == AddressScope::none);
    CHECK(scope_of("") == AddressScope::none);
    CHECK(net::scope_name(AddressScope::none).empty());
    CHECK(net::scope_name(scope_of("203.0.113.7")) == "documentation");
}
