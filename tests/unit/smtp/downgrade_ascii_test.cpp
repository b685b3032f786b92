// What a server without 8BITMIME gets.
#include <array>
#include <random>
#include <string>

#include "base/text.hpp"
#include "smtp/downgrade.hpp"
#include "tests/support/catch.hpp"

namespace {

std::string downgraded(std::string_view message) {
    smtp::DowngradeRun run{{.quoted_printable = true, .encode_headers = true}};
    run.study(message);
    run.finish_study();
    std::string out = run.rewrite(message);
    return out + run.finish();
}

}  // namespace

TEST_CASE("for a server of 7 bits no byte of more is left, whatever the message", "[smtp]") {
    struct Case {
        std::string_view name, before, after;
    };
    const Case c = GENERATE(values<Case>({
        {"a field's name", "A\x85: \xc3\xa4\r\n\r\nb\r\n", "A?: \?\?\r\n\r\nb\r\n"},
        {"nothing but a name", "\x85:\r\n\r\nb\r\n", "?:\r\n\r\nb\r\n"},
        {"a boundary",
         "Content-Type: multipart/mixed; boundary=\"\xc3\xa4\"\r\n\r\n--\xc3\xa4\r\n\r\na\r\n"
         "--\xc3\xa4--\r\n",
         "Content-Type: multipart/mixed; boundary=\"\?\?\"\r\n\r\n--\?\?\r\n\r\na\r\n--\?\?--\r\n"},
        {"base64 that is none", "Content-Transfer-Encoding: base64\r\n\r\nAA\xc3\xa4==\r\n",
         "Content-Transfer-Encoding: base64\r\n\r\nAA\?\?==\r\n"},
        {"a charset in the place of an encoding",
         "Content-Type: text/plain\r\nContent-Transfer-Encoding: utf-8\r\n\r\n\xc3\xa4\r\n",
         "Content-Type: text/plain\r\nContent-Transfer-Encoding: "
         "quoted-printable\r\n\r\n=C3=A4\r\n"},
        {"an encoding of nobody", "Content-Transfer-Encoding: x-uuencode\r\n\r\n#0V%T\r\n",
         "Content-Transfer-Encoding: x-uuencode\r\n\r\n#0V%T\r\n"},
    }));
    CAPTURE(c.name);
    CHECK(downgraded(c.before) == c.after);
}

TEST_CASE("a rewritten message of 7 bits is ASCII, made of whatever pieces", "[smtp]") {
    constexpr std::array<std::string_view, 24> pieces{
        "\r\n",
        "\r\n\r\n",
        ":",
        " ",
        "\t",
        "a",
        "=",
        "\"",
        "(",
        ";",
        "<",
        "\x85",
        "\xff",
        "\xc3\xa4",
        "--b\r\n",
        "--\xc3\xa4\r\n",
        "--b--\r\n",
        "Subject: \xc3\xa4",
        "From: \xc3\xa4 <a@\xc3\xa4>, (",
        "Content-Type: multipart/mixed; boundary=b\r\n",
        "Content-Type: multipart/mixed; boundary=\xc3\xa4\r\n",
        "Content-Type: message/rfc822; \xc3\xa4=\xff\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "Content-Transfer-Encoding: \xff\r\n"};
    std::minstd_rand random{5321};  // NOLINT: the same messages each time
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        const auto length = static_cast<int>(random() % 30);
        for (int i = 0; i < length; ++i) text += pieces[random() % pieces.size()];
        const std::string out = downgraded(text);
        const bool ascii = base::is_ascii(out);
        if (!ascii) UNSCOPED_INFO(text);
        REQUIRE(ascii);
    }
}
