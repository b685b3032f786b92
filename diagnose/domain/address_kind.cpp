#include "diagnose/domain/address_kind.hpp"

#include <fmt/format.h>

namespace diagnose {
namespace {

namespace ip = boost::asio::ip;

std::string_view kind_of(const ip::address_v4& address) {
    const auto bytes = address.to_bytes();
    if (address.is_unspecified()) return "unspecified";
    if (address.is_loopback()) return "loopback";
    if (bytes[0] == 10 || (bytes[0] == 172 && bytes[1] >= 16 && bytes[1] < 32) ||
        (bytes[0] == 192 && bytes[1] == 168)) {
        return "private";
    }
    if (bytes[0] == 169 && bytes[1] == 254) return "link-local";
    if (bytes[0] == 100 && bytes[1] >= 64 && bytes[1] < 128) return "shared";
    return bytes[0] >= 224 ? "multicast" : "";
}

}  // namespace

std::string_view address_kind(const ip::address& address) {
    if (address.is_v4()) return kind_of(address.to_v4());
    const ip::address_v6 v6 = address.to_v6();
    if (v6.is_v4_mapped()) return kind_of(ip::make_address_v4(ip::v4_mapped, v6));
    if (v6.is_unspecified()) return "unspecified";
    if (v6.is_loopback()) return "loopback";
    if (v6.is_link_local()) return "link-local";
    if (v6.is_multicast()) return "multicast";
    return (v6.to_bytes()[0] & 0xfeU) == 0xfcU ? "private" : "";
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
