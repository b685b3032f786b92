#pragma once

#include "diagnose/firewall_rules.hpp"

namespace diagnose {

// Whether the packet of the question meets a condition. Once `marked`, marks are anybody's guess.
[[nodiscard]] Truth evaluate(const Condition& condition, const RuleQuestion& question, bool marked);

}  // namespace diagnose
