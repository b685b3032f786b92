#pragma once

#include <optional>
#include <string>

#include "diagnose/observations.hpp"

// IPv4 and IPv6 are two networks: one of them may be broken while the other one works. Pure.
namespace diagnose {

struct BrokenFamily {
    net::Family family = net::Family::ipv6;
    bool dead = false;     // it has a route, and nothing connects; or else it loses large packets
    bool refused = false;  // and something says so: not all is silence
};

// None where both work, or neither does, or this host's own rules are the reason.
[[nodiscard]] std::optional<BrokenFamily> broken_family(const Observations& seen);

// "Over IPv6 nothing answers on any port, although this host has a route for it."
[[nodiscard]] std::string broken_words(const BrokenFamily& broken);
[[nodiscard]] Cause broken_cause(const Observations& seen, const BrokenFamily& broken);
[[nodiscard]] Fix broken_fix(const Observations& seen, const BrokenFamily& broken);
// It is the fix for a family over which nothing connects.
[[nodiscard]] bool mends_dead_family(const Fix& fix);

}  // namespace diagnose
