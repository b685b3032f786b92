#include "smtp/proxy_header.hpp"

#include <algorithm>

#include "tests/support/catch.hpp"

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using smtp::ProxyHeader;
using smtp::ProxyHeaderReader;
using Origin = ProxyHeader::Origin;
using Progress = ProxyHeaderReader::Progress;

constexpr std::string_view behind = "\x16\x03\x01 what follows";

struct Outcome {
    Progress progress = Progress::needs_more;
    std::size_t consumed = 0;
    ProxyHeader header;
    std::string fault;
};

// Reads as a driver does, from a stream that gives at most `piece` bytes at a time.
Outcome read(std::string_view stream, std::size_t piece) {
    ProxyHeaderReader reader;
    Outcome outcome;
    while (outcome.progress == Progress::needs_more && outcome.consumed < stream.size()) {
        const std::size_t count = std::min(piece, reader.wanted());
        REQUIRE(count > 0);
        const std::string_view bytes = stream.substr(outcome.consumed, count);
        outcome.progress = reader.receive(bytes);
        outcome.consumed += bytes.size();
    }
    if (outcome.progress != Progress::needs_more) CHECK(reader.wanted() == 0);
    outcome.header = reader.header();
    outcome.fault = reader.fault();
    return outcome;
}

std::string binary(unsigned command, unsigned family, std::string_view body) {
    std::string header{"\r\n\r\n\0\r\nQUIT\n"sv};
    header += static_cast<char>(command);
    header += static_cast<char>(family);
    header += static_cast<char>(body.size() >> 8U);
    header += static_cast<char>(body.size() & 0xffU);
    return header.append(body);
}

constexpr std::string_view ipv4 = "\xc0\x00\x02\x07\x7f\x00\x00\x01\xdc\x04\x00\x19"sv;
constexpr std::string_view ipv6 =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xdc\x04\0\x19"sv;
constexpr std::string_view mapped =
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xdc\x04\0\x19"sv;

}  // namespace

TEST_CASE("a PROXY header names the client and takes nothing of what follows", "[smtp]") {
    struct Case {
        std::string header;
        Origin origin;
        std::string address;
    };
    const std::string longest = "PROXY UNKNOWN " + std::string(107 - 16, 'f') + "\r\n";
    const Case c = GENERATE_COPY(values<Case>({
        {"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n", Origin::client, "192.0.2.7"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Origin::client,
         "255.255.255.255"},
        {"PROXY TCP4 1.1.1.1 1.1.1.1 0 0\r\n", Origin::client, "1.1.1.1"},
        {"PROXY TCP6 2001:DB8:0:0::1 ::1 56324 25\r\n", Origin::client, "2001:db8::1"},
        {"PROXY TCP6 ::ffff:192.0.2.7 ::1 56324 25\r\n", Origin::client, "192.0.2.7"},
        {"PROXY UNKNOWN\r\n", Origin::unknown, ""},
        {"PROXY UNKNOWN 192.0.2.7 whatever\r\n", Origin::unknown, ""},
        {longest, Origin::unknown, ""},
        {binary(0x21, 0x11, ipv4), Origin::client, "192.0.2.7"},
        {binary(0x21, 0x11, std::string{ipv4} + "\x04\0\x03pad"), Origin::client, "192.0.2.7"},
        {binary(0x21, 0x21, ipv6), Origin::client, "2001:db8::1"},
        {binary(0x21, 0x21, mapped), Origin::client, "192.0.2.7"},
        {binary(0x21, 0x21, std::string{ipv6} + std::string(4044, 'x')), Origin::client,
         "2001:db8::1"},
        {binary(0x21, 0x00, ""), Origin::unknown, ""},
        {binary(0x21, 0x12, ipv4), Origin::unknown, ""},
        {binary(0x21, 0x22, ipv6), Origin::unknown, ""},
        {binary(0x21, 0x31, std::string(216, '\0')), Origin::unknown, ""},
        {binary(0x21, 0x32, std::string(216, '/')), Origin::unknown, ""},
        {binary(0x20, 0x00, ""), Origin::local, ""},
        {binary(0x20, 0x11, ipv4), Origin::local, ""},
        {binary(0x20, 0xff, "any"), Origin::local, ""},
    }));
    const std::size_t piece = GENERATE(1u, 2u, 7u, 10000u);
    CAPTURE(c.header, piece);
    const Outcome outcome = read(c.header + std::string{behind}, piece);
    REQUIRE(outcome.progress == Progress::complete);
    CHECK(outcome.consumed == c.header.size());
    CHECK(outcome.header.origin == c.origin);
    CHECK(outcome.header.address == c.address);
    // Cut short it is never whole.
    const Outcome cut = read(std::string_view{c.header}.substr(0, c.header.size() - 1), piece);
    CHECK(cut.progress == Progress::needs_more);
}

