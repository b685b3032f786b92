#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/observations.hpp"

namespace diagnose {

// "587, 465"; with "or" as the last word "587 or 465"
[[nodiscard]] std::string port_list(const std::vector<std::uint16_t>& ports,
                                    std::string_view last = "");

// Send through a smarthost on a port that was seen open elsewhere; nothing without one.
[[nodiscard]] Fix use_smarthost(const Observations& seen);

// The access provider's own submission server, where it is known and its port was seen open.
[[nodiscard]] Fix use_provider(const Observations& seen);

// Another port of a smarthost that this host does not let out on the configured one: that takes no
// change of rules. No steps where none was seen to speak, or where another is to blame.
[[nodiscard]] Fix use_other_port(const Observations& seen, const SmarthostReport& smarthost);

// The rest of what to do about a configured smarthost that failed. What the headline says is not
// said again.
[[nodiscard]] Fix fix_smarthost(const Observations& seen, const Report& report,
                                const SmarthostReport& smarthost);

}  // namespace diagnose
