#include "base/log_limit.hpp"

#include "tests/support/catch.hpp"

using base::LogLimit;
using std::literals::chrono_literals::operator""h;
using std::literals::chrono_literals::operator""s;
using std::literals::chrono_literals::operator""ms;

namespace {

unsigned written(LogLimit& limit, unsigned lines, base::Duration now) {
    unsigned count = 0;
    for (unsigned i = 0; i < lines; ++i) {
        if (limit.may_write(now)) ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("lines of a kind are held to so many a minute, and the others counted", "[base]") {
    LogLimit limit;
    CHECK(written(limit, 5, 0s) == 5);
    CHECK(written(limit, 500, 30s) == LogLimit::most - 5);
    CHECK(limit.left_out() == 485);
    CHECK(limit.over() == 60s);
    CHECK(limit.take_left_out(59999ms) == 0);
    CHECK(limit.take_left_out(60s) == 485);
    CHECK(limit.take_left_out(60s) == 0);
    CHECK(written(limit, 30, 60s) == LogLimit::most);
    CHECK(limit.over() == 120s);
    CHECK(limit.take_left_out() == 10);  // nobody waits for the end of the minute
    CHECK(limit.take_left_out(120s) == 0);
}

TEST_CASE("a few lines now and then are all written", "[base]") {
    LogLimit limit;
    for (unsigned hour = 0; hour < 100; ++hour) {
        CHECK(limit.take_left_out(hour * 1h) == 0);
        CHECK(written(limit, 3, hour * 1h) == 3);
    }
}
