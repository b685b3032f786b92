#pragma once

#include <functional>
#include <vector>

#include "diagnose/observations.hpp"

namespace diagnose {

// What to do about the configured smarthosts that failed. Ports first: they need no root and nobody
// else, and each is a way of its own beside the rest.
struct SmarthostFixes {
    std::vector<Fix> ports, rest;
    bool about_first = false;  // the first of the ports is of the report's first smarthost
};

// Of those chosen, by their place in the report. What several of them need is said once.
[[nodiscard]] SmarthostFixes fix_smarthosts(const Observations& seen, const Report& report,
                                            const std::function<bool(std::size_t)>& chosen);

}  // namespace diagnose
