#pragma once

#include <string>

#include "relay/api_view.hpp"
#include "relay/output.hpp"

namespace relay {

// One screen from the answer of /api/v1/status.
[[nodiscard]] std::string status_text(const ApiView& status, const Terminal& terminal,
                                      base::Time now);

// One smarthost's health in words: "ok for 3m 20s", "paused: 535 …; next try in 30s".
[[nodiscard]] std::string smarthost_health(const ApiView& smarthost, base::Time now);

}  // namespace relay