TEST_CASE("what is no PROXY header is refused, and the fault shows it", "[smtp]") {
    struct Case {
        std::string bytes, fault;
    };
    const Case c = GENERATE(values<Case>({
        {"EHLO client.example\r\n", "does not begin with a PROXY header"},
        {"P\r\n", "does not begin with a PROXY header"},
        {"proxy TCP4 192.0.2.7 192.0.2.1 56324 25\r\n", "does not begin"},
        {"\x16\x03\x01\x02", "does not begin with a PROXY header: \"\\x16"},
        {"\r\n\r\n\r\n", "does not begin"},
        {"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\n", "does not end with CRLF"},
        {"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\rx", "does not end with CRLF"},
        {"PROXY UNKNOWN" + std::string(93, ' ') + "\r\n", "more than 107 bytes"},
        {"PROXY \r\n", "no known protocol"},
        {"PROXY UDP4 192.0.2.7 192.0.2.1 56324 25\r\n", "no known protocol"},
        {"PROXY UNKNOWNS\r\n", "no known protocol"},
        {"PROXY TCP4\r\n", "not six words"},
        {"PROXY  TCP4 192.0.2.7 192.0.2.1 56324 25\r\n", "no known protocol"},
        {"PROXY TCP4 192.0.2.7  192.0.2.1 56324 25\r\n", "not six words"},
        {"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25 \r\n", "not six words"},
        {"PROXY TCP4 192.0.2.07 192.0.2.1 56324 25\r\n", "faulty address or port"},
        {"PROXY TCP4 localhost 192.0.2.1 56324 25\r\n", "faulty address or port"},
        {"PROXY TCP4 ::1 ::1 56324 25\r\n", "faulty address or port"},
        {"PROXY TCP6 127.0.0.1 127.0.0.1 56324 25\r\n", "faulty address or port"},
        {"PROXY TCP6 fe80::1%lo ::1 56324 25\r\n", "faulty address or port"},
        {"PROXY TCP4 192.0.2.7 192.0.2.1 65536 25\r\n", "faulty address or port"},
        {"PROXY TCP4 192.0.2.7 192.0.2.1 1 025\r\n", "faulty address or port"},
        {"PROXY TCP4 192.0.2.7 192.0.2.1 -1 25\r\n", "faulty address or port"},
        {"PROXY TCP4 192.0.2.7\0 192.0.2.1 1 25\r\n"s, "faulty address or port"},
        {binary(0x11, 0x11, ipv4), "not of version 2"},
        {binary(0x22, 0x11, ipv4), "unknown command"},
        {binary(0x21, 0x41, ipv4), "no known protocol"},
        {binary(0x21, 0x10, ipv4), "no known protocol"},
        {binary(0x21, 0x11, "short"), "too short"},
        {binary(0x21, 0x21, ipv4), "too short"},
        {binary(0x21, 0x31, ipv6), "too short"},
        {binary(0x21, 0x11, std::string(4081, '\0')), "more than 4096 bytes"},
        {binary(0x20, 0x00, std::string(65535, '\0')), "more than 4096 bytes"},
    }));
    const std::size_t piece = GENERATE(1u, 3u, 10000u);
    CAPTURE(c.bytes, piece);
    const Outcome outcome = read(c.bytes, piece);
    REQUIRE(outcome.progress == Progress::malformed);
    CHECK_THAT(outcome.fault, Catch::Contains(c.fault));
    CHECK(outcome.header.address.empty());
}

TEST_CASE("a header that is written can be read", "[smtp]") {
    for (const std::string_view address : {"127.0.0.1", "::1", "2001:db8::7"}) {
        const Outcome outcome = read(smtp::proxy_line(address), 3);
        REQUIRE(outcome.progress == Progress::complete);
        CHECK(outcome.header.address == address);
    }
}
