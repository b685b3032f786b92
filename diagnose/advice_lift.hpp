#pragma once

#include "diagnose/observations.hpp"

// Advice on having a closed port 25 opened. Pure.
namespace diagnose {

// By whom, where and how, as far as the cause tells; without a title where nobody can be asked.
[[nodiscard]] Fix lift_block(const Observations& seen, const Cause& cause);
// A cloud that opens it for nobody.
[[nodiscard]] bool never_lifted(const Observations& seen, const Cause& cause);

}  // namespace diagnose
