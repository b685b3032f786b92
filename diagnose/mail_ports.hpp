#pragma once

#include <cstdint>
#include <vector>

namespace diagnose {

// Puts ports in the order to try them: 587, 465, 2525, then the others.
void sort_by_preference(std::vector<std::uint16_t>& ports);

}  // namespace diagnose
