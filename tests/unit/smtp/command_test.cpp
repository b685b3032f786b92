#include "smtp/command.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "smtp/address.hpp"
#include "smtp/envelope.hpp"
#include "smtp/tls_ports.hpp"
#include "smtp/xtext.hpp"
#include "tests/support/catch.hpp"

using namespace std::string_literals;

namespace {

std::string domain_of(std::size_t length) {
    std::string domain;
    while (domain.size() + 61 < length) domain += std::string(60, 'd') + ".";
    return domain + std::string(length - domain.size(), 'd');
}

}  // namespace

TEST_CASE("paths are taken as real programs write them", "[smtp]") {
    struct Case {
        std::string_view text, address, rest;
    };
    const Case c = GENERATE(values<Case>({
        {"<a@b.example>", "a@b.example", ""},
        {"<a@b.example> SIZE=1", "a@b.example", " SIZE=1"},
        {"<>", "", ""},
        {"a@b.example", "a@b.example", ""},
        {"a@b.example SIZE=1", "a@b.example", " SIZE=1"},
        {"<postmaster>", "postmaster", ""},
        {"<root>", "root", ""},
        {"<@one.example,@two.example:a@b.example>", "a@b.example", ""},
        {"<@one.example:a@b.example>", "a@b.example", ""},
        {"<\"a b>c\\\"\"@d.example>", "\"a b>c\\\"\"@d.example", ""},
        {"<a@[192.0.2.1]>", "a@[192.0.2.1]", ""},
        {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""},
        {"<.a..b.@c.example>", ".a..b.@c.example", ""},
        {"<a+b=c/d@e_f.example>", "a+b=c/d@e_f.example", ""},
        {"<\xc3\xa9@\xc3\xbc.example>", "\xc3\xa9@\xc3\xbc.example", ""},
    }));
    CAPTURE(c.text);
    const smtp::ParsedPath path = smtp::parse_path(c.text);
    CHECK(path.fault == smtp::PathFault::none);
    CHECK(path.address == c.address);
    CHECK(path.rest == c.rest);
}

TEST_CASE("paths that could smuggle something are refused", "[smtp]") {
    const std::string text = GENERATE(
        "<a@b.example"s, "<a b@c.example>"s, "<a@b@c.example>"s, "<a@>"s, "<@b.example>"s,
        "<a@b..example>"s, "<a@.b>"s, "<a@b.>"s, "<<a@b.example>>"s, "<a,b@c.example>"s,
        "<a@b.example,c@d.example>"s, "<\"a@b.example>"s, "<\"\"@b.example>"s, "<a@[1.2.3]>"s,
        "<a@[IPv6:zz]>"s, "<a@[IPv6:::1\0]>"s, "<a@[127.0.0.1\0]>"s, "<a@[127.0.0.1\r\n]>"s,
        "<a\0@b.example>"s, "<a\r\n@b.example>"s, "<a@b.example\n>"s, "<\"a\nb\"@c.example>"s,
        "<a(c)@b>"s, "<a@b;c>"s, "<a\x7f@b>"s, "<\xff@b.example>"s, "<a@\xc3\x28>"s, ""s, "<"s,
        "<@>"s, "<@a.example"s, "<\"a\\\x01\"@b>"s);
    CAPTURE(text);
    CHECK(smtp::parse_path(text).fault == smtp::PathFault::syntax);
}

TEST_CASE("paths have the limits of RFC 5321 section 4.5.3.1", "[smtp]") {
    struct Case {
        std::size_t local, domain;
        smtp::PathFault fault;
    };
    const Case c = GENERATE(values<Case>({
        {128, 10, smtp::PathFault::none},
        {129, 10, smtp::PathFault::local_part_too_long},
        {1, 252, smtp::PathFault::none},
        {1, 253, smtp::PathFault::too_long},
        {64, 189, smtp::PathFault::none},
        {64, 190, smtp::PathFault::too_long},
        {1, 256, smtp::PathFault::too_long},
    }));
    CAPTURE(c.local, c.domain);
    const std::string text = "<" + std::string(c.local, 'l') + "@" + domain_of(c.domain) + ">";
    CHECK(smtp::parse_path(text).fault == c.fault);
    CHECK(smtp::parse_path("<a@" + std::string(64, 'd') + ".example>").fault ==
          smtp::PathFault::syntax);
}

