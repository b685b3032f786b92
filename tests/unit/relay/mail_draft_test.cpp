#include "relay/mail_draft.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "relay/submission.hpp"
#include "tests/support/catch.hpp"

using namespace relay;

namespace {

MailDraft draft_of(const std::string& body) {
    MailDraft draft;
    draft.from = "a@example.com";
    draft.to = "b@example.org";
    draft.subject = "Hello";
    draft.message_id = "1@example.com";
    draft.body = body;
    return draft;
}

// The content of the part that begins after `mark` and an empty line, decoded.
std::string decoded_part(const std::string& mail, const std::string& mark) {
    const auto begin = mail.find("\r\n\r\n", mail.find(mark)) + 4;
    const auto end = mail.find("\r\n--", begin);
    std::string text = mail.substr(begin, end - begin);
    std::erase_if(text, [](char c) { return c == '\r' || c == '\n'; });
    return base::base64_decode(text).value_or("not base64");
}

void check_lines(const std::string& mail) {
    CHECK(base::is_ascii(mail));
    CHECK(mail.ends_with("\r\n"));
    for (std::size_t i = 0; i < mail.size(); ++i) {
        if (mail[i] == '\n') CHECK((i > 0 && mail[i - 1] == '\r'));
        if (mail[i] == '\r') CHECK((i + 1 < mail.size() && mail[i + 1] == '\n'));
    }
    for (const std::string_view line : base::split(mail, '\n')) CHECK(line.size() <= 999);
}

}  // namespace

TEST_CASE("plain text goes as it is, all else as base64", "[relay]") {
    struct Case {
        std::string body, content;
        bool plain;
    };
    const Case c = GENERATE(values<Case>({
        {"Hi", "Hi\r\n", true},
        {"", "\r\n", true},
        {"a\nb\r\nc\rd\n", "a\r\nb\r\nc\r\nd\r\n", true},
        {"Grüße\n", "Grüße\r\n", false},
        {std::string(998, 'x'), std::string(998, 'x') + "\r\n", false},
        {std::string("nul\0", 4), std::string("nul\0\r\n", 6), false},
    }));
    CAPTURE(c.body);
    const std::string mail = write_mail(draft_of(c.body));
    check_lines(mail);
    CHECK((mail.find("Encoding: 7bit") != std::string::npos) == c.plain);
    if (c.plain) {
        CHECK(mail.ends_with("\r\n\r\n" + c.content));
    } else {
        CHECK(decoded_part(mail, "Encoding: base64") == c.content);
    }
}

TEST_CASE("attachments come back byte for byte", "[relay]") {
    MailDraft draft = draft_of("See the files.");
    std::string bytes;
    for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i);
    draft.attachments.push_back({"plan \"A\".PDF", bytes});
    draft.attachments.push_back({"bläh.bin", ""});
    const std::string mail = write_mail(draft);
    check_lines(mail);
    CHECK_THAT(mail, Catch::Contains("multipart/mixed"));
    CHECK_THAT(mail, Catch::Contains("application/pdf"));
    CHECK_THAT(mail, Catch::Contains(R"(filename="plan \"A\".PDF")"));
    CHECK_THAT(mail, Catch::Contains("filename*=UTF-8''bl%C3%A4h.bin"));
    CHECK(decoded_part(mail, "application/pdf") == bytes);
}

TEST_CASE("no subject can break out of its header", "[relay]") {
    MailDraft draft = draft_of("Hi");
    draft.subject = "Hello\r\nBcc: everyone@example.com";
    CHECK(write_mail(draft).find("\nBcc:") == std::string::npos);
    draft.subject.clear();
    for (int i = 0; i < 100; ++i) draft.subject += "Grüße 日本 ";
    const std::string mail = write_mail(draft);
    check_lines(mail);
    std::string subject;
    for (std::string_view line : base::split(mail, '\n')) {
        const auto begin = line.find("=?UTF-8?B?");
        if (begin == std::string_view::npos) continue;
        line = line.substr(begin);
        CHECK(line.size() <= 76);  // RFC 2047 section 2: 75, and the CR
        const std::string word = *base::base64_decode(line.substr(10, line.rfind("?=") - 10));
        CHECK(base::is_valid_utf8(word));  // section 5: no character is split
        subject += word;
    }
    CHECK(subject == draft.subject);
}

TEST_CASE("a server to send to is an address and a port, or a socket", "[relay]") {
    struct Case {
        const char *text, *host;
        unsigned short port;
    };
    const Case c = GENERATE(values<Case>({
        {"127.0.0.1:2525", "127.0.0.1", 2525},
        {"[::1]:25", "::1", 25},
        {"0.0.0.0:2525", "127.0.0.1", 2525},
        {"[::]:2525", "::1", 2525},
        {"mail.example:587", "mail.example", 587},
        {"unix:/run/relay.sock", "unix:/run/relay.sock", 0},
        {"localhost", nullptr, 0},
        {"localhost:0", nullptr, 0},
        {"localhost:x", nullptr, 0},
        {"::1:25", nullptr, 0},
        {"", nullptr, 0},
    }));
    CAPTURE(c.text);
    const auto target = parse_submission_target(c.text);
    REQUIRE(target.has_value() == (c.host != nullptr));
    if (!target) return;
    CHECK(target->host == c.host);
    CHECK(target->port == c.port);
}

TEST_CASE("the id is found in the reply to the message", "[relay]") {
    CHECK(queued_id({250, "2.0.0", "queued as 35bt20v96png"}) == "35bt20v96png");
    CHECK(queued_id({250, "2.0.0", "Ok\nqueued as 35bt20v96png (durable)"}) == "35bt20v96png");
    CHECK(queued_id({250, "2.0.0", "Ok: queued as 4F2A"}).empty());  // another server's
    CHECK(queued_id({250, "2.0.0", "Ok"}).empty());
}
