#include "relay/diagnose_ask.hpp"

#include "config/settings.hpp"
#include "tests/support/catch.hpp"

TEST_CASE("a smarthost on this host may be given a password in clear, however it is spelt",
          "[relay]") {
    config::Settings settings;
    for (const char* host : {"localhost", "LocalHost", "127.0.0.1", "mail.example.org"}) {
        settings.delivery.smarthosts.emplace_back().host = host;
    }
    const diagnose::OutboundAsk ask = relay::outbound_ask(settings);
    REQUIRE(ask.smarthosts.size() == 4);
    CHECK(ask.smarthosts[0].allow_plaintext_auth);
    CHECK(ask.smarthosts[1].allow_plaintext_auth);
    CHECK(ask.smarthosts[2].allow_plaintext_auth);
    CHECK_FALSE(ask.smarthosts[3].allow_plaintext_auth);
}
