#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "smtp/report.hpp"

namespace smtp {

// The subject of a report, and the part for people: what happened, to whom, and what to do next.
[[nodiscard]] std::string report_subject(const ReportInput& input, ReportAction action);
[[nodiscard]] std::string report_text(const ReportInput& input);

// On one line of valid UTF-8: control characters of ASCII as blanks, hidden ones and other bytes as
// base::printable() shows them. So nothing given to a report can add a field to it, or look like
// what it is not. Cut behind limit bytes.
[[nodiscard]] std::string one_safe_line(std::string_view text,
                                        std::size_t limit = std::string_view::npos);

}  // namespace smtp
