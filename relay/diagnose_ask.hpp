#pragma once

#include "config/settings.hpp"
#include "diagnose/outbound.hpp"

namespace relay {

// What a configuration means for the outbound diagnosis.
[[nodiscard]] diagnose::OutboundAsk outbound_ask(const config::Settings& settings);
// Without a configuration: the direct part alone.
[[nodiscard]] diagnose::OutboundAsk outbound_ask();

}  // namespace relay
