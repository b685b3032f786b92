#include "smtp/downgrade.hpp"

#include <algorithm>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "smtp/client_session.hpp"
#include "smtp/encoded_word.hpp"
#include "smtp/envelope.hpp"
#include "smtp/mime_entity.hpp"
#include "smtp/transfer_encoding.hpp"
#include "tests/support/catch.hpp"

using smtp::Downgrade;

namespace {

constexpr Downgrade quoted_only{true, false, false};
constexpr Downgrade headers_only{false, true, false};
constexpr Downgrade fold_only{false, false, true};
constexpr Downgrade all{true, true, true};

std::size_t longest_line(std::string_view text) {
    std::size_t longest = 0;
    for (const std::string_view line : base::split(text, '\n')) {
        longest = std::max(longest, line.size() - (line.ends_with('\r') ? 1 : 0));
    }
    return longest;
}

int hex(char c) { return c <= '9' ? c - '0' : c - 'A' + 10; }

// A strict decoder of RFC 2045 section 6.7, written for the test alone.
std::string decode_quoted_printable(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            REQUIRE((static_cast<unsigned char>(text[i]) < 0x7f));
            out += text[i];
        } else if (text.substr(i + 1).starts_with("\r\n")) {
            i += 2;
        } else {
            REQUIRE(i + 2 < text.size());
            out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        }
    }
    return out;
}

std::string decode_base64(std::string_view text) {
    std::string joined;
    for (const char c : text) {
        if (c != '\r' && c != '\n') joined += c;
    }
    return base::base64_decode(joined).value();
}

// What a reader makes of a value with encoded words (RFC 2047 section 6.2).
std::string decode_words(std::string_view text) {
    std::string out, blanks;
    bool after_word = false;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t q = text.substr(i).starts_with("=?") ? text.find('?', i + 2) : text.npos;
        const std::size_t end = q == text.npos ? text.npos : text.find("?=", q + 3);
        if (end != text.npos) {
            REQUIRE(end + 2 - i <= 75);
            const std::string_view payload = text.substr(q + 3, end - q - 3);
            if (!after_word) out += blanks;
            blanks.clear();
            if (text[q + 1] == 'B') {
                out += base::base64_decode(payload).value();
            } else {
                std::string spaced{payload};
                std::ranges::replace(spaced, '_', ' ');
                out += decode_quoted_printable(spaced);
            }
            after_word = true;
            i = end + 2;
        } else if (text[i] == ' ') {
            blanks += text[i++];
        } else {
            out += blanks;
            blanks.clear();
            out += text[i++];
            after_word = false;
        }
    }
    return out + blanks;
}

smtp::ContentSurvey survey(std::string_view text, std::size_t chunk) {
    smtp::ContentSurvey result;
    while (!text.empty()) {
        result.write(text.substr(0, chunk));
        text.remove_prefix(std::min(chunk, text.size()));
    }
    return result;
}

std::string downgraded_by(std::string_view message, const Downgrade& plan, std::size_t piece) {
    smtp::DowngradeRun run{plan};
    for (std::string_view rest = message; !rest.empty();) {
        run.study(rest.substr(0, piece));
        rest.remove_prefix(std::min(piece, rest.size()));
    }
    run.finish_study();
    REQUIRE_FALSE(run.gave_up());
    std::string out;
    for (std::string_view rest = message; !rest.empty();) {
        out += run.rewrite(rest.substr(0, piece));
        rest.remove_prefix(std::min(piece, rest.size()));
    }
    return out + run.finish();
}

std::string downgraded(std::string_view message, const Downgrade& plan) {
    std::string whole = downgraded_by(message, plan, message.size() + 1);
    for (const std::size_t piece : {1u, 2u, 7u, 1000u}) {
        CAPTURE(piece);
        REQUIRE(downgraded_by(message, plan, piece) == whole);
    }
    return whole;
}

}  // namespace