TEST_CASE("MAIL's arguments fill the envelope", "[smtp]") {
    smtp::Envelope envelope;
    smtp::MailArguments mail;
    REQUIRE_FALSE(
        smtp::parse_mail("from : <a@b.example> size=123 BODY=8BITMIME SMTPUTF8 RET=HDRS "
                         "ENVID=x+2By AUTH=<>",
                         envelope, mail));
    CHECK(envelope.reverse_path == "a@b.example");
    CHECK(mail.size == 123);
    CHECK(envelope.body == smtp::BodyType::eight_bit_mime);
    CHECK(envelope.smtputf8);
    CHECK(envelope.ret == smtp::Ret::headers);
    CHECK(envelope.envid == "x+2By");
}

TEST_CASE("MAIL's faults are answered with their own codes", "[smtp]") {
    struct Case {
        std::string arguments;
        int code;
        std::string_view enhanced;
    };
    const Case c = GENERATE(values<Case>({
        {"<a@b.example>", 501, "5.5.4"},
        {"TO:<a@b.example>", 501, "5.5.4"},
        {"FROM <a@b.example>", 501, "5.5.4"},
        {"FROM:", 501, "5.1.7"},
        {"FROM:<a b>", 501, "5.1.7"},
        {"FROM:<a@b>SIZE=1", 501, "5.1.7"},
        {"FROM:<a@b> FOO=1", 555, "5.5.4"},
        {"FROM:<a@b> NOTIFY=NEVER", 555, "5.5.4"},
        {"FROM:<a@b> SIZE=", 501, "5.5.4"},
        {"FROM:<a@b> SIZE", 501, "5.5.4"},
        {"FROM:<a@b> SIZE=-1", 501, "5.5.4"},
        {"FROM:<a@b> SIZE=99999999999999999999", 501, "5.5.4"},
        {"FROM:<a@b> SIZE=1 SIZE=2", 501, "5.5.4"},
        {"FROM:<a@b> BODY=BINARYMIME", 501, "5.5.4"},
        {"FROM:<a@b> SMTPUTF8=1", 501, "5.5.4"},
        {"FROM:<a@b> RET=ALL", 501, "5.5.4"},
        {"FROM:<a@b> ENVID=a+zz", 501, "5.5.4"},
        {"FROM:<a@b> ENVID=" + std::string(101, 'e'), 501, "5.5.4"},
        {"FROM:<\xc3\xa9@b.example>", 553, "5.6.7"},
    }));
    CAPTURE(c.arguments);
    smtp::Envelope envelope;
    smtp::MailArguments mail;
    const auto fault = smtp::parse_mail(c.arguments, envelope, mail);
    REQUIRE(fault.has_value());
    CHECK(fault->code == c.code);
    CHECK(fault->enhanced == c.enhanced);
}

TEST_CASE("RCPT's arguments fill the recipient or are refused", "[smtp]") {
    struct Case {
        std::string arguments;
        bool smtputf8;
        int code;  // 0: taken
    };
    const Case c = GENERATE(values<Case>({
        {"TO:<a@b.example>", false, 0},
        {"TO: a@b.example", false, 0},
        {"TO:<a@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bd@e.example", false, 0},
        {"TO:<\xc3\xa9@b.example> ORCPT=utf-8;\xc3\xa9@b.example", true, 0},
        {"TO:<a@b.example> ORCPT=rfc822;" + std::string(493, 'x'), false, 0},
        {"TO:<a@b.example> ORCPT=rfc822;" + std::string(494, 'x'), false, 501},
        {"TO:<a@b.example> ORCPT=utf-8;\xc3\xa9@b.example", false, 501},
        {"TO:<a@b.example> ORCPT=;x", false, 501},
        {"TO:<a@b.example> ORCPT=rfc822", false, 501},
        {"TO:<a@b.example> ORCPT=rfc822;", false, 501},
        {"TO:<a@b.example> ORCPT=rfc822;a=b", false, 501},
        {"TO:<a@b.example> NOTIFY=NEVER,DELAY", false, 501},
        {"TO:<a@b.example> NOTIFY=", false, 501},
        {"TO:<a@b.example> NOTIFY=NEVER NOTIFY=NEVER", false, 501},
        {"TO:<a@b.example> SIZE=1", false, 555},
        {"TO:<>", false, 501},
        {"TO:<\xc3\xa9@b.example>", false, 553},
        {"FROM:<a@b.example>", false, 501},
    }));
    CAPTURE(c.arguments);
    smtp::Recipient recipient;
    const auto fault = smtp::parse_rcpt(c.arguments, c.smtputf8, recipient);
    CHECK((fault ? fault->code : 0) == c.code);
}

