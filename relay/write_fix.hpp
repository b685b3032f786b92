#pragma once

#include <filesystem>

#include "diagnose/report.hpp"

namespace relay {

// Where a configuration is put that there is none of yet: /etc/relay/relay.toml for root, the
// user's own otherwise.
[[nodiscard]] std::filesystem::path default_config_file();

// Offers to put the report's fix into the file: shows each line that would change, asks (unless
// yes), and writes. Tells on standard error what came of it. False when a fix was there, was
// wanted, and could not be written.
[[nodiscard]] bool write_fix(const diagnose::Report& report, const std::filesystem::path& file,
                             bool yes);

}  // namespace relay
