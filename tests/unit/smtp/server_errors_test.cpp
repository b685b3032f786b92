// What counts as a client's error, and what does not.
#include "smtp/server_session.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/smtp/conversation.hpp"

using test::Conversation;
using test::Server;

namespace {

constexpr std::string_view hello = "EHLO app.example\r\n";
constexpr std::string_view mail = "EHLO app.example\r\nMAIL FROM:<a@x.example>\r\n";
constexpr std::string_view envelope =
    "EHLO app.example\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n";

}  // namespace

TEST_CASE("the twentieth fault of one kind ends the session", "[smtp]") {
    struct Case {
        std::string_view before, fault, code;
    };
    const Case c = GENERATE(values<Case>({
        {"", "WIZ\r\n", "500"},
        {"", "NOOP \x01\r\n", "500"},
        {"", "MAIL FROM:<a@x.example>\r\n", "503"},
        {"", "BDAT 3\r\nabc", "503"},
        {"", "BDAT 3 LAST\r\nabc", "503"},
        {"", "HELO\r\n", "501"},
        {"", "EHLO\r\n", "501"},
        {"", "VRFY\r\n", "501"},
        {"", "EXPN x\r\n", "502"},
        {"", "STARTTLS\r\n", "503"},
        {hello, "STARTTLS\r\n", "502"},
        {hello, "STARTTLS x\r\n", "501"},
        {hello, "AUTH PLAIN\r\n", "502"},
        {hello, "RCPT TO:<b@y.example>\r\n", "503"},
        {hello, "DATA\r\n", "503"},
        {hello, "BDAT 3\r\nabc", "503"},
        {hello, "MAIL FROM:<a\r\n", "501"},
        {hello, "MAIL FROM:<a@x.example> WIZ=1\r\n", "555"},
        {mail, "MAIL FROM:<a@x.example>\r\n", "503"},
        {mail, "RCPT TO:<\r\n", "501"},
        {mail, "DATA x\r\n", "501"},
        {mail, "DATA\r\n", "554"},
        {mail, "RSET\r\nMAIL FROM:<a@x.example>\r\nDATA\r\n", "554"},
        {mail, "RSET\r\nMAIL FROM:<a@x.example>\r\nBDAT 3\r\nabc", "554"},
        {envelope, "BDAT 3\r\nabcDATA\r\n", "503"},
        {envelope, "BDAT 3\r\nabcRCPT TO:<c@y.example>\r\n", "503"},
    }));
    const std::size_t piece = GENERATE(1u, 4096u);
    CAPTURE(c.before, c.fault, piece);
    Server server;
    Conversation talk{server.context};
    talk.say(c.before, piece);
    for (int i = 1; i < 20; ++i) {
        const std::string answers = talk.say(c.fault, piece);
        const std::size_t last = answers.rfind('\n', answers.size() - 2) + 1;  // 0 of npos
        REQUIRE(answers.substr(last, 3) == c.code);
        REQUIRE_FALSE(talk.closed);
    }
    CHECK(talk.say(c.fault, piece).ends_with("421 4.7.0 Too many errors\r\n"));
    CHECK(talk.closed);
    CHECK(talk.reason == "the client sent too many bad commands");
    CHECK_FALSE(talk.body_open);
}

// RFC 2920: it was said before the refusal could be known.
TEST_CASE("what is pipelined behind a refusal is no error", "[smtp]") {
    struct Case {
        std::string_view name, mail, rest;
    };
    const Case c = GENERATE(values<Case>({
        {"all recipients refused, DATA", "MAIL FROM:<a@x>\r\n",
         "RCPT TO:<refused@y>\r\nRCPT TO:<refused2@y>\r\nDATA\r\nRSET\r\n"},
        {"all recipients refused, BDAT", "MAIL FROM:<a@x>\r\n",
         "RCPT TO:<refused@y>\r\nBDAT 2\r\nabBDAT 2\r\nabBDAT 2 LAST\r\nab"},
        {"too large by what MAIL says", "MAIL FROM:<a@x> SIZE=1000\r\n",
         "RCPT TO:<b@y>\r\nDATA\r\n"},
        {"too large a chunk", "MAIL FROM:<a@x>\r\n",
         "RCPT TO:<b@y>\r\nBDAT 15\r\n0123456789abcdeBDAT 2\r\nabBDAT 2 LAST\r\nab"},
    }));
    const std::size_t piece = GENERATE(1u, 4096u);
    CAPTURE(c.name, piece);
    Server server;
    server.options.max_message_size = 10;
    Conversation talk{server.context};
    talk.say(hello);
    for (int i = 0; i < 50; ++i) talk.say(std::string(c.mail) + std::string(c.rest), piece);
    CHECK_FALSE(talk.closed);
    CHECK(talk.say("NOOP\r\n") == "250 2.0.0 Ok\r\n");
}

TEST_CASE("commands for a sender whom policy refused are no errors", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    talk.mail_reply = {550, "5.7.1", "Not you"};
    talk.say(hello);
    for (int i = 0; i < 50; ++i) {
        talk.say("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
        talk.say("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 2\r\nabBDAT 2 LAST\r\nab");
    }
    CHECK(talk.say("NOOP\r\n") == "250 2.0.0 Ok\r\n");
    talk.say("RSET\r\n");  // from here on nothing is excused
    for (int i = 0; i < 20; ++i) talk.say("DATA\r\n");
    CHECK(talk.closed);
}