TEST_CASE("a survey finds what a server might not take", "[smtp]") {
    struct Case {
        std::string content;
        bool header, body, longer, nul;
    };
    const std::string x998(998, 'x'), x999(999, 'x');
    const Case c = GENERATE_COPY(values<Case>({
        {"Subject: a\r\n\r\nb\r\n", false, false, false, false},
        {"Subject: \xc3\xa4\r\n\r\nb\r\n", true, false, false, false},
        {"Subject: a\r\n\r\n\xc3\xa4\r\n", false, true, false, false},
        {"Subject: a\r\n\r\n\r\n\xc3\xa4\r\n", false, true, false, false},
        {"\r\n\xc3\xa4", false, true, false, false},
        {"A: a\r\n\r\n" + x998 + "\r\n", false, false, false, false},
        {"A: a\r\n\r\n" + x999 + "\r\n", false, false, true, false},
        {"A: a\r\n\r\n" + x999, false, false, true, false},
        {"A: a\r\n\r\n" + std::string(1, '\0'), false, false, false, true},
    }));
    const std::size_t chunk = GENERATE(1u, 2u, 7u, 100000u);
    const smtp::ContentSurvey found = survey(c.content, chunk);
    CAPTURE(base::printable(c.content, 60), chunk);
    REQUIRE(found.eight_bit_header() == c.header);
    REQUIRE(found.eight_bit_body() == c.body);
    REQUIRE(found.long_lines() == c.longer);
    REQUIRE(found.nul_bytes() == c.nul);
}

TEST_CASE("a plan asks for what the server lacks and no more", "[smtp]") {
    const auto content =
        survey("A: \xc3\xa4\r\n\r\n\xc3\xa4" + std::string(999, 'x') + "\r\n", 4096);
    smtp::Envelope envelope;
    envelope.recipients = {{"b@y", {}, {}}};
    smtp::Extensions server;
    auto plan = smtp::plan_downgrade(content, envelope, server);
    REQUIRE((plan->quoted_printable && plan->encode_headers && plan->fold_long_lines));
    server.eight_bit_mime = server.smtputf8 = true;
    plan = smtp::plan_downgrade(content, envelope, server);
    REQUIRE((!plan->quoted_printable && !plan->encode_headers && plan->fold_long_lines));
    REQUIRE_FALSE(smtp::plan_downgrade(survey("A: b\r\n\r\nc\r\n", 9), envelope, {})->needed());

    SECTION("an address in UTF-8 cannot be written another way") {
        const std::string address = "b\xc3\xbc@y";
        const bool sender = GENERATE(true, false);
        (sender ? envelope.reverse_path : envelope.recipients[0].address) = address;
        REQUIRE(smtp::plan_downgrade(content, envelope, server).has_value());
        REQUIRE_FALSE(smtp::plan_downgrade(content, envelope, {}).has_value());
    }
    SECTION("binary content stays so only with BINARYMIME and CHUNKING") {
        const auto binary = survey(std::string("A: b\r\n\r\n\0", 9), 4096);
        envelope.body = smtp::BodyType::binary_mime;
        REQUIRE(smtp::plan_downgrade(binary, envelope, server)->quoted_printable);
        server.binary_mime = server.chunking = true;
        REQUIRE_FALSE(smtp::plan_downgrade(binary, envelope, server)->needed());
    }
}

TEST_CASE("quoted-printable gives the text back", "[smtp]") {
    const std::string text = GENERATE(
        as<std::string>{}, "", "plain\r\n", "a = b\r\n", "ends in blank \r\nand tab\t\r\n",
        "trailing blank ", "\xc3\xa4\xc3\xb6\xc3\xbc", std::string(76, 'x') + "\r\n",
        std::string(77, 'x') + "\r\n", std::string(75, 'x') + "\xc3\xa4\r\n", std::string(500, '='),
        std::string(75, 'x') + " \r\n", "\r\n\r\n.\r\n", std::string(3, '\0') + "\x7f\x01");
    const std::string encoded = smtp::quoted_printable(text);
    CAPTURE(encoded);
    REQUIRE(longest_line(encoded) <= 76);
    REQUIRE(decode_quoted_printable(encoded) == text);
    REQUIRE(encoded.find(" \r\n") == std::string::npos);
}

