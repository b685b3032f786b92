#pragma once

#include "base/result.hpp"
#include "config/settings.hpp"

namespace relay {

// From now until the service can take it, a SIGHUP waits: it would end the process. For what comes
// before run_service(), and before any other thread.
void keep_reloads_waiting();

// The server: everything that `relay run` starts, until SIGTERM or SIGINT has ended it cleanly. The
// error says what kept it from starting.
[[nodiscard]] base::Result<> run_service(config::Settings settings);

}  // namespace relay
