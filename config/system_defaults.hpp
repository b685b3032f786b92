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

// The system's configuration, which the packaged service reads.
inline constexpr const char* system_file = "/etc/relay/relay.toml";

// $STATE_DIRECTORY (its first entry). Then, with the system's configuration, /var/lib/relay for
// everybody, so that who looks at the service looks at its spool. With others
// $XDG_STATE_HOME/relay, and without that /var/lib/relay for root and ~/.local/state/relay for
// others.
[[nodiscard]] base::Result<DefaultDirectory> default_spool_directory(
    const Lookup& lookup, bool root, const std::filesystem::path& file);

}  // namespace config
