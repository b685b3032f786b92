#pragma once

#include <string>

#include "smtp/report.hpp"

namespace smtp {

// The subject of a report, and the part for people: what happened, to whom, and what to do next.
[[nodiscard]] std::string report_subject(const ReportInput& input, ReportAction action);
[[nodiscard]] std::string report_text(const ReportInput& input);

// On one line, control characters as blanks: nothing given to a report can add a field to it.
[[nodiscard]] std::string one_safe_line(std::string_view text);

}  // namespace smtp
