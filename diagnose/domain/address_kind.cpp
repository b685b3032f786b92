#include "diagnose/domain/address_kind.hpp"

#include <fmt/format.h>

#include "net/address_scope.hpp"

namespace diagnose {

namespace ip = boost::asio::ip;

std::string_view address_kind(const ip::address& address) {
    return net::scope_name(net::scope_of(address.to_string()));
}

std::string reversed_address(const ip::address& address) {
    if (address.is_v4()) {
        const auto bytes = address.to_v4().to_bytes();
        return fmt::format("{}.{}.{}.{}", bytes[3], bytes[2], bytes[1], bytes[0]);
    }
    std::string name;
    const auto bytes = address.to_v6().to_bytes();
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
        if (!name.empty()) name += '.';
        name += fmt::format("{:x}.{:x}", *byte & 0x0fU, *byte >> 4U);
    }
    return name;
}

}  // namespace diagnose
