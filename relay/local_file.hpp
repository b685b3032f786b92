#pragma once

#include <string>

#include "base/result.hpp"

namespace relay {

// All of a file that the command line names. The error says which and why; a folder is one, too.
[[nodiscard]] base::Result<std::string> read_local_file(const std::string& path);
// Its first line, without its end.
[[nodiscard]] base::Result<std::string> read_first_line(const std::string& path);

}  // namespace relay
