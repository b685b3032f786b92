#include "smtp/body_encoder.hpp"
#include "tests/support/catch.hpp"

using smtp::BodyEncoder;
using smtp::BodyFraming;

namespace {

std::string encode(BodyFraming framing, std::string_view input, std::size_t chunk) {
    BodyEncoder encoder{framing};
    std::string out;
    while (!input.empty()) {
        encoder.write(input.substr(0, chunk), out);
        input.remove_prefix(std::min(chunk, input.size()));
    }
    encoder.finish(out);
    return out;
}

}  // namespace

TEST_CASE("only CRLF lines leave, dots stuffed for DATA", "[smtp]") {
    struct Case {
        std::string_view input, dots, lines;
    };
    const Case c = GENERATE(values<Case>({
        {"", "", ""},
        {"a\r\n", "a\r\n", "a\r\n"},
        {"a", "a\r\n", "a"},
        {".\r\n", "..\r\n", ".\r\n"},
        {"..a\r\n.b\r\nc.\r\n", "...a\r\n..b\r\nc.\r\n", "..a\r\n.b\r\nc.\r\n"},
        {"a.b.c\r\n", "a.b.c\r\n", "a.b.c\r\n"},
        // RFC 5321 section 2.3.8; each of these has been used to smuggle a second message.
        {"a\n.\nb\r\n", "a\r\n..\r\nb\r\n", "a\r\n.\r\nb\r\n"},
        {"a\n.\r\nb\r\n", "a\r\n..\r\nb\r\n", "a\r\n.\r\nb\r\n"},
        {"a\r\n.\nb\r\n", "a\r\n..\r\nb\r\n", "a\r\n.\r\nb\r\n"},
        {"a\r.\rb\r\n", "a\r\n..\r\nb\r\n", "a\r\n.\r\nb\r\n"},
        {"a\r.\r\nb\r\n", "a\r\n..\r\nb\r\n", "a\r\n.\r\nb\r\n"},
        {"a\r\r\n.\r\r\n", "a\r\n\r\n..\r\n\r\n", "a\r\n\r\n.\r\n\r\n"},
        {"\r", "\r\n", "\r\n"},
        {"\n\n", "\r\n\r\n", "\r\n\r\n"},
        {"a\r\r\r", "a\r\n\r\n\r\n", "a\r\n\r\n\r\n"},
        {"x\ry.\r\n", "x\r\ny.\r\n", "x\r\ny.\r\n"},
        {"x\r.y\r.z", "x\r\n..y\r\n..z\r\n", "x\r\n.y\r\n.z"},
    }));
    const std::size_t chunk = GENERATE(1u, 2u, 3u, 5u, 4096u);
    CAPTURE(c.input, chunk);
    CHECK(encode(BodyFraming::dots, c.input, chunk) == c.dots);
    CHECK(encode(BodyFraming::lines, c.input, chunk) == c.lines);
    CHECK(encode(BodyFraming::raw, c.input, chunk) == c.input);
}

// A receiver that follows RFC 5321 section 4.5.2 gets the content back, whatever it was.
TEST_CASE("what is stuffed can be unstuffed and holds no early end", "[smtp]") {
    constexpr std::string_view alphabet = "\r\n.a";
    for (unsigned number = 0; number < 4096; ++number) {  // every text of six of these bytes
        std::string text;
        for (unsigned rest = number, i = 0; i < 6; ++i, rest /= 4) text += alphabet[rest % 4];
        const std::string whole = encode(BodyFraming::dots, text, 4096);
        const std::string lines = encode(BodyFraming::lines, text, 4096);
        for (const std::size_t chunk : {1u, 2u, 3u}) {
            REQUIRE(encode(BodyFraming::dots, text, chunk) == whole);
            REQUIRE(encode(BodyFraming::lines, text, chunk) == lines);
        }
        CAPTURE(text);
        std::string back;
        for (std::size_t at = 0; at < whole.size();) {
            const std::size_t end = whole.find("\r\n", at);
            REQUIRE(end != std::string::npos);
            const std::string line = whole.substr(at, end - at);
            REQUIRE(line.find_first_of("\r\n") == std::string::npos);
            REQUIRE(line != ".");
            back += line.starts_with('.') ? line.substr(1) : line;
            back += "\r\n";
            at = end + 2;
        }
        REQUIRE(back == (lines.empty() || lines.ends_with("\r\n") ? lines : lines + "\r\n"));
    }
}