TEST_CASE("base64 is wrapped at 76", "[smtp]") {
    std::string bytes;
    for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i * 7);
    for (const std::size_t size : {0u, 1u, 56u, 57u, 58u, 114u, 1000u}) {
        const std::string encoded = smtp::base64_lines(bytes.substr(0, size));
        REQUIRE(longest_line(encoded) <= 76);
        REQUIRE(decode_base64(encoded) == bytes.substr(0, size));
        smtp::ContentEncoder wrapper{smtp::Recoding::rewrapped_base64};
        std::string wrapped;
        wrapper.write(base::base64_encode(bytes.substr(0, size)), wrapped);
        wrapper.finish(true, wrapped);
        REQUIRE(wrapped == encoded);
    }
}

TEST_CASE("header values are encoded where they must be and read the same", "[smtp]") {
    struct Case {
        std::string_view value, encoded;
    };
    const Case c = GENERATE(values<Case>({
        {" Hello", " Hello"},
        {" Gr\xc3\xbc\xc3\x9f"
         "e aus Wien",
         " =?utf-8?B?R3LDvMOfZQ==?= aus Wien"},
        {" na\xc3\xafve", " =?utf-8?B?bmHDr3Zl?="},
        {" \xc3\xa4 \xc3\xb6 x \xc3\xbc", " =?utf-8?B?w6Qgw7Y=?= x =?utf-8?B?w7w=?="},
        {" bad \xff", " bad =?unknown-8bit?Q?=FF?="},
    }));
    const std::string encoded = smtp::encode_unstructured(c.value);
    CHECK(encoded == c.encoded);
    CHECK(decode_words(encoded) == c.value);
}

TEST_CASE("long values become several words, never in the midst of a character", "[smtp]") {
    std::string value;
    for (int i = 0; i < 60; ++i) value += i % 2 == 0 ? "\xe2\x82\xac" : "abc";
    for (const auto place : {smtp::WordPlace::text, smtp::WordPlace::phrase}) {
        const std::string encoded = smtp::encode_words(value, place);
        REQUIRE(decode_words(encoded) == value);
        for (const std::string_view word : base::split(encoded, ' ')) {
            REQUIRE(word.size() <= 75);
            REQUIRE(base::is_valid_utf8(decode_words(word)));
        }
        const std::string name = GENERATE("Subject", "Disposition-Notification-To");
        const std::string field = smtp::fold_field(name, " " + encoded);
        REQUIRE(longest_line(field) <= 76);
        REQUIRE(decode_words(smtp::unfold(field)) == name + ": " + value);
    }
}

TEST_CASE("in address fields only names and comments are encoded", "[smtp]") {
    struct Case {
        std::string_view value, encoded;
    };
    const Case c = GENERATE(values<Case>({
        {" a@x, \"B, C\" <b@y>", " a@x, \"B, C\" <b@y>"},
        {" J\xc3\xbcrgen <j@x>", " =?utf-8?Q?J=C3=BCrgen?= <j@x>"},
        {" \"M\xc3\xbcller, J\" <j@x>, b@y", " =?utf-8?Q?M=C3=BCller=2C_J?= <j@x>, b@y"},
        {" b@y, J\xc3\xbc <j@x>", " b@y, =?utf-8?B?SsO8?= <j@x>"},
        {" j@x (J\xc3\xbcrgen)", " j@x (=?utf-8?Q?J=C3=BCrgen?=)"},
        {" Gr\xc3\xbc: a@x, b@y;", " =?utf-8?Q?Gr=C3=BC?=: a@x, b@y;"},
        {" <j\xc3\xbc@x>", " =?utf-8?B?PGrDvEB4Pg==?= :;"},
        {" \"a\\\"b,c\" <d@x>, \xc3\xa4 <e@[IPv6:::1]>",
         " \"a\\\"b,c\" <d@x>, =?utf-8?B?w6Q=?= <e@[IPv6:::1]>"},
    }));
    CHECK(smtp::encode_addresses(c.value) == c.encoded);
}

