#include <cerrno>
#include <string>
#include <vector>

#include "diagnose/inbound/facts.hpp"
#include "diagnose/inbound/inbound.hpp"
#include "tests/support/catch.hpp"

// What the kernel, a configuration and a vantage say about receiving mail, as it is read.

TEST_CASE("listeners are read from the kernel's tables", "[inbound]") {
    const std::string table =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        "   0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        "
        "0 "
        "4711 1 0000000000000000 100 0 0 10 0\n"
        "   1: 00000000:09DD 00000000:0000 0A 00000000:00000000 00:00000000 00000000   108        "
        "0 "
        "4712 1 0000000000000000 100 0 0 10 0\n"
        "   2: 0100007F:0019 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        "
        "0 "
        "4713 1 0000000000000000 20 4 30 10 -1\n";
    const auto found = diagnose::parse_listeners(table, false);
    REQUIRE(found.size() == 2);
    CHECK(found[0].address == "127.0.0.1");
    CHECK(found[0].port == 25);
    CHECK(found[0].inode == 4711u);
    CHECK(found[1].address == "0.0.0.0");
    CHECK(found[1].any_address());
    CHECK(found[1].port == 2525);
    CHECK(found[1].user == 108u);

    const std::string table6 =
        "   0: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A "
        "00000000:00000000 00:00000000 00000000     0        0 99 1 0 100 0 0 10 0\n"
        "   1: 00000000000000000000000000000000:0019 00000000000000000000000000000000:0000 0A "
        "00000000:00000000 00:00000000 00000000     0        0 98 1 0 100 0 0 10 0\n";
    const auto found6 = diagnose::parse_listeners(table6, true);
    REQUIRE(found6.size() == 2);
    CHECK(found6[0].address == "::1");
    CHECK(found6[1].address == "::");
    CHECK(diagnose::parse_listeners("garbage\n: 0A\nx y z 0A", true).empty());
}

TEST_CASE("the domain of a host name", "[inbound]") {
    CHECK(diagnose::domain_of_host("mail.example.com") == "example.com");
    CHECK(diagnose::domain_of_host("example.com.") == "example.com");
    CHECK(diagnose::domain_of_host("box").empty());
    CHECK(diagnose::domain_of_host("localhost.localdomain").empty());
    CHECK(diagnose::domain_of_host("192.0.2.7").empty());
}

TEST_CASE("a vantage's URL carries its token apart", "[inbound]") {
    diagnose::VantageAsk ask;
    ask.url = "http://vantage.example:2580/#0123456789abcdef";
    const auto split = diagnose::split_vantage_url(ask);
    REQUIRE(split.has_value());
    CHECK(split->url == "http://vantage.example:2580");
    CHECK(split->token.reveal() == "0123456789abcdef");
    for (const char* bad : {"vantage.example#x", "http://vantage.example/", "http://v/#a b"}) {
        CAPTURE(bad);
        ask = {};
        ask.url = bad;
        CHECK(diagnose::split_vantage_url(ask).has_error());
    }
}

TEST_CASE("a vantage's answer is read with care", "[inbound]") {
    const auto view = diagnose::parse_vantage_answer(
        R"({"schema":1,"address":"85.10.240.5","family":"ipv4","ports":[{"port":25,"result":"open",)"
        R"("banner":"220 mail\u001b[31m","errno":null,"ms":12},7]})");
    REQUIRE(view.has_value());
    REQUIRE(view->ports.size() == 1);
    REQUIRE(view->port(25) != nullptr);
    CHECK(view->port(25)->banner == "220 mail\\x1b[31m");
    CHECK(view->port(25)->took == base::Duration{12});
    CHECK(view->port(587) == nullptr);
    const auto refused = diagnose::parse_vantage_answer(
        R"({"address":"85.10.240.5","ports":[{"port":25,"result":"rejected","errno":"ECONNREFUSED"},)"
        R"({"port":587,"result":"hacked\n","errno":"connection refused"}]})");
    REQUIRE(refused.has_value());
    CHECK(refused->port(25)->error_number == ECONNREFUSED);
    CHECK(refused->port(587)->result == "failed");
    CHECK(refused->port(587)->error_number == 0);
    CHECK(diagnose::parse_vantage_answer("<html>").has_error());
    CHECK(diagnose::parse_vantage_answer("{}").has_error());
}
