#pragma once

#include "base/result.hpp"
#include "config/settings.hpp"

namespace relay {

// The server: everything that `relay run` starts, until SIGTERM or SIGINT has ended it cleanly. The
// error says what kept it from starting.
[[nodiscard]] base::Result<> run_service(config::Settings settings);

}  // namespace relay
