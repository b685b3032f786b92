#pragma once

#include <string>

#include "diagnose/report.hpp"

namespace relay {

// For a shell to take as one word.
[[nodiscard]] std::string shell_quoted(const std::string& word);

// A command that the advice names, `relay diagnose --timeout 60s`, is to look at the configuration
// that this run looked at: it gets --config FILE. Nothing for "", the usual file. Pure.
void name_config(diagnose::Report& report, const std::string& file);

}  // namespace relay
