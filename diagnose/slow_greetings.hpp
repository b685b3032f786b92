#pragma once

#include "diagnose/observations.hpp"

// Mail servers that take the connection and say nothing. Pure.
namespace diagnose {

// All that answers on port 25 is mute, and as far away as the servers are: nobody in between shows.
[[nodiscard]] bool mute_from_afar(const Observations& seen);

// And it was listened to for so short a time that it may only be slow.
[[nodiscard]] bool slow_from_afar(const Observations& seen);

}  // namespace diagnose
