#pragma once

#include <cstdint>

#include "base/clock.hpp"
#include "delivery/options.hpp"

namespace delivery {

// How long to wait after the attempt that made `attempts` in all. Steps follow the schedule, the
// last one repeats. An unknown outcome takes the next-but-one step, because a repeated attempt may
// make a duplicate. jitter in [-1, 1] moves the wait by up to a tenth, so that mail deferred
// together does not come back together.
[[nodiscard]] base::Duration retry_delay(const RetryOptions& options, std::uint32_t attempts,
                                         bool unknown, double jitter);

// Nothing that delivery decides to wait for is further away: the longest step with its jitter, or
// the longest rest of a smarthost.
[[nodiscard]] base::Duration longest_wait(const RetryOptions& options);

// A random jitter for retry_delay().
[[nodiscard]] double random_jitter();

}  // namespace delivery
