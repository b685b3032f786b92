#pragma once

#include <optional>
#include <vector>

#include "diagnose/observations.hpp"
#include "diagnose/outbound.hpp"
#include "diagnose/survey.hpp"

// What the outbound diagnosis asks next, chosen from what it has seen. Pure.
namespace diagnose {

// The smarthosts with their configured ports, and a known provider's own.
[[nodiscard]] std::vector<SmarthostTarget> targets_of(const OutboundAsk& ask);

// The address of a family whose path says most: a silent or strange one before an open one.
[[nodiscard]] const PortEvidence* to_trace(const Observations& seen, net::Family family);

// Somebody answers on its port: the server, a proxy, or a box that resets.
[[nodiscard]] bool answered(const PortEvidence& item);

// Another than the one asked answers on port 25 of an operator.
[[nodiscard]] bool stranger_answers(const Observations& seen);

// A port that this host may not let out, and which smarthost's it is; none: the operators' port 25.
struct Suspect {
    PortEvidence item;
    std::optional<std::size_t> smarthost;
};

[[nodiscard]] std::vector<Suspect> suspects_of(const Observations& seen, const OutboundAsk& ask);

// The first open address of each port of a smarthost that is not configured.
[[nodiscard]] std::vector<PortEvidence> open_beside(const Observations& seen,
                                                    const SmarthostAsk& ask);

// What another port of the same smarthost could mend.
[[nodiscard]] bool calls_for_other_ports(const SmarthostStages& stages);

}  // namespace diagnose