TEST_CASE("parameters are written as RFC 2231 asks", "[smtp]") {
    REQUIRE(smtp::encode_parameters(" attachment; filename=\"\xc3\xa4;b.pdf\"; size=3") ==
            " attachment; filename*=utf-8''%C3%A4%3Bb.pdf; size=\"3\"");
    std::string name;
    for (int i = 0; i < 40; ++i) name += "\xc3\xa4";
    const std::string encoded = smtp::encode_parameters(" attachment; filename=\"" + name + "\"");
    std::string joined;
    const smtp::ParameterizedValue split = smtp::split_parameters(encoded);
    REQUIRE(split.parameters.size() > 3);
    for (std::size_t i = 0; i < split.parameters.size(); ++i) {
        REQUIRE(split.parameters[i].first == "filename*" + std::to_string(i) + "*");
        joined += split.parameters[i].second;
    }
    std::string expected = "utf-8''";
    for (int i = 0; i < 40; ++i) expected += "%C3%A4";
    REQUIRE(joined == expected);
    REQUIRE(longest_line(smtp::fold_field("Content-Disposition", encoded)) <= 78);
}

TEST_CASE("messages are rewritten part by part", "[smtp]") {
    struct Case {
        std::string_view name;
        Downgrade plan;
        std::string_view before, after;
    };
    const Case c = GENERATE(values<Case>({
        {"nothing to do", all, "Subject: a\r\n\r\nb\r\n", "Subject: a\r\n\r\nb\r\n"},
        {"8-bit text", quoted_only,
         "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: 8bit\r\nX: y\r\n\r\n\xc3\xa4=\r\n",
         "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\nX: y\r\n\r\n=C3=A4=3D\r\n"},
        {"8-bit text without MIME", quoted_only, "Subject: a\r\n\r\n\xc3\xa4\r\n",
         "Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n"},
        {"not text", quoted_only,
         "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
         "\xff\xfe",
         "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
         "//4=\r\n"},
        {"only the part that needs it", quoted_only,
         "Content-Type: multipart/mixed; boundary=\"b b\"\r\nContent-Transfer-Encoding: 8bit\r\n"
         "MIME-Version: 1.0\r\n\r\npre\r\n--b b\r\n\r\nplain = text\r\n--b b\r\n"
         "Content-Type: application/octet-stream\r\n\r\n\xff\r\n--b b\r\n"
         "Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b b--\r\npost\r\n",
         "Content-Type: multipart/mixed; boundary=\"b b\"\r\nContent-Transfer-Encoding: 7bit\r\n"
         "MIME-Version: 1.0\r\n\r\npre\r\n--b b\r\n\r\nplain = text\r\n--b b\r\n"
         "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
         "/w==\r\n--b b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b b--\r\npost\r\n"},
        {"a message in a message", quoted_only,
         "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n"
         "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xa4\r\n\r\n\xc3\xa4\r\n--o--\r\n",
         "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n"
         "Content-Transfer-Encoding: 7bit\r\n\r\nSubject: =?utf-8?B?w6Q=?=\r\n"
         "Content-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n--o--\r\n"},
        {"header only", headers_only, "Subject: \xc3\xa4\r\nTo: \xc3\xa4 <a@x>\r\n\r\n\xc3\xa4\r\n",
         "Subject: =?utf-8?B?w6Q=?=\r\nTo: =?utf-8?B?w6Q=?= <a@x>\r\n\r\n\xc3\xa4\r\n"},
        {"a field without place for words", headers_only, "Message-ID: <\xc3\xa4@x>\r\n\r\n",
         "Message-ID: <\?\?@x>\r\n\r\n"},
        {"a file name", headers_only,
         "Content-Disposition: attachment;\r\n filename=\"\xc3\xa4.txt\"\r\n\r\n",
         "Content-Disposition: attachment; filename*=utf-8''%C3%A4.txt\r\n\r\n"},
        {"broken quoted-printable", quoted_only,
         "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4 \xc3\xa4=\r\nx\r\n",
         "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4 =C3=A4=\r\nx\r\n"},
        {"a boundary that never comes", quoted_only,
         "Content-Type: multipart/mixed; boundary=o\r\n\r\nplain\r\n",
         "Content-Type: multipart/mixed; boundary=o\r\n\r\nplain\r\n"},
    }));
    CAPTURE(c.name);
    REQUIRE(downgraded(c.before, c.plan) == c.after);
    REQUIRE(downgraded(c.before, {}) == c.before);
    // What was rewritten needs no further rewriting.
    REQUIRE(downgraded(c.after, c.plan) == c.after);
}

