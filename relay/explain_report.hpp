#pragma once

#include <string>
#include <vector>

#include "diagnose/explain.hpp"
#include "relay/output.hpp"

namespace relay {

// For people: each trouble with its cause and fix.
[[nodiscard]] std::string explain_text(const std::vector<diagnose::Explanation>& found,
                                       const Terminal& terminal);
// One object, of the most telling explanation, with a line end.
[[nodiscard]] std::string explain_json(const std::vector<diagnose::Explanation>& found);

}  // namespace relay
