#pragma once

#include <ctime>

#include "base/clock.hpp"

namespace base {

// Time that passes also while somebody sets the wall clock, and while the machine sleeps; its start
// means nothing.
[[nodiscard]] inline Duration uptime() {
    std::timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return std::chrono::floor<Duration>(std::chrono::seconds{time.tv_sec} +
                                        std::chrono::nanoseconds{time.tv_nsec});
}

}  // namespace base
