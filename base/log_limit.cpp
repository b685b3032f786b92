#include "base/log_limit.hpp"

#include <utility>

namespace base {

bool LogLimit::may_write(Duration now) {
    if (now >= over()) {
        begun_ = now;
        written_ = 0;
    }
    if (written_ == most) {
        ++left_out_;
        return false;
    }
    ++written_;
    return true;
}

std::uint64_t LogLimit::take_left_out(Duration now) { return now < over() ? 0 : take_left_out(); }

std::uint64_t LogLimit::take_left_out() { return std::exchange(left_out_, 0); }

}  // namespace base
