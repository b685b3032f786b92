#include "net/address_scope.hpp"

#include <boost/asio/ip/address.hpp>
#include <string>
#include <utility>
#include <vector>

#include "net/cidr.hpp"

namespace net {

AddressScope scope_of(std::string_view text) {
    static const auto blocks = [] {
        std::vector<std::pair<Cidr, AddressScope>> made;
        for (const SpecialBlock& item : special_blocks) {
            made.emplace_back(Cidr::parse(item.block).value(), item.scope);
        }
        return made;
    }();
    boost::system::error_code failure;
    (void)boost::asio::ip::make_address(std::string{text}, failure);
    if (failure) return AddressScope::none;
    for (const auto& [block, scope] : blocks) {
        if (block.contains(text)) return scope;
    }
    return AddressScope::global;
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
