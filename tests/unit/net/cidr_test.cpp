#include "net/cidr.hpp"

#include "tests/support/catch.hpp"

using net::Cidr;

TEST_CASE("a block contains its addresses and no other", "[net]") {
    struct Case {
        std::string_view block, address;
        bool inside;
    };
    const Case c = GENERATE(values<Case>({
        {"127.0.0.0/8", "127.255.255.255", true},
        {"127.0.0.0/8", "128.0.0.0", false},
        {"127.0.0.0/8", "126.255.255.255", false},
        {"10.0.0.0/9", "10.127.255.255", true},
        {"10.0.0.0/9", "10.128.0.0", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"192.0.2.7/24", "192.0.2.200", true},  // bits beyond the prefix do not count
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"::1/128", "::1", true},
        {"::1", "::2", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"127.0.0.0/8", "::ffff:127.0.0.1", true},
        {"::ffff:10.0.0.0/104", "10.9.8.7", true},
        {"127.0.0.0/8", "unix", false},
        {"127.0.0.0/8", "", false},
        {"127.0.0.0/8", "127.0.0.1:25", false},
    }));
    CAPTURE(c.block, c.address);
    const base::Result<Cidr> block = Cidr::parse(c.block);
    REQUIRE(block.has_value());
    CHECK(block->contains(c.address) == c.inside);
}

TEST_CASE("what is no block is refused with the text in question", "[net]") {
    const std::string text = GENERATE("", "/8", "localhost", "127.0.0.1/", "127.0.0.1/33",
                                      "::1/129", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0/8");
    CAPTURE(text);
    const base::Result<Cidr> block = Cidr::parse(text);
    REQUIRE(!block.has_value());
    CHECK(block.error().message.find('"' + text + '"') != std::string::npos);
}

TEST_CASE("a block is shown with its own bits only", "[net]") {
    CHECK(Cidr::parse("192.0.2.7/24")->text() == "192.0.2.0/24");
    CHECK(Cidr::parse("192.0.2.7")->text() == "192.0.2.7/32");
    CHECK(Cidr::parse("2001:DB8::1/32")->text() == "2001:db8::/32");
    CHECK(Cidr::parse("::ffff:10.1.2.3/104")->text() == "10.0.0.0/8");
}

TEST_CASE("loopback is known for blocks and addresses", "[net]") {
    CHECK(Cidr::parse("127.0.0.0/8")->loopback());
    CHECK(Cidr::parse("127.0.0.1")->loopback());
    CHECK(Cidr::parse("::1")->loopback());
    CHECK_FALSE(Cidr::parse("126.0.0.0/7")->loopback());
    CHECK_FALSE(Cidr::parse("::/127")->loopback());
    CHECK_FALSE(Cidr::parse("0.0.0.0/0")->loopback());
    CHECK(net::is_loopback_address("127.8.9.1"));
    CHECK(net::is_loopback_address("::1"));
    CHECK(net::is_loopback_address("::ffff:127.0.0.1"));
    CHECK_FALSE(net::is_loopback_address("192.0.2.1"));
    CHECK_FALSE(net::is_loopback_address("localhost"));
}
