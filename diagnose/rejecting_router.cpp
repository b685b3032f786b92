#include "diagnose/rejecting_router.hpp"

#include <algorithm>
#include <set>

#include "net/address_scope.hpp"

namespace diagnose {
namespace {

// An explicit filter's word. That a host is unreachable says a router as well, of a host that is
// down; and a server speaks for itself.
bool rejected_on_the_way(const PortEvidence& item) {
    const bool filter =
        item.connect == ConnectResult::prohibited || item.connect == ConnectResult::refused;
    return item.attempted() && filter && item.icmp && !item.denied_here() &&
           !item.icmp->from.empty() && item.icmp->from != item.address;
}

void find_on_paths(const Observations& seen, RejectingRouter& router) {
    for (const PathTrace& path : seen.paths) {
        for (const PathHop& hop : picture_of(path).hops) {
            if (hop.address != router.address) continue;
            router.hop = hop.number;
            router.hops = read_path(path).hops;
            return;
        }
    }
}

}  // namespace

std::optional<RejectingRouter> rejecting_router(const Observations& seen,
                                                const std::string& smarthost, std::uint16_t port) {
    const PortEvidence* found = nullptr;
    bool other_family = false, both = false;
    for (const PortEvidence& item : seen.ports) {
        const bool its = item.role == ProbeRole::smarthost && item.operator_name == smarthost &&
                         item.port == port && item.attempted();
        if (!its || item.connect == ConnectResult::no_route) continue;
        if (!rejected_on_the_way(item)) {
            other_family = true;
            continue;
        }
        if (found != nullptr && found->family != item.family) both = true;
        // Routers are better known by their IPv4 addresses.
        const bool better = found == nullptr || (item.family == net::Family::ipv4 &&
                                                 found->family != net::Family::ipv4);
        if (better) found = &item;
    }
    if (found == nullptr) return std::nullopt;
    RejectingRouter router;
    router.address = found->icmp->from;
    router.icmp = *found->icmp;
    if (other_family && !both) router.family = found->family;
    find_on_paths(seen, router);
    return router;
}

std::vector<std::uint16_t> ports_rejected_by(const Observations& seen, const std::string& address) {
    std::set<std::uint16_t> ports;
    for (const PortEvidence& item : seen.ports) {
        const bool its = item.role == ProbeRole::control && rejected_on_the_way(item) &&
                         item.icmp->from == address;
        if (its) ports.insert(item.port);
    }
    return {ports.begin(), ports.end()};
}

bool is_gateway(const RejectingRouter& router) {
    return router.hop == 1 || private_address(router.address);
}

bool private_address(const std::string& address) {
    const net::AddressScope scope = net::scope_of(address);
    return scope == net::AddressScope::private_use || scope == net::AddressScope::link_local;
}

}  // namespace diagnose
