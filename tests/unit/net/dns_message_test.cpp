#include "net/dns_message.hpp"

#include "tests/support/catch.hpp"
#include "tests/unit/net/dns_server.hpp"

using namespace net_test;
using net::RecordType;

namespace {

const std::string pointer_to_question = "\xc0\x0c";

// A reply to a question for mx.example with these records.
std::string reply(const std::vector<std::string>& records, unsigned code = 0) {
    std::string message = number(7) + number(0x8180 | code) + number(1) +
                          number(static_cast<unsigned>(records.size())) + number(0) + number(0) +
                          wire_name("mx.example") + number(15) + number(1);
    for (const std::string& record : records) message += record;
    return message;
}

std::string mx_record(unsigned preference, const std::string& name) {
    return record(pointer_to_question, 15, number(preference) + name);
}

}  // namespace

TEST_CASE("mail servers come in the order of their preference", "[net]") {
    const auto message = net::parse_dns_message(
        reply({mx_record(20, wire_name("b.example")), mx_record(10, "\1a" + pointer_to_question),
               mx_record(20, wire_name("c.example"))}),
        RecordType::mx);
    REQUIRE(message.has_value());
    REQUIRE(message->mx.size() == 3);
    CHECK(message->mx[0].host == "a.mx.example");
    CHECK(message->mx[0].preference == 10);
    CHECK(message->mx[1].host == "b.example");
    CHECK(message->mx[2].host == "c.example");
}

TEST_CASE("the null MX keeps its dot", "[net]") {
    const auto message =
        net::parse_dns_message(reply({mx_record(0, wire_name("."))}), RecordType::mx);
    REQUIRE(message->mx.size() == 1);
    CHECK(message->mx[0].host == ".");
}

TEST_CASE("the strings of a TXT record are joined", "[net]") {
    const auto message =
        net::parse_dns_message(reply({record(pointer_to_question, 16, "\x07v=spf1 \x04-all"),
                                      record(pointer_to_question, 16, std::string(1, '\0'))}),
                               RecordType::txt);
    REQUIRE(message.has_value());
    CHECK(message->txt == std::vector<std::string>{"v=spf1 -all", ""});
}

TEST_CASE("records of other types are passed over", "[net]") {
    const auto message =
        net::parse_dns_message(reply({record(pointer_to_question, 5, wire_name("other.example")),
                                      record(pointer_to_question, 12, wire_name("host.example"))}),
                               RecordType::ptr);
    REQUIRE(message.has_value());
    CHECK(message->ptr == std::vector<std::string>{"host.example"});
    CHECK(message->mx.empty());
}

TEST_CASE("the response code is handed out", "[net]") {
    CHECK(net::parse_dns_message(reply({}, 3), RecordType::mx)->response_code == 3);
}

TEST_CASE("a label with a dot or a control character cannot pose as another name", "[net]") {
    const std::string odd = std::string{"\3a.b\2c\n\1\\"} + '\0';
    const auto message = net::parse_dns_message(reply({mx_record(1, odd)}), RecordType::mx);
    REQUIRE(message.has_value());
    CHECK(message->mx[0].host == "a\\.b.c\\010.\\\\");
}

TEST_CASE("broken messages are refused", "[net]") {
    const std::string loop_at_itself = "\xc0\x2a";  // where the MX name of the first record begins
    const std::string forward = "\xc0\x7f";
    const std::string reserved = std::string{"\x41"} + "a" + '\0';
    const std::string broken = GENERATE_COPY(values<std::string>(
        {std::string{}, std::string(11, '\0'), reply({mx_record(1, loop_at_itself)}),
         reply({mx_record(1, forward)}), reply({mx_record(1, reserved)}),
         reply({record(pointer_to_question, 15, "\1")}),
         reply({mx_record(1, wire_name("a.example") + "rest")})}));
    CHECK_FALSE(net::parse_dns_message(broken, RecordType::mx).has_value());
}

TEST_CASE("a TXT string that runs beyond its record is refused", "[net]") {
    const std::string beyond = record(pointer_to_question, 16,
                                      "\x05"
                                      "abc");
    const std::string next = record(pointer_to_question, 16, "\x01x");
    CHECK_FALSE(net::parse_dns_message(reply({beyond, next}), RecordType::txt).has_value());
}

TEST_CASE("a message cut anywhere is refused", "[net]") {
    const std::string whole = reply({mx_record(10, wire_name("a.example"))});
    REQUIRE(net::parse_dns_message(whole, RecordType::mx).has_value());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(net::parse_dns_message(whole.substr(0, size), RecordType::mx).has_value());
    }
}

TEST_CASE("a chain of pointers ends", "[net]") {
    // Each name is a label and a pointer to the one before: allowed, but not without end.
    std::vector<std::string> records{mx_record(1, wire_name(std::string(63, 'x')))};
    std::size_t previous = reply({}).size() + 14;
    for (int i = 0; i < 40; ++i) {
        const std::size_t here = previous + (i == 0 ? 65 : 66) + 14;
        records.push_back(mx_record(1, std::string{'\x3f'} + std::string(63, 'y') +
                                           number(0xc000U | static_cast<unsigned>(previous))));
        previous = here;
    }
    CHECK_FALSE(net::parse_dns_message(reply(records), RecordType::mx).has_value());
}

TEST_CASE("addresses come with the aliases on the way, and with the server's word on DNSSEC",
          "[net]") {
    std::string bytes = reply({record(pointer_to_question, 5, wire_name("host.example")),
                               record(wire_name("host.example"), 1, "\xc6\x33\x64\x02")});
    const auto plain = net::parse_dns_message(bytes, RecordType::a);
    REQUIRE(plain.has_value());
    REQUIRE(plain->records.addresses.size() == 1);
    CHECK(plain->records.addresses[0].to_string() == "198.51.100.2");
    CHECK(plain->records.aliases == std::vector<std::string>{"host.example"});
    CHECK_FALSE(plain->records.authentic);
    bytes[3] = static_cast<char>(bytes[3] | 0x20);
    CHECK(net::parse_dns_message(bytes, RecordType::a)->records.authentic);
    const auto short_address =
        net::parse_dns_message(reply({record(pointer_to_question, 1, "\xc6\x33")}), RecordType::a);
    CHECK(short_address.has_error());
}

TEST_CASE("TLSA records are taken apart", "[net]") {
    const auto message = net::parse_dns_message(
        reply({record(pointer_to_question, 52, "\x03\x01\x01" + std::string(32, 'x'))}),
        RecordType::tlsa);
    REQUIRE(message.has_value());
    REQUIRE(message->records.tlsa.size() == 1);
    CHECK(message->records.tlsa[0].usage == 3);
    CHECK(message->records.tlsa[0].data == std::string(32, 'x'));
    CHECK(net::parse_dns_message(reply({record(pointer_to_question, 52, "\x03")}), RecordType::tlsa)
              .has_error());
}

TEST_CASE("a negative answer tells who keeps the zone", "[net]") {
    std::string bytes = reply({}, 3);
    bytes[9] = 1;  // one authority record
    bytes += record(wire_name("example"), 6,
                    wire_name("ns.example") + "\x09" + "host.mast" + wire_name("example") +
                        std::string(20, '\0'));
    const auto message = net::parse_dns_message(bytes, RecordType::a);
    REQUIRE(message.has_value());
    REQUIRE(message->records.soa);
    CHECK(message->records.soa->zone == "example");
    CHECK(message->records.soa->contact == "host.mast@example");
}
