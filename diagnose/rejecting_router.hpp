#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diagnose/observations.hpp"

// Boxes on the way that turn a port away and say so, by an ICMP error of their own. Pure.
namespace diagnose {

struct RejectingRouter {
    std::string address;
    IcmpError icmp;
    net::Family family = net::Family::any;  // the only one over which it does so; any: both
    std::optional<int> hop, hops;           // where a traced path shows it
};

// The one that rejects this port of the smarthost; none where nobody but the server answers.
[[nodiscard]] std::optional<RejectingRouter> rejecting_router(const Observations& seen,
                                                              const std::string& smarthost,
                                                              std::uint16_t port);

// Ports, but for 25, of unrelated operators that the box with this address rejects.
[[nodiscard]] std::vector<std::uint16_t> ports_rejected_by(const Observations& seen,
                                                           const std::string& address);

// A router of this network: a private address, or the first on the way.
[[nodiscard]] bool is_gateway(const RejectingRouter& router);

// A private address; a carrier's shared one (100.64.0.0/10) is no router of one's own.
[[nodiscard]] bool private_address(const std::string& address);

}  // namespace diagnose