TEST_CASE("lines beyond 998 bytes are broken without changing what they say", "[smtp]") {
    const std::string line(3000, 'x');
    SECTION("text becomes quoted-printable") {
        const std::string out = downgraded("Subject: a\r\n\r\n" + line + "\r\n", fold_only);
        REQUIRE(longest_line(out) <= 76);
        REQUIRE(decode_quoted_printable(out.substr(out.find("\r\n\r\n") + 4)) == line + "\r\n");
    }
    SECTION("998 bytes are left alone") {
        const std::string text = "Subject: a\r\n\r\n" + line.substr(0, 998) + "\r\n";
        REQUIRE(downgraded(text, fold_only) == text);
    }
    SECTION("base64 is wrapped anew") {
        const std::string head = "Content-Transfer-Encoding: base64\r\n\r\n";
        const std::string out = downgraded(head + base::base64_encode(line) + "\r\n", fold_only);
        REQUIRE(longest_line(out) <= 76);
        REQUIRE(decode_base64(out.substr(head.size())) == line);
    }
    SECTION("quoted-printable gets soft breaks") {
        const std::string head = "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
        std::string body;
        for (int i = 0; i < 500; ++i) body += "=C3=A4";
        const std::string out = downgraded(head + body + "\r\n", fold_only);
        REQUIRE(longest_line(out) <= 76);
        REQUIRE(decode_quoted_printable(out.substr(head.size())) ==
                decode_quoted_printable(body + "\r\n"));
    }
    SECTION("a field is folded at its blanks") {
        std::string references = "References:";
        for (int i = 0; i < 100; ++i) references += " <id-" + std::to_string(i) + "@x.example>";
        const std::string out = downgraded(references + "\r\n\r\n", fold_only);
        REQUIRE(longest_line(out) <= 78);
        REQUIRE(smtp::unfold(out) == references);
    }
    SECTION("what is signed is left alone") {
        const std::string head =
            GENERATE(as<std::string>{}, "DKIM-Signature: v=1\r\n\r\n",
                     "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n");
        const std::string text = head + "\r\n" + line + "\r\n--b--\r\n";
        REQUIRE(downgraded(text, fold_only) == text);
    }
}

TEST_CASE("a signature goes before the encoding of headers where 8 bits are taken", "[smtp]") {
    constexpr Downgrade sparing{false, true, false, true};
    const std::string subject = "Subject: gr\xc3\xbcn\r\n", body = "\r\ngr\xc3\xbcn\r\n";
    CHECK(downgraded("DKIM-Signature: v=1\r\n" + subject + body, sparing) ==
          "DKIM-Signature: v=1\r\n" + subject + body);
    const std::string out = downgraded(subject + body, sparing);
    CHECK(out.starts_with("Subject: =?utf-8?"));
    CHECK(out.ends_with(body));
    CHECK(downgraded("DKIM-Signature: v=1\r\n" + subject + body, headers_only) !=
          "DKIM-Signature: v=1\r\n" + subject + body);
}

