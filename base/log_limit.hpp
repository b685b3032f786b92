#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.hpp"

namespace base {

// Holds the log lines of one kind to so many a minute, for a kind that strangers can cause: they
// must not be able to fill the disk, nor to hide among their own what else is logged. What is left
// out is counted. The moments are those of a clock that never goes back, such as base::uptime().
class LogLimit {
 public:
    static constexpr std::uint32_t most = 20;
    static constexpr Duration span = std::chrono::minutes{1};

    // Whether one more line may be written now. If not, it counts as left out.
    [[nodiscard]] bool may_write(Duration now);
    // How many were left out in a minute that is over, once: the next call tells 0. Asked before
    // may_write(), so that they are told before a new minute's first line.
    [[nodiscard]] std::uint64_t take_left_out(Duration now);
    // The same of a minute that is not over, as nobody will be there to ask.
    [[nodiscard]] std::uint64_t take_left_out();
    [[nodiscard]] std::uint64_t left_out() const { return left_out_; }
    // When the minute is over that the last line fell into.
    [[nodiscard]] Duration over() const { return begun_ + span; }

 private:
    Duration begun_ = -span;
    std::uint32_t written_ = 0;
    std::uint64_t left_out_ = 0;
};

}  // namespace base
