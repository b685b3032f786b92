#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/result.hpp"

namespace config {

// The host's full name as the system knows it, "localhost" when it knows none. Asked once.
[[nodiscard]] const std::string& system_hostname();

struct DefaultDirectory {
    std::filesystem::path path;
    std::string source;  // "$STATE_DIRECTORY", "default"
};
using Lookup = std::function<std::string(const char* variable)>;  // "" when unset

[[nodiscard]] std::string environment(const char* variable);

// $STATE_DIRECTORY (its first entry), $XDG_STATE_HOME/relay, ~/.local/state/relay, and for root
// without any of the first two /var/lib/relay.
[[nodiscard]] base::Result<DefaultDirectory> default_spool_directory(const Lookup& lookup,
                                                                     bool root);

}  // namespace config
