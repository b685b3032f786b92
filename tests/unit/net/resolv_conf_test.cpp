#include "net/resolv_conf.hpp"

#include "tests/support/catch.hpp"

TEST_CASE("resolv.conf is read as resolv.conf(5) has it", "[net]") {
    const net::ResolvConf conf = net::parse_resolv_conf(
        "# nameserver 192.0.2.1\n; nameserver 192.0.2.2\nsearch example.com\n"
        "nameserver 192.0.2.53\nnameserver\t2001:db8::53 \nnameservers 192.0.2.3\n"
        "options ndots:2 timeout:1\n");
    CHECK(conf.servers == std::vector<std::string>{"192.0.2.53", "2001:db8::53"});
    CHECK_FALSE(conf.use_vc);
    CHECK(net::parse_resolv_conf("").servers.empty());
}

TEST_CASE("questions by TCP are asked for in resolv.conf or the environment", "[net]") {
    CHECK(net::parse_resolv_conf("options ndots:1 use-vc\n").use_vc);
    CHECK(net::parse_resolv_conf("options ndots:1\noptions use-vc").use_vc);
    CHECK(net::parse_resolv_conf("", "rotate use-vc").use_vc);
    CHECK_FALSE(net::parse_resolv_conf("# options use-vc\n").use_vc);
    CHECK(net::parse_resolv_conf("options timeout:1 rotate\n").rotate);
    CHECK_FALSE(net::parse_resolv_conf("options use-vc\n").rotate);
    CHECK_FALSE(net::parse_resolv_conf("nameserver use-vc\n", "rotate").use_vc);
}