TEST_CASE("parts nested without end are left alone", "[smtp]") {
    std::string text;
    for (int i = 0; i < 500; ++i) text += "Content-Type: message/rfc822\r\n\r\n";
    text += "Subject: a\r\n\r\nb\r\n";
    REQUIRE(downgraded(text, all) == text);
}

// A decision about a header may need all of its body, which is not kept: only facts are.
TEST_CASE("what a long body holds at its end decides about its header", "[smtp]") {
    std::string body;
    for (int i = 0; i < 20000; ++i) body += "a plain line = of text\r\n";
    const std::string head = "Subject: a\r\nMIME-Version: 1.0\r\n";
    const auto header_of = [&](std::string_view last) {
        const std::string out = downgraded_by(head + "\r\n" + body + std::string{last}, all, 4096);
        const std::size_t end = out.find("\r\n\r\n") + 2;
        return std::string{base::trim(out.substr(head.size(), end - head.size()))};
    };
    CHECK(header_of("b\r\n").empty());
    CHECK(header_of("\xc3\xa4\r\n") ==
          "Content-Type: text/plain; charset=utf-8\r\n"
          "Content-Transfer-Encoding: quoted-printable");
    CHECK(header_of("\xc3\r\n") ==
          "Content-Type: text/plain; charset=unknown-8bit\r\n"
          "Content-Transfer-Encoding: quoted-printable");
    CHECK(header_of("\xc3") ==
          "Content-Type: text/plain; charset=unknown-8bit\r\n"
          "Content-Transfer-Encoding: quoted-printable");
    CHECK(header_of(std::string_view{"\0\r\n", 3}) ==
          "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64");
}

TEST_CASE("delimiters end what they part, however it is made inside", "[smtp]") {
    const std::string outer =
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n";
    struct Case {
        std::string_view name;
        std::string before, after;
    };
    const Case c = GENERATE(values<Case>({
        {"an inner multipart without an end",
         "--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\n\xc3\xa4\r\n"
         "--o--\r\n",
         "--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n"
         "Content-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n--o--\r\n"},
        {"an inner boundary that never comes",
         "--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n\xff\xfe\r\n--o--\r\n",
         "--o\r\nContent-Type: multipart/mixed; boundary=i\r\n"
         "Content-Transfer-Encoding: base64\r\n\r\n//4=\r\n--o--\r\n"},
        {"the outer boundary inside the inner epilogue",
         "--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i--\r\n--i\r\n\xc3\xa4\r\n"
         "--o\r\n\r\n\xc3\xa4\r\n--o--\r\n\xc3\xa4",
         "--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i--\r\n--i\r\n??\r\n"
         "--o\r\nContent-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n--o--\r\n??"},
        {"a delimiter in the place of a header's end",
         "--o\r\nContent-Type: text/plain\r\n--o\r\n--o\r\n\r\n--o--",
         "--o\r\nContent-Type: text/plain\r\n--o\r\n--o\r\n\r\n--o--"},
        {"a line that only begins as a delimiter",
         "--o\r\n\r\n--o" + std::string(5000, 'x') + "\xc3\xa4\r\n--o--\r\n", ""},
    }));
    CAPTURE(c.name);
    const std::string out = downgraded(outer + c.before, quoted_only);
    if (!c.after.empty()) CHECK(out == outer + c.after);
    CHECK(base::is_ascii(out));
}

TEST_CASE("a header without reason is given up, not kept", "[smtp]") {
    smtp::DowngradeRun run{all};
    for (int i = 0; i < 300; ++i) run.study("X-Long: " + std::string(4000, 'x') + "\r\n");
    run.finish_study();
    CHECK(run.gave_up());
    smtp::DowngradeRun parts{all};
    parts.study("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    std::string many;
    for (int i = 0; i < 1 << 16; ++i) many += "--b\r\n";
    for (int i = 0; i < 17; ++i) parts.study(many);
    parts.finish_study();
    CHECK(parts.gave_up());
}
