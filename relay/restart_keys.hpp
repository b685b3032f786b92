#pragma once

#include <string>
#include <vector>

#include "config/settings.hpp"

namespace relay {

// The keys that differ between the two and that a running relay cannot take over.
[[nodiscard]] std::vector<std::string> needing_restart(const config::Settings& running,
                                                       const config::Settings& fresh);

}  // namespace relay
