#pragma once

#include "diagnose/observations.hpp"
#include "diagnose/smarthost_blame.hpp"

namespace diagnose {

// Whom to ask to let a smarthost's port through that this network stops, and over which family it
// is of use meanwhile. Pure.
void add_port_steps(const Observations& seen, const SmarthostReport& smarthost,
                    const SmarthostBlame& blame, Fix& fix);

}  // namespace diagnose
