#include "relay/gateway.hpp"

#include <sstream>

#include "tests/support/catch.hpp"

using Gateways = std::vector<std::string>;

TEST_CASE("the IPv4 gateway is the next hop of the default route", "[relay]") {
    std::istringstream routes{
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"  // on the link
        "eth0\t00000000\t00000000\t0001\t0\t0\t9\t00000000\t0\t0\t0\n"  // no next hop
        "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"  // docker0's
        "eth0\t00000000\tNONSENSE\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0000000A\t0101A8C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n"  // of one network
        "\n"};
    Gateways gateways;
    relay::add_ipv4_gateways(routes, gateways);
    CHECK(gateways == Gateways{"172.17.0.1"});
}

TEST_CASE("the IPv6 gateway is the next hop of the default route", "[relay]") {
    const std::string zeros(32, '0');
    const std::string rest = " 00000400 00000001 00000000 00000003     eth0\n";
    const std::string next = "fd000000000000000000000000000001";
    std::istringstream routes{"fd000000000000000000000000000000 40 " + zeros + " 00 " + zeros +
                              rest + zeros + " 00 " + zeros + " 00 " + zeros + rest + zeros +
                              " 00 " + zeros + " 00 " + next + rest + zeros + " 03 " + zeros +
                              " 00 " + next + rest + "short\n"};
    Gateways gateways;
    relay::add_ipv6_gateways(routes, gateways);
    CHECK(gateways == Gateways{"fd00::1"});
}
