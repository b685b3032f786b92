#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"

namespace diagnose {

struct ProbeOptions {
    bool enabled = true;
    std::vector<std::string> targets;  // mail domains or "host:port"; empty: the built-in quorum
    base::Duration timeout = std::chrono::seconds{5};
    base::Duration interval = std::chrono::minutes{15};
    bool ipv4 = true, ipv6 = true;
};

}  // namespace diagnose
