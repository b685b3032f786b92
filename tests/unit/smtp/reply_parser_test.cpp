#include "smtp/extensions.hpp"
#include "smtp/reply.hpp"
#include "smtp/stage.hpp"
#include "tests/support/catch.hpp"

using smtp::Reply;
using smtp::ReplyParser;

namespace {

struct Parsed {
    std::vector<Reply> replies;
    std::string problem;
};

Parsed parse(std::string_view input, std::size_t chunk) {
    ReplyParser parser;
    Parsed parsed;
    while (!input.empty()) {
        parser.receive(input.substr(0, chunk));
        input.remove_prefix(std::min(chunk, input.size()));
        while (auto reply = parser.next()) parsed.replies.push_back(*reply);
    }
    parsed.problem = parser.problem();
    return parsed;
}

std::string repeat(std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

}  // namespace

TEST_CASE("replies are taken apart however they are split", "[smtp]") {
    struct Case {
        std::string_view name, input;
        std::vector<Reply> replies;
    };
    const Case c = GENERATE(values<Case>({
        {"plain", "250 Ok\r\n", {{250, "", "Ok"}}},
        {"no text", "250\r\n354 \r\n", {{250, "", ""}, {354, "", ""}}},
        {"lone LF", "220 odd\n250-a\n250 b\n", {{220, "", "odd"}, {250, "", "a\nb"}}},
        {"enhanced", "550 5.1.1 No such user\r\n", {{550, "5.1.1", "No such user"}}},
        {"enhanced alone", "250 2.0.0\r\n", {{250, "2.0.0", ""}}},
        {"three digits", "550 5.7.515 no\r\n", {{550, "5.7.515", "no"}}},
        {"other class", "550 4.7.1 no\r\n", {{550, "", "4.7.1 no"}}},
        {"not a code",
         "250 2.0.0x\r\n250 2.1234.0 x\r\n",
         {{250, "", "2.0.0x"}, {250, "", "2.1234.0 x"}}},
        {"repeated on each line",
         "550-5.7.1 Line one\r\n550-5.7.1\r\n550 5.7.1 Line three\r\n",
         {{550, "5.7.1", "Line one\n\nLine three"}}},
        {"only on the first", "550-5.7.1 a\r\n550 b\r\n", {{550, "5.7.1", "a\nb"}}},
        {"two codes", "550-5.7.1 a\r\n550 5.1.1 b\r\n", {{550, "5.7.1", "a\n5.1.1 b"}}},
        {"the last code counts", "250-a\r\n550 b\r\n", {{550, "", "a\nb"}}},
        {"pipelined",
         "250 a\r\n550 b\r\n354 c\r\n",
         {{250, "", "a"}, {550, "", "b"}, {354, "", "c"}}},
        {"hyphen and no more", "250-\r\n250 x\r\n", {{250, "", "\nx"}}},
    }));
    const std::size_t chunk = GENERATE(1u, 3u, 4096u);
    CAPTURE(c.name, chunk);
    const Parsed parsed = parse(c.input, chunk);
    REQUIRE(parsed.problem.empty());
    REQUIRE(parsed.replies == c.replies);
}

TEST_CASE("what is no reply is named", "[smtp]") {
    struct Case {
        std::string_view name, input, problem;
    };
    const Case c = GENERATE(values<Case>({
        {"SSH", "SSH-2.0-OpenSSH_9.2\r\n", "not an SMTP reply: \"SSH-2.0-OpenSSH_9.2\""},
        {"HTTP", "HTTP/1.1 400 Bad Request\r\n", "not an SMTP reply"},
        {"two digits", "25 x\r\n", "not an SMTP reply"},
        {"four digits", "2500 x\r\n", "not an SMTP reply"},
        {"too small", "150 x\r\n", "not an SMTP reply"},
        {"too big", "650 x\r\n", "not an SMTP reply"},
        {"empty line", "\r\n", "not an SMTP reply"},
    }));
    const std::size_t chunk = GENERATE(1u, 4096u);
    CAPTURE(c.name, chunk);
    const Parsed parsed = parse(c.input, chunk);
    REQUIRE(parsed.replies.empty());
    REQUIRE(parsed.problem.find(c.problem) != std::string::npos);
}

TEST_CASE("a reply's line has at most 2048 bytes, a reply 128 lines before the last", "[smtp]") {
    const std::size_t chunk = GENERATE(1u, 100u, 100000u);
    const std::string fits = "250 " + std::string(2044, 'x') + "\r\n";
    REQUIRE(parse(fits, chunk).replies.size() == 1);
    const std::string beyond = "250 " + std::string(2045, 'x') + "\r\n";
    REQUIRE(parse(beyond, chunk).problem == "a reply line is longer than 2048 bytes");
    REQUIRE(parse(std::string(5000, '2'), chunk).problem ==
            "a reply line is longer than 2048 bytes");

    REQUIRE(parse(repeat("250-a\r\n", 127) + "250 b\r\n", chunk).replies.size() == 1);
    const Parsed many = parse(repeat("250-a\r\n", 128) + "250 b\r\n", chunk);
    REQUIRE(many.problem == "a reply has more than 128 lines");
    REQUIRE(many.replies.empty());
}

TEST_CASE("buffered() tells of unread bytes and clear() forgets them", "[smtp]") {
    ReplyParser parser;
    parser.receive("220 go\r\n250 inj");
    REQUIRE(parser.next().has_value());
    REQUIRE(parser.buffered());
    parser.clear();
    REQUIRE_FALSE(parser.buffered());
    parser.receive("250-a\r\n");
    REQUIRE_FALSE(parser.next().has_value());
    REQUIRE(parser.buffered());  // half a reply
    parser.clear();
    parser.receive("250 b\r\n");
    REQUIRE(parser.next() == Reply{250, "", "b"});
    REQUIRE_FALSE(parser.buffered());
}

TEST_CASE("EHLO's keywords are read", "[smtp]") {
    const smtp::Extensions e = smtp::parse_extensions(
        "PIPELINING.example greets you\nPIPELINING\nsize 35882577\n8BITMIME\nAUTH PLAIN  LOGIN\n"
        "AUTH=LOGIN cram-md5\nSTARTTLS\nDSN\nCHUNKING\nBINARYMIME\nSMTPUTF8\n"
        "ENHANCEDSTATUSCODES\nLIMITS RCPTMAX=50 MAILMAX=7 X=1\nXUNKNOWN 1");
    REQUIRE(e.pipelining);
    REQUIRE(e.size_offered);
    REQUIRE(e.size_limit == 35882577);
    REQUIRE((e.eight_bit_mime && e.starttls && e.dsn && e.chunking && e.binary_mime && e.smtputf8 &&
             e.enhanced_status_codes));
    REQUIRE(e.auth == std::vector<std::string>{"PLAIN", "LOGIN", "CRAM-MD5"});
    REQUIRE(e.limit_rcpt_max == 50);
    REQUIRE(e.limit_mail_max == 7);
    REQUIRE(e.lines.size() == 14);

    // The first line is a greeting, not a keyword; nonsense numbers count as none.
    const smtp::Extensions odd = smtp::parse_extensions("PIPELINING\nSIZE many\nLIMITS RCPTMAX=-1");
    REQUIRE_FALSE(odd.pipelining);
    REQUIRE(odd.size_offered);
    REQUIRE(odd.size_limit == 0);
    REQUIRE(odd.limit_rcpt_max == 0);
}

TEST_CASE("stages have the names that the reply catalogue uses", "[smtp]") {
    REQUIRE(smtp::stage_name(smtp::Stage::dns) == "dns");
    REQUIRE(smtp::stage_name(smtp::Stage::starttls) == "starttls");
    REQUIRE(smtp::stage_name(smtp::Stage::final_dot) == "final-dot");
    REQUIRE(smtp::stage_name(smtp::Stage::quit) == "quit");
}
