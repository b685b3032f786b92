#pragma once

#include "diagnose/observations.hpp"

// The checks of make_checks() that are about the way to the mail servers. Pure.
namespace diagnose {

// How far port 25 gets.
[[nodiscard]] Check path_check(const Observations& seen, const Report& report);

// Whether port 25 is answered from the server's place.
[[nodiscard]] Check answer_check(const Observations& seen);

}  // namespace diagnose
