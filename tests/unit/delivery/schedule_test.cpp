#include "delivery/schedule.hpp"

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;

TEST_CASE("the wait follows the schedule and its last step repeats", "[delivery]") {
    delivery::RetryOptions options;
    options.steps = {30s, 2min, 5min};
    struct Case {
        std::uint32_t attempts;
        bool unknown;
        base::Duration wait;
    };
    const Case c = GENERATE(values<Case>({
        {1, false, 30s},
        {2, false, 2min},
        {3, false, 5min},
        {4, false, 5min},
        {1000, false, 5min},
        {1, true, 2min},  // an unknown outcome takes the next-but-one step
        {2, true, 5min},
        {3, true, 5min},
        {0, false, 30s},
    }));
    CAPTURE(c.attempts, c.unknown);
    REQUIRE(delivery::retry_delay(options, c.attempts, c.unknown, 0) == c.wait);
}

TEST_CASE("jitter moves a wait by at most a tenth", "[delivery]") {
    delivery::RetryOptions options;
    options.steps = {100s};
    REQUIRE(delivery::retry_delay(options, 1, false, 1.0) == 110s);
    REQUIRE(delivery::retry_delay(options, 1, false, -1.0) == 90s);
    REQUIRE(delivery::retry_delay(options, 1, false, 7.0) == 110s);
    for (int i = 0; i < 1000; ++i) {
        const double jitter = delivery::random_jitter();
        REQUIRE(jitter >= -1.0);
        REQUIRE(jitter <= 1.0);
    }
}
