#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace delivery {

enum class Health : std::uint8_t { untried, ok, failing, paused };  // paused: sign-in was refused

// One smarthost as status, page and metrics show it.
struct SmarthostStatus {
    std::string name, host;
    std::uint16_t port = 0;  // last one that worked, else the first to try
    Health health = Health::untried;
    std::string problem;              // the last failure; "" when ok
    std::string advice;               // what the reply catalogue says about it, "" when nothing
    std::optional<base::Time> since;  // of the present health
    std::optional<base::Time> next_attempt;  // when paused or failing
    std::string tls, auth;                   // of the last good session
    std::uint32_t connections = 0;
    std::uint64_t delivered = 0, deferred = 0, failed = 0,
                  unknown = 0;  // recipients, since the start
    std::uint64_t sessions = 0, resumed_sessions = 0;
};

struct Status {
    std::vector<SmarthostStatus> smarthosts;
    std::uint32_t active = 0;     // messages leased to delivery
    std::uint64_t delivered = 0;  // recipients since the start, also by what a reload took out
};

[[nodiscard]] std::string_view health_name(Health health);

}  // namespace delivery
