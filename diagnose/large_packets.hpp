#pragma once

#include <optional>
#include <set>
#include <string>

#include "diagnose/observations.hpp"

// A path that loses large packets: a wrong MTU behind a filter of ICMP. Connects, greetings and
// EHLO fit into small ones; a server's certificates do not. Pure.
namespace diagnose {

// Operators whose TLS handshake began and was never ended, though there was time for it.
[[nodiscard]] std::set<std::string> hung_handshakes(const Observations& seen,
                                                    net::Family family = net::Family::any);

// Several unrelated ones, and no handshake came to an end.
[[nodiscard]] bool large_packets_lost(const Observations& seen);

// The family over which several hang, and hardly any does not, whose handshakes over the other
// family come to an end.
[[nodiscard]] std::optional<net::Family> lossy_family(const Observations& seen);

inline constexpr const char* large_packets_name = "a link that loses large packets (MTU)";

// How to have large packets pass; of one family where the other one has no such fault.
[[nodiscard]] Fix packet_size_fix(net::Family family = net::Family::any);

}  // namespace diagnose
