#pragma once

#include "diagnose/observations.hpp"

// Advice on what comes before any question about mail. Pure.
namespace diagnose {

[[nodiscard]] Fix no_network_fix(const Observations& seen);
// Names do not resolve.
[[nodiscard]] Fix dns_fix(const Observations& seen);

}  // namespace diagnose
