#pragma once

#include <cstdint>
#include <deque>

#include "base/clock.hpp"

namespace relay {

// How much happened in the last minute, from totals, which only grow, looked at now and then. Times
// are base::uptime(): setting the clock changes no minute.
class RecentRates {
 public:
    struct Totals {
        std::uint64_t accepted = 0, delivered = 0;
    };
    static constexpr base::Duration window = std::chrono::minutes{1};
    static constexpr base::Duration interval = std::chrono::seconds{5};  // between samples

    void sample(base::Duration now, Totals totals);
    // What has come on top since one window ago, or since the first sample.
    [[nodiscard]] Totals recent(base::Duration now, Totals totals) const;

 private:
    struct Sample {
        base::Duration at;
        Totals totals;
    };
    std::deque<Sample> samples_;  // the first one is the last that is a window old
};

}  // namespace relay
