#pragma once

#include <optional>
#include <string>

#include "diagnose/observations.hpp"

// What is wrong where names do not resolve. Pure.
namespace diagnose {

// Unrelated operators at one and the same address: the resolver lies, as a portal's or a filter's.
[[nodiscard]] bool one_address_for_all(const Observations& seen);

// Names that are known to exist do not: a resolver that knows nothing, or a portal's.
[[nodiscard]] bool no_name_known(const Observations& seen);

// A configured smarthost's name was found: some names do resolve.
[[nodiscard]] bool smarthost_name_known(const Observations& seen);

// The name servers answer, and public names are not what they should be: a server for the inside
// only, a filter or a portal, and no broken resolver.
[[nodiscard]] bool names_are_hidden(const Observations& seen);

// Each name server failed at once and nobody has read this host's rules: one of them may stop the
// look-ups.
[[nodiscard]] bool look_ups_may_be_stopped_here(const Observations& seen);

// A mail server was connected to: neither its name nor the network is at fault.
[[nodiscard]] bool was_reached(const SmarthostStages& stages);

// All of them, outside this host, have addresses of this one family, which this host has no way to.
[[nodiscard]] std::optional<net::Family> unroutable_name_servers(const Observations& seen);

// The headline of dns-broken.
[[nodiscard]] std::string name_fault_words(const Observations& seen);

}  // namespace diagnose
