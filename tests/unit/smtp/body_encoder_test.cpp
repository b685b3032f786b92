#include "smtp/body_encoder.hpp"

#include <algorithm>
#include <string>

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

std::string without_nuls(std::string line) {
    std::erase(line, '\0');
    return line;
}

// Requires that no server sees an end in it.
std::string unstuffed(std::string_view wire) {
    std::string back;
    while (!wire.empty()) {
        const std::size_t end = wire.find("\r\n");
        REQUIRE(end != std::string_view::npos);
        const std::string line{wire.substr(0, end)};
        REQUIRE(line.find_first_of("\r\n") == std::string::npos);
        REQUIRE(without_nuls(line) != ".");
        REQUIRE(line.substr(0, line.find('\0')) != ".");
        back += line.starts_with('.') ? line.substr(1) : line;
        back += "\r\n";
        wire.remove_prefix(end + 2);
    }
    return back;
}

std::string as_it_arrives(std::string_view content) {
    std::string out;
    while (!content.empty()) {
        const std::size_t end = content.find("\r\n");
        const std::string line{content.substr(0, end)};
        out += line;
        if (line.starts_with('\0') && without_nuls(line) == ".") out += '.';
        out += "\r\n";
        content.remove_prefix(end + 2);
    }
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

// Some servers drop NULs, OpenSMTPD reads a line up to its first: a line of NULs and one dot,
// stuffed or not, is an end of data to the ones or the others.
TEST_CASE("no line of NULs and one dot leaves, and all NULs stay", "[smtp]") {
    using namespace std::string_literals;
    struct Case {
        std::string input, dots;
    };
    const Case c = GENERATE(values<Case>({
        {"a\r\n\0.\r\nb\r\n"s, "a\r\n\0..\r\nb\r\n"s},
        {"a\r\n\0\0.\0\r\nb\r\n"s, "a\r\n\0\0.\0.\r\nb\r\n"s},
        {"\0."s, "\0..\r\n"s},
        {"\0.\r"s, "\0..\r\n"s},
        {"a\r\0.\nb\r\n"s, "a\r\n\0..\r\nb\r\n"s},
        {"a\n\0.\rb\r\n"s, "a\r\n\0..\r\nb\r\n"s},
        {"\0\r\n\0\0\r\n"s, "\0\r\n\0\0\r\n"s},
        {"\0\0"s, "\0\0\r\n"s},
        {".\0\r\n"s, "..\0\r\n"s},
        {".\0.\r\n"s, "..\0.\r\n"s},
        {"\0..\r\n\0.\0.\r\n"s, "\0..\r\n\0.\0.\r\n"s},
        {"\0.x\r\n\0.\0x\r\n\0x.\r\n"s, "\0.x\r\n\0.\0x\r\n\0x.\r\n"s},
        {"x\0.\r\nx\0\0\r\n"s, "x\0.\r\nx\0\0\r\n"s},
        {"\r\0\n.\r\n"s, "\r\n\0\r\n..\r\n"s},
    }));
    const std::size_t chunk = GENERATE(1u, 2u, 3u, 4096u);
    CAPTURE(c.input, chunk);
    CHECK(encode(BodyFraming::dots, c.input, chunk) == c.dots);
    CHECK(encode(BodyFraming::raw, c.input, chunk) == c.input);
    CHECK(std::ranges::count(encode(BodyFraming::lines, c.input, chunk), '\0') ==
          std::ranges::count(c.input, '\0'));
}

// A receiver that follows RFC 5321 section 4.5.2 gets the content back, whatever it was.
TEST_CASE("what is stuffed can be unstuffed and holds no early end", "[smtp]") {
    constexpr std::string_view alphabet{"\r\n.a\0", 5};
    for (unsigned number = 0; number < 15625; ++number) {  // every text of six of these bytes
        std::string text;
        for (unsigned rest = number, i = 0; i < 6; ++i, rest /= 5) text += alphabet[rest % 5];
        const std::string whole = encode(BodyFraming::dots, text, 4096);
        const std::string lines = encode(BodyFraming::lines, text, 4096);
        bool same = true;
        for (const std::size_t chunk : {1u, 2u, 3u}) {
            same = same && encode(BodyFraming::dots, text, chunk) == whole;
            same = same && encode(BodyFraming::lines, text, chunk) == lines;
        }
        CAPTURE(text);
        REQUIRE(same);
        const std::string ended = lines.empty() || lines.ends_with("\r\n") ? lines : lines + "\r\n";
        REQUIRE(unstuffed(whole) == as_it_arrives(ended));
    }
}
