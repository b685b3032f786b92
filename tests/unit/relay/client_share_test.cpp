#include "relay/client_share.hpp"

#include "tests/support/catch.hpp"

TEST_CASE("addresses of one IPv6 network count as one client, those of IPv4 each alone",
          "[relay]") {
    using relay::share_of;
    CHECK(share_of("2001:db8:1:2::1") == share_of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    CHECK(share_of("2001:db8:1:2::1") == "2001:db8:1:2::/64");
    CHECK(share_of("2001:db8:1:3::1") != share_of("2001:db8:1:2::1"));
    CHECK(share_of("192.0.2.1") == "192.0.2.1");
    CHECK(share_of("192.0.2.1") != share_of("192.0.2.2"));
    CHECK(share_of("::ffff:192.0.2.1") == share_of("192.0.2.1"));
    CHECK(share_of("fe80::1%1") != share_of("fe80::1%2"));  // of another link
    CHECK(share_of("::ffff:192.0.2.1") != share_of("::ffff:192.0.2.2"));
    CHECK(share_of("::1") == "::1");
    CHECK(share_of("unix") == "unix");
}
