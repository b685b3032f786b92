#include "relay/recent_rates.hpp"

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using relay::RecentRates;

namespace {
const base::Duration start = std::chrono::hours{5};
}

TEST_CASE("rates are those of the last minute", "[relay]") {
    RecentRates rates;
    rates.sample(start, {0, 0});
    CHECK(rates.recent(start + 5s, {7, 3}).accepted == 7);
    CHECK(rates.recent(start + 5s, {7, 3}).delivered == 3);
    for (std::uint64_t i = 1; i <= 24; ++i) {  // ten accepted every five seconds
        rates.sample(start + i * RecentRates::interval, {10 * i, i});
    }
    const auto recent = rates.recent(start + 120s, {240, 24});
    CHECK(recent.accepted == 120);
    CHECK(recent.delivered == 12);
    for (std::uint64_t i = 25; i <= 48; ++i) {  // then nothing
        rates.sample(start + i * RecentRates::interval, {240, 24});
    }
    CHECK(rates.recent(start + 240s, {240, 24}).accepted == 0);
}
