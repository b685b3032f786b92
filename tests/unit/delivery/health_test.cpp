#include "delivery/health.hpp"

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using delivery::Health;
using delivery::SmarthostHealth;

namespace {
const base::Time start{std::chrono::hours{24 * 365 * 50}};
}

TEST_CASE("a refused sign-in rests for a doubling while, an hour at most", "[delivery]") {
    SmarthostHealth health{30s};
    base::Time now = start;
    for (const base::Duration rest : {30s, 60s, 120s, 240s, 480s, 960s, 1920s, 3600s, 3600s}) {
        health.sign_in_refused(now, "535");
        REQUIRE(health.state() == Health::paused);
        REQUIRE_FALSE(health.usable(now));
        REQUIRE_FALSE(health.usable(now + rest - 1ms));
        REQUIRE(health.usable(now + rest));
        now += rest;
    }
}

TEST_CASE("connection trouble rests for five minutes at most", "[delivery]") {
    SmarthostHealth health{30s};
    for (int i = 0; i < 20; ++i) health.failed(start, "connection refused");
    REQUIRE(health.state() == Health::failing);
    REQUIRE(*health.next_attempt() == start + 5min);
}

TEST_CASE("success ends a rest and its growth", "[delivery]") {
    SmarthostHealth health{30s};
    health.failed(start, "timeout");
    health.failed(start, "timeout");
    health.succeeded(start);
    REQUIRE(health.state() == Health::ok);
    REQUIRE(health.usable(start));
    REQUIRE_FALSE(health.on_trial());
    REQUIRE(health.problem().empty());
    health.failed(start, "timeout");
    REQUIRE(*health.next_attempt() == start + 30s);
}

TEST_CASE("trying at once stays a trial until it succeeds", "[delivery]") {
    SmarthostHealth health{30s};
    health.sign_in_refused(start, "535");
    health.try_at_once();
    REQUIRE(health.usable(start));
    REQUIRE(health.on_trial());
    health.sign_in_refused(start, "535");
    REQUIRE(*health.next_attempt() == start + 30s);
}

TEST_CASE("connection trouble after refused sign-ins starts its rest anew", "[delivery]") {
    SmarthostHealth health{30s};
    for (int i = 0; i < 5; ++i) health.sign_in_refused(start, "535");
    health.failed(start, "connection refused");
    REQUIRE(*health.next_attempt() == start + 30s);
}

TEST_CASE("other trouble between refused sign-ins does not shorten their rest", "[delivery]") {
    using smtp::Stage;
    const Stage between = GENERATE(Stage::connect, Stage::greeting, Stage::auth);  // auth: a 454
    SmarthostHealth health{30s};
    base::Time now = start;
    base::Duration before{};
    for (int i = 0; i < 12; ++i) {
        health.sign_in_refused(now, "535");
        const base::Duration rest = *health.next_attempt() - now;
        REQUIRE((rest >= 2 * before || rest == 1h));
        REQUIRE(health.first_in_a_row() == (i == 0));
        before = rest;
        now = *health.next_attempt();
        health.failed(now, "421 or 454", between);
        now = *health.next_attempt();
    }
    REQUIRE(before == 1h);
}

TEST_CASE("a sign-in that cannot be judged rests for five minutes at most", "[delivery]") {
    SmarthostHealth health{30s};
    for (int i = 0; i < 20; ++i) health.failed(start, "454", smtp::Stage::auth);
    REQUIRE(health.state() == Health::failing);
    REQUIRE(*health.next_attempt() == start + 5min);
}

TEST_CASE("a clock that is set back does not prolong a rest by a day", "[delivery]") {
    SmarthostHealth health{30s};
    health.sign_in_refused(start, "535");
    REQUIRE(health.usable(start - 24h));
    REQUIRE_FALSE(health.usable(start - 5s));
    health.try_at_once();
    REQUIRE(health.usable(start - 24h));
}
