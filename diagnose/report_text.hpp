#pragma once

#include <string>

#include "diagnose/report.hpp"

namespace diagnose {

struct TextStyle {
    bool color = false;
    std::size_t width = 0;  // columns to fold at; 0: no folding
    bool evidence = false;  // each observation below its check, and the paths hop by hop
    std::string retest;     // the command that repeats this diagnosis; "": none is named
};

// For people: headline, cause, what to do, findings, then the checks.
[[nodiscard]] std::string report_text(const Report& report, const TextStyle& style);

}  // namespace diagnose
