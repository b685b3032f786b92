#include "net/address_scope.hpp"

#include <boost/asio/ip/address.hpp>
#include <string>
#include <utility>
#include <vector>

#include "net/cidr.hpp"

namespace net {

namespace {

// RFC 6052 section 3.1: the well-known prefix must not stand for IPv4 addresses that are not
// public, so that behind it there is what they are.
std::string behind_nat64(const boost::asio::ip::address& address) {
    static const Cidr well_known = Cidr::parse("64:ff9b::/96").value();
    if (!address.is_v6() || !well_known.contains(address.to_string())) return {};
    const auto bytes = address.to_v6().to_bytes();
    return boost::asio::ip::address_v4{{bytes[12], bytes[13], bytes[14], bytes[15]}}.to_string();
}

}  // namespace

AddressScope scope_of(std::string_view text) {
    static const auto blocks = [] {
        std::vector<std::pair<Cidr, AddressScope>> made;
        for (const SpecialBlock& item : special_blocks) {
            made.emplace_back(Cidr::parse(item.block).value(), item.scope);
        }
        return made;
    }();
    boost::system::error_code failure;
    const auto address = boost::asio::ip::make_address(std::string{text}, failure);
    if (failure) return AddressScope::none;
    if (const std::string inner = behind_nat64(address); !inner.empty()) return scope_of(inner);
    for (const auto& [block, scope] : blocks) {
        if (block.contains(text)) return scope;
    }
    return AddressScope::global;
}

bool is_local_nat64(std::string_view address) {
    static const Cidr local_use = Cidr::parse("64:ff9b:1::/48").value();
    return local_use.contains(address);
}

std::string_view scope_name(AddressScope scope) {
    switch (scope) {
        case AddressScope::none:
        case AddressScope::global:
            return "";
        case AddressScope::unspecified:
            return "unspecified";
        case AddressScope::loopback:
            return "loopback";
        case AddressScope::link_local:
            return "link-local";
        case AddressScope::private_use:
            return "private";
        case AddressScope::shared:
            return "shared";
        case AddressScope::documentation:
            return "documentation";
        case AddressScope::benchmarking:
            return "benchmarking";
        case AddressScope::multicast:
            return "multicast";
        case AddressScope::reserved:
            return "reserved";
    }
    return "";
}

}  // namespace net
