#include "diagnose/port_families.hpp"

#include <algorithm>

namespace diagnose {
namespace {

net::Family other(net::Family family) {
    return family == net::Family::ipv4 ? net::Family::ipv6 : net::Family::ipv4;
}

}  // namespace

std::optional<net::Family> only_family(const Observations& seen, std::string_view smarthost,
                                       std::uint16_t port) {
    const auto any = [&](net::Family family, auto fits) {
        return std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortEvidence& item) {
            return item.family == family && item.attempted() && fits(item);
        });
    };
    const auto its = [&](const PortEvidence& item) {
        return item.role == ProbeRole::smarthost && item.operator_name == smarthost &&
               item.port == port;
    };
    const auto open = [&](const PortEvidence& item) { return its(item) && item.open(); };
    const auto shut = [&](const PortEvidence& item) {
        return its(item) && !item.open() && item.connect != ConnectResult::no_route;
    };
    const auto works = [](const PortEvidence& item) { return item.open(); };
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        const net::Family closed = other(family);
        const bool only = any(family, open) && !any(closed, open) && any(closed, shut);
        if (only && any(closed, works)) return family;
    }
    return std::nullopt;
}

std::string_view only_words(std::optional<net::Family> family) {
    if (!family) return "";
    return *family == net::Family::ipv4 ? " over IPv4 only" : " over IPv6 only";
}

}  // namespace diagnose
