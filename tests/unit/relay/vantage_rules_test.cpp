#include "relay/vantage_rules.hpp"

#include "tests/support/catch.hpp"

using relay::asking_address;
using relay::requested_ports;
using relay::VantageLimits;
using Seconds = std::chrono::seconds;

TEST_CASE("a vantage tests the address that asks and no other", "[vantage]") {
    const std::vector<net::Cidr> nobody;
    const std::vector<net::Cidr> proxies{*net::Cidr::parse("127.0.0.1"),
                                         *net::Cidr::parse("10.0.0.0/8")};
    CHECK(*asking_address("192.0.2.1", "", nobody) == "192.0.2.1");
    CHECK(*asking_address("192.0.2.1", "198.51.100.9", nobody) == "192.0.2.1");
    CHECK(*asking_address("::ffff:192.0.2.1", "", nobody) == "192.0.2.1");
    CHECK(*asking_address("2001:db8::1", "", nobody) == "2001:db8::1");
    // Not from a proxy: whatever it says of others is not believed.
    CHECK(*asking_address("192.0.2.1", "198.51.100.9", proxies) == "192.0.2.1");
    CHECK(*asking_address("127.0.0.1", "192.0.2.1", proxies) == "192.0.2.1");
    CHECK(*asking_address("::ffff:127.0.0.1", "192.0.2.1", proxies) == "192.0.2.1");
    // What a client put there itself comes before what the proxy saw.
    CHECK(*asking_address("127.0.0.1", "198.51.100.9, 192.0.2.1", proxies) == "192.0.2.1");
    CHECK(*asking_address("127.0.0.1", "192.0.2.1, 10.0.0.7", proxies) == "192.0.2.1");
    for (const char* forwarded : {"", "unknown", "192.0.2.1, junk", "10.0.0.1", "192.0.2.1:80"}) {
        CAPTURE(forwarded);
        CHECK(asking_address("127.0.0.1", forwarded, proxies).has_error());
    }
    CHECK(asking_address("unix", "", nobody).has_error());
}

TEST_CASE("a vantage tests mail ports only", "[vantage]") {
    using Ports = std::vector<std::uint16_t>;
    CHECK(*requested_ports("/probe") == Ports{25, 465, 587, 2525});
    CHECK(*requested_ports("/probe?ports=25") == Ports{25});
    CHECK(*requested_ports("/probe?ports=587,25,587") == Ports{587, 25});
    for (const char* target :
         {"/", "/probe/", "/probe?ports=", "/probe?ports=22", "/probe?ports=25,80",
          "/probe?ports=+25", "/probe?ports=025x", "/probe?address=192.0.2.1",
          "http://elsewhere/probe", "/probe?ports=25&address=192.0.2.1"}) {
        CAPTURE(target);
        CHECK(requested_ports(target).has_error());
    }
}

TEST_CASE("a vantage is slow to be abused", "[vantage]") {
    VantageLimits limits{{2, Seconds{60}}, {4, Seconds{60}}};
    const VantageLimits::Time start{Seconds{1000}};
    CHECK(limits.admit("192.0.2.1", start) == 0);
    CHECK(limits.admit("192.0.2.1", start + Seconds{10}) == 0);
    CHECK(limits.admit("192.0.2.1", start + Seconds{20}) == 40);  // when the first is forgotten
    CHECK(limits.admit("192.0.2.2", start + Seconds{20}) == 0);   // another address is not affected
    // IPv6 hosts have as many addresses as they like within their /64.
    CHECK(limits.admit("2001:db8::1", start + Seconds{21}) == 0);
    CHECK(limits.admit("2001:db8:0:0:9::2", start + Seconds{22}) > 0);  // four in all
    CHECK(limits.admit("192.0.2.1", start + Seconds{61}) == 0);
    CHECK(limits.admit("2001:db8:0:0:9::2", start + Seconds{90}) == 0);
    CHECK(limits.admit("2001:db8::3", start + Seconds{91}) == 0);
    CHECK(limits.admit("2001:db8::4", start + Seconds{92}) > 0);
}
