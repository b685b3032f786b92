#include "admin/peer_user.hpp"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include "admin/socket_owner.hpp"
#include "tests/support/catch.hpp"

using namespace admin;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

tcp::endpoint at(const char* address, unsigned short port) {
    return {asio::ip::make_address(address), port};
}

// As Linux writes it on a machine with the low byte first.
constexpr std::string_view table4 =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 11 "
    "1 "
    "0000000000000000 100 0 0 10 0\n"
    "   1: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 12 "
    "1 "
    "0000000000000000 20 4 30 10 -1\n"
    "   2: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   999        0 13 "
    "1 "
    "0000000000000000 20 4 30 10 -1\n"
    "   3: 0100007F:9C41 0100007F:1F90 06 00000000:00000000 03:00000D5A 00000000     0        0 0 "
    "3 "
    "0000000000000000\n"
    "   4: 0100007F:9C42 0100007F:1F90 05 00000000:00000000 00:00000000 00000000     0        0 0 "
    "2 "
    "0000000000000000\n"
    "   5: 0100007F:9C43 0100007F:1F90 02 00000000:00000000 00:00000000 00000000     0        0 14 "
    "2 0000000000000000\n"
    "   6: 0100007F:9C44 0100007F:1F90 05 00000000:00000000 00:00000000 00000000  1001        0 15 "
    "1 0000000000000000\n";
constexpr std::string_view table6 =
    "   0: 00000000000000000000000001000000:9C40 00000000000000000000000001000000:1F90 01 "
    "00000000:00000000 00:00000000 00000000  1002        0 21 1 0000000000000000\n"
    "   1: 0000000000000000FFFF00000100007F:9C45 0000000000000000FFFF00000100007F:1F90 01 "
    "00000000:00000000 00:00000000 00000000  1003        0 22 1 0000000000000000\n";

}  // namespace

TEST_CASE("the user of the far end is read from the kernel's tables", "[admin]") {
    const auto at_port = [](unsigned short port) {
        return PeerEnds{at("127.0.0.1", port), at("127.0.0.1", 8080)};
    };
    CHECK(user_in_table(table4, at_port(40000)) == uid_t{1000});
    CHECK(user_in_table(table4, at_port(40004)) == uid_t{1001});  // half closed, still held
    // Let go by their process, or not connected yet: the kernel's 0 is nobody's proof.
    for (const unsigned short port : {40001, 40002, 40003, 40009}) {
        CAPTURE(port);
        CHECK_FALSE(user_in_table(table4, at_port(port)));
    }
    CHECK(user_in_table(table6, {at("::1", 40000), at("::1", 8080)}) == uid_t{1002});
    CHECK(user_in_table(table6, at_port(40005)) == uid_t{1003});
    CHECK_FALSE(user_in_table(table6, at_port(40000)));
    CHECK_FALSE(user_in_table(table4, {at("127.0.0.1", 40000), at("127.0.0.1", 8081)}));
}

TEST_CASE("a table cut off or strange names nobody", "[admin]") {
    const PeerEnds ends{at("127.0.0.1", 40000), at("127.0.0.1", 8080)};
    const std::string row{table4.substr(table4.find("   1:"), 80)};
    for (const std::string& table :
         {std::string{}, std::string{"\n\n"}, row,
          std::string{"1: Z100007F:9C40 0100007F:1F90 01 0 0 0 0 0 5 5"},
          std::string{"1: 0100007F9C40 0100007F:1F90 01 0 0 0 5 0 5 5"}}) {
        CAPTURE(table);
        CHECK_FALSE(user_in_table(table, ends));
    }
}

TEST_CASE("a connection of our own is told as ours until it is closed", "[admin]") {
    const bool mapped = GENERATE(false, true);  // a socket of IPv6 that speaks IPv4
    asio::io_context loop;
    tcp::acceptor acceptor{loop, at("127.0.0.1", 0)};
    const unsigned short port = acceptor.local_endpoint().port();
    tcp::socket client{loop, mapped ? tcp::v6() : tcp::v4()};
    if (mapped) client.set_option(asio::ip::v6_only{false});
    client.connect(mapped ? at("::ffff:127.0.0.1", port) : at("127.0.0.1", port));
    tcp::socket server = acceptor.accept();
    const PeerEnds ends{server.remote_endpoint(), server.local_endpoint()};
    CHECK(peer_user(ends) == ::geteuid());
    // Without the tables: what they cost grows with every connection of this host.
    const auto asked = socket_owner(ends);
    REQUIRE(asked);
    CHECK(asked->user == ::geteuid());
    client.close();
    CHECK_FALSE(peer_user(ends));
    const auto gone = socket_owner(ends);
    REQUIRE(gone);
    CHECK_FALSE(gone->user);
}
