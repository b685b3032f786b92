#pragma once

#include <string>
#include <string_view>

#include "diagnose/report.hpp"

namespace diagnose {

// One self-contained page: nothing is fetched, no script runs (its own policy forbids both), and
// every text of the report is escaped, banners and replies of strangers above all. command repeats
// the diagnosis; "": none is named.
[[nodiscard]] std::string report_html(const Report& report, const std::string& command);

// Style sheet of the page, built in (report.css).
[[nodiscard]] std::string_view report_css();

}  // namespace diagnose
