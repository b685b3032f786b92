#pragma once

#include <string_view>

#include "diagnose/observations.hpp"

// Advice on port 25 itself, by the way in which it is closed. Pure.
namespace diagnose {

// A rule of this host, over this family (any: over both).
[[nodiscard]] Fix open_here(const Observations& seen, net::Family family);
// What ends this way of closing port 25, or that nothing does; no title where nobody can be asked.
[[nodiscard]] Fix lift(const Observations& seen, VerdictCode code, net::Family family,
                       const Cause& cause);
// What is missing for a verdict, and how to have it.
[[nodiscard]] Fix inconclusive_fix(const Observations& seen);
[[nodiscard]] Fix hopeless_fix();
// Where no port of any provider can be offered: they open, and what answers is no mail server.
[[nodiscard]] Fix useless_ports_fix(const Observations& seen);

inline constexpr std::string_view no_help_title = "What will not help";
[[nodiscard]] Fix not_helpful(const Observations& seen, const Cause& cause);

}  // namespace diagnose
