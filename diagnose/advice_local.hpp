#pragma once

#include <cstdint>

#include "diagnose/observations.hpp"

namespace diagnose {

// Adds the rule that stops a port on this host and the commands that let it out, or where to look.
void add_local_steps(const Observations& seen, const LocalSigns& local, const RuleMatch* rule,
                     std::uint16_t port, Fix& fix);

}  // namespace diagnose
