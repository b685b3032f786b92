#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// Text as a terminal shows it. All of it takes valid UTF-8 (base::printable() makes it so).
namespace base {

// Columns that text takes on a terminal: wide characters two, combining ones none.
[[nodiscard]] std::size_t display_width(std::string_view text);
// At most width columns; what is cut is shown by "…".
[[nodiscard]] std::string truncated(std::string_view text, std::size_t width);
// Lines of at most width columns, broken at blanks; a longer word stays whole, so that addresses
// and commands can be copied. Line ends in text are kept. 0: no limit.
[[nodiscard]] std::vector<std::string> folded(std::string_view text, std::size_t width);

}  // namespace base