TEST_CASE("RCPT's DSN parameters are kept as they came", "[smtp]") {
    smtp::Recipient recipient;
    REQUIRE_FALSE(smtp::parse_rcpt("TO:<a@b.example> notify=delay,success ORCPT=rfc822;c+2Bd@e",
                                   false, recipient));
    CHECK(recipient.notify.text() == "SUCCESS,DELAY");
    CHECK(recipient.orcpt == "rfc822;c+2Bd@e");
}

TEST_CASE("BDAT says its size and whether it is the last", "[smtp]") {
    CHECK(smtp::parse_bdat("12")->size == 12);
    CHECK_FALSE(smtp::parse_bdat("12")->last);
    CHECK(smtp::parse_bdat("0 last")->last);
    for (const std::string_view bad :
         {"", "x", "-1", "1x", "1 FIRST", "1 LAST x", "99999999999999999999", "0x10", "+1"}) {
        CAPTURE(bad);
        CHECK_FALSE(smtp::parse_bdat(bad).has_value());
    }
}

TEST_CASE("xtext holds every octet", "[smtp]") {
    std::string octets, escaped, plain;
    for (int octet = 0; octet < 256; ++octet) {
        octets += static_cast<char>(octet);
        escaped += fmt::format("+{:02X}", octet);
        if (octet > ' ' && octet < 0x7f && octet != '+' && octet != '=') plain += octets.back();
    }
    CHECK(smtp::xtext_decode(escaped) == octets);
    CHECK(smtp::xtext_decode(plain) == plain);
    for (const std::string_view bad : {"a b", "a=b", "+", "+2", "+2b", "+GG", "\xc3\xa9", "\r"}) {
        CAPTURE(bad);
        CHECK_FALSE(smtp::xtext_decode(bad).has_value());
    }
}

TEST_CASE("a recipient that is repeated gets one mail", "[smtp]") {
    std::vector<smtp::Recipient> recipients{
        {"ada@dest.example", {}, ""},
        {"bob@dest.example", {}, ""},
        {"ada@Dest.Example", {}, ""},  // a domain has no case (RFC 5321 section 2.4)
        {"Ada@dest.example", {}, ""},  // a local part has
        {"ada@dest.example", {}, ""},
        {"root", {}, ""},
        {"root", {}, ""},
        {"\"a@B\"@dest.example", {}, ""},
        {"\"a@b\"@dest.example", {}, ""}};
    smtp::drop_repeated_recipients(recipients);
    std::vector<std::string> left;
    for (const smtp::Recipient& each : recipients) left.push_back(each.address);
    CHECK(left == std::vector<std::string>{"ada@dest.example", "bob@dest.example",
                                           "Ada@dest.example", "root", "\"a@B\"@dest.example",
                                           "\"a@b\"@dest.example"});
}

TEST_CASE("a repeated recipient stays where it asks for other reports", "[smtp]") {
    smtp::Notify never;
    never.never = true;
    std::vector<smtp::Recipient> recipients{{"ada@dest.example", never, ""},
                                            {"ada@dest.example", never, ""},
                                            {"ada@dest.example", {}, ""},
                                            {"ada@dest.example", never, "rfc822;a@b.example"}};
    smtp::drop_repeated_recipients(recipients);
    REQUIRE(recipients.size() == 3);
    CHECK(recipients[0].notify.never);
    CHECK_FALSE(recipients[1].notify.never);
    CHECK(recipients[2].orcpt == "rfc822;a@b.example");
}

// Delivery, diagnosis and vantage ask this one function.
TEST_CASE("the ports on which TLS comes first", "[smtp]") {
    for (const std::uint16_t port : {465, 2465, 8465}) CHECK(smtp::implicit_tls(port));
    for (const std::uint16_t port : {25, 443, 587, 2525, 2587})
        CHECK_FALSE(smtp::implicit_tls(port));
}
