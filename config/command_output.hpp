#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace config {

// The first line that a shell command writes to its standard output. Its errors go nowhere: they
// might hold what the command was to tell. The error says how it ended, never what it wrote. The
// command and all it started are killed at the limit.
[[nodiscard]] base::Result<std::string> first_line_of_command(const std::string& command,
                                                              base::Duration limit);

}  // namespace config
