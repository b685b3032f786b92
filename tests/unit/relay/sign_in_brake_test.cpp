#include "relay/sign_in_brake.hpp"

#include "tests/support/catch.hpp"

using relay::SignInBrake;
using namespace std::chrono_literals;

TEST_CASE("twenty failed sign-ins in a minute are enough for a client", "[relay]") {
    SignInBrake brake;
    const SignInBrake::Moment start{};
    for (std::uint32_t i = 0; i < SignInBrake::most_failed; ++i) {
        CHECK_FALSE(brake.blocks("192.0.2.7", start + 59s));
        brake.note_failure("192.0.2.7", start + i * 1s);
    }
    CHECK(brake.blocks("192.0.2.7", start + 59s));
    CHECK_FALSE(brake.blocks("192.0.2.8", start + 59s));
    CHECK_FALSE(brake.blocks("192.0.2.7", start + 60s));
    brake.note_failure("192.0.2.7", start + 60s);
    CHECK_FALSE(brake.blocks("192.0.2.7", start + 60s));
}

TEST_CASE("a network of IPv6 guesses as one client", "[relay]") {
    SignInBrake brake;
    const SignInBrake::Moment now{};
    for (std::uint32_t i = 0; i < SignInBrake::most_failed; ++i) {
        brake.note_failure("2001:db8::" + std::to_string(i + 1), now);
    }
    CHECK(brake.blocks("2001:db8::ffff", now));
    CHECK_FALSE(brake.blocks("2001:db8:0:1::1", now));
}
