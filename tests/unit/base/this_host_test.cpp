#include "base/this_host.hpp"

#include "tests/support/catch.hpp"

TEST_CASE("what stays on this host", "[base]") {
    for (const char* local : {"localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1",
                              "::ffff:127.0.0.1", "unix:/run/x"}) {
        CAPTURE(local);
        CHECK(base::is_this_host(local));
    }
    for (const char* remote : {"", "0.0.0.0", "::", "128.0.0.1", "localhost.example.com",
                               "12.7.0.1", "::2", "127.example.com", "127.1", "mail"}) {
        CAPTURE(remote);
        CHECK_FALSE(base::is_this_host(remote));
    }
}

TEST_CASE("loopback addresses are not names", "[base]") {
    CHECK(base::is_loopback_address("127.0.0.1"));
    CHECK(base::is_loopback_address("::ffff:7f00:1"));
    CHECK_FALSE(base::is_loopback_address("localhost"));
    CHECK_FALSE(base::is_loopback_address("unix:/run/x"));
    CHECK_FALSE(base::is_loopback_address(std::string_view{"127.0.0.1\0.example", 18}));
}
