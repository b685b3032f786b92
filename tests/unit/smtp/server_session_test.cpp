#include "smtp/server_session.hpp"

#include <fmt/format.h>

#include "tests/support/catch.hpp"
#include "tests/unit/smtp/conversation.hpp"

using namespace std::string_literals;
using test::Conversation;
using test::Server;

namespace {

constexpr std::string_view hello = "EHLO app.example\r\n";
constexpr std::string_view envelope = "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n";

// The code of the last reply line.
std::string last_code(const std::string& answers) {
    if (answers.size() < 5) return "";
    const std::size_t start = answers.rfind('\n', answers.size() - 2);
    return answers.substr(start == std::string::npos ? 0 : start + 1, 3);
}

}  // namespace

TEST_CASE("a pipelined message comes through whole", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    talk.say(hello, piece);
    const std::string text = fmt::format(
        "{}RCPT TO:<c@y.example>\r\nRCPT TO:<refused@y.example>\r\nDATA\r\nSubject: s\r\n\r\n"
        "..x\r\n.\r\nNOOP\r\n",
        envelope);
    CHECK(talk.say(text, piece) ==
          "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n250 2.1.5 Recipient ok\r\n"
          "550 5.1.1 No such user\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
          "250 2.0.0 queued as 0123456789ab\r\n250 2.0.0 Ok\r\n");
    REQUIRE(talk.messages.size() == 1);
    CHECK(talk.messages[0].content == "Subject: s\r\n\r\n.x\r\n");
    CHECK(talk.messages[0].envelope.reverse_path == "a@x.example");
    CHECK(talk.messages[0].envelope.recipients.size() == 2);
    CHECK(talk.messages[0].protocol == "ESMTP");
    CHECK(talk.session.client_name() == "app.example");
    CHECK_FALSE(talk.session.in_transaction());
    CHECK(talk.session.idle());
}

TEST_CASE("a line whose end is due is told from content and from silence", "[smtp]") {
    const smtp::ServerOptions options;
    smtp::ServerContext context;
    context.options = &options;
    test::Conversation talk{context};
    CHECK_FALSE(talk.session.within_line());
    talk.say("NO");
    CHECK(talk.session.within_line());
    talk.say("OP\r\n");
    CHECK_FALSE(talk.session.within_line());
    talk.say("EHLO app.example\r\n" + std::string(100'000, 'x'));  // dropped, and no end yet
    CHECK(talk.session.within_line());
    talk.say("\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n");
    CHECK_FALSE(talk.session.within_line());
    talk.say("Subject: no line of a command");
    CHECK_FALSE(talk.session.within_line());
}

TEST_CASE("no broken newline ends the content and lets a second message in", "[smtp]") {
    const std::string end =
        GENERATE("\n.\n"s, "\n.\r\n"s, "\r.\r"s, "\r\n.\n"s, "\r\n.\r"s, "\r.\r\n"s,
                 "\r\r\n.\r\r\n"s, "\r\n.\r\r\n"s, "\r\r\n.\r\n"s, "\r\n\0.\r\n"s, "\r\n.\0\r\n"s,
                 "\r\n.\r\0\n"s, "\r\0\n.\r\n"s, "\n\r.\n\r"s);
    const bool reject = GENERATE(false, true);
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    CAPTURE(end, reject, piece);
    Server server;
    if (reject) server.options.bare_newline = smtp::BareNewline::reject;
    Conversation talk{server.context};
    talk.say(hello);
    talk.say(std::string(envelope) + "DATA\r\n");
    const std::string smuggled =
        end + "MAIL FROM:<evil@x.example>\r\nRCPT TO:<v@y.example>\r\n" + "DATA\r\nevil\r\n";
    const std::string answers = talk.say("a" + smuggled + "\r\n.\r\n", piece);
    CHECK(answers.find('\n') == answers.size() - 2 + 1);  // one reply, not three
    const bool only_nul = end.find('\0') != std::string::npos && end.find("\r\0"s) == end.npos;
    if (reject && !only_nul) {
        CHECK(answers == "550 5.6.0 Message has a CR or LF that is not part of CRLF\r\n");
        CHECK(talk.discarded == 1);
        CHECK(talk.messages.empty());
    } else {
        CHECK(answers == "250 2.0.0 queued as 0123456789ab\r\n");
        REQUIRE(talk.messages.size() == 1);
        CHECK(talk.messages[0].content.find("evil@x.example") != std::string::npos);
    }
    CHECK(talk.say("NOOP\r\n") == "250 2.0.0 Ok\r\n");
}

TEST_CASE("a dot that its sender may take for the end is known while nothing follows", "[smtp]") {
    struct Case {
        std::string_view content;
        bool false_end;
    };
    const Case c = GENERATE(values<Case>({
        {"a\r\r\n.\r\n", true},
        {"a\n.\n", true},
        {"a\n.\r\n", true},
        {"a\r\n.\n", true},
        {"a\r\r\n.\r\nb", false},
        {"a\r\nb\r\n", false},
        {"a\r\n..\r\n", false},  // dot-stuffed, and nothing is broken
        {"a\r\n.", false},
    }));
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    CAPTURE(c.content, piece);
    Server server;
    Conversation talk{server.context};
    talk.say(hello);
    talk.say(std::string(envelope) + "DATA\r\n");
    talk.say(c.content, piece);
    CHECK(talk.session.waits_behind_false_end() == c.false_end);
    talk.say("\r\n.\r\n", piece);
    CHECK_FALSE(talk.session.waits_behind_false_end());
}

TEST_CASE("every octet comes through DATA and BDAT", "[smtp]") {
    std::string text = "X: ";
    for (int octet = 0; octet < 256; ++octet) {
        if (octet != '\r' && octet != '\n') text += static_cast<char>(octet);
    }
    text += "\r\n";
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    const bool bdat = GENERATE(false, true);
    Server server;
    Conversation talk{server.context};
    talk.say(hello);
    talk.say(envelope);
    talk.say(
        bdat ? fmt::format("BDAT {} LAST\r\n", text.size()) + text : "DATA\r\n" + text + ".\r\n",
        piece);
    REQUIRE(talk.messages.size() == 1);
    CHECK(talk.messages[0].content == text);
}

TEST_CASE("content up to the limit is taken and one octet more is read and refused", "[smtp]") {
    const std::size_t size = GENERATE(1000u, 1001u, 50'000u);
    const std::size_t piece = GENERATE(1u, 700u, 1u << 20);
    const bool bdat = GENERATE(false, true);
    CAPTURE(size, piece, bdat);
    Server server;
    server.options.max_message_size = 1000;
    Conversation talk{server.context};
    talk.say(hello);
    talk.say(envelope);
    const std::string text = std::string(size - 2, 'x') + "\r\n";
    const std::string answers = talk.say(
        bdat ? fmt::format("BDAT {} LAST\r\n", size) + text : "DATA\r\n" + text + ".\r\n", piece);
    CHECK(last_code(answers) == (size <= 1000 ? "250" : "552"));
    CHECK(talk.messages.size() == (size <= 1000 ? 1 : 0));
    CHECK_FALSE(talk.body_open);
    CHECK(talk.say("NOOP\r\n") == "250 2.0.0 Ok\r\n");
    CHECK(talk.say("MAIL FROM:<> SIZE=1001\r\n").starts_with("552 5.3.4"));
    CHECK(talk.say("MAIL FROM:<> SIZE=1000\r\n").starts_with("250"));
}

TEST_CASE("recipients beyond the limit are put off", "[smtp]") {
    Server server;
    server.options.max_recipients = 2;
    Conversation talk{server.context};
    CHECK(talk.say(hello).find("250-LIMITS RCPTMAX=2\r\n") != std::string::npos);
    talk.say("MAIL FROM:<>\r\n");
    CHECK(talk.say("RCPT TO:<a@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\n") ==
          "250 2.1.5 Recipient ok\r\n250 2.1.5 Recipient ok\r\n452 4.5.3 Too many recipients\r\n");
}

TEST_CASE("BDAT chunks make one message, whatever happens to them", "[smtp]") {
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    Server server;
    server.options.max_message_size = 100;
    Conversation talk{server.context};
    talk.say(hello);
    SECTION("several chunks, a CRLF divided between two") {
        talk.say(envelope);
        CHECK(talk.say("BDAT 3\r\nab\rBDAT 0\r\nBDAT 2\r\n\ncBDAT 0 LAST\r\n", piece) ==
              "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 queued as "
              "0123456789ab\r\n");
        REQUIRE(talk.messages.size() == 1);
        CHECK(talk.messages[0].content == "ab\r\nc");
    }
    SECTION("a CR at the very end") {
        talk.say(envelope);
        talk.say("BDAT 4 LAST\r\n\r\na\r", piece);
        REQUIRE(talk.messages.size() == 1);
        CHECK(talk.messages[0].content == "\r\na\r\n");
    }
    SECTION("commands between chunks") {
        talk.say(envelope);
        const std::string answers = talk.say(
            "BDAT 1\r\naDATA\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nNOOP\r\nBDAT 1 LAST\r\nb", piece);
        CHECK(answers ==
              "250 2.0.0 Ok\r\n503 5.5.1 BDAT was begun: finish it or say RSET\r\n"
              "503 5.5.1 A transaction is under way\r\n503 5.5.1 BDAT was begun: finish it or say "
              "RSET\r\n250 2.0.0 Ok\r\n250 2.0.0 queued as 0123456789ab\r\n");
        CHECK(talk.messages.at(0).content == "ab");
    }
    SECTION("RSET voids what was begun") {
        talk.say(envelope);
        talk.say("BDAT 1\r\naRSET\r\n", piece);
        CHECK(talk.discarded == 1);
        CHECK_FALSE(talk.session.in_transaction());
        CHECK(last_code(talk.say("BDAT 5 LAST\r\nQUIT\n", piece)) == "503");
        CHECK_FALSE(talk.closed);
    }
    SECTION("behind a failure all chunks are read and refused") {
        talk.say(envelope);
        const std::string big(101, 'x');
        CHECK(talk.say("BDAT 10\r\n0123456789BDAT 101\r\n" + big + "BDAT 6 LAST\r\nQUIT\r\n",
                       piece) ==
              "250 2.0.0 Ok\r\n552 5.3.4 Message is larger than this server takes\r\n"
              "503 5.5.1 Say MAIL first\r\n");
        CHECK(talk.discarded == 1);
        CHECK(talk.messages.empty());
    }
    SECTION("no recipient") {
        talk.say("MAIL FROM:<>\r\nRCPT TO:<refused@b>\r\n");
        CHECK(last_code(talk.say("BDAT 6 LAST\r\nQUIT\r\n", piece)) == "554");
        CHECK_FALSE(talk.closed);
    }
    SECTION("a size that makes no sense ends the connection, for content follows") {
        talk.say(envelope);
        CHECK(talk.say("BDAT 1x LAST\r\nMAIL FROM:<evil@x>\r\n", piece).starts_with("501 5.5.4"));
        CHECK(talk.closed);
    }
}

TEST_CASE("content begun is told void before the connection closes", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    talk.say(hello);
    talk.say(std::string(envelope) + "DATA\r\nabc\r\n");
    CHECK(talk.body_open);
    CHECK(talk.session.in_transaction());
    talk.session.close_with({421, "4.4.2", "Idle too long"});
    talk.pump();
    CHECK(talk.discarded == 1);
    CHECK(talk.closed);
    CHECK(talk.session.take_output() == "421 4.4.2 Idle too long\r\n");
}

TEST_CASE("command lines have limits and find their way back", "[smtp]") {
    struct Case {
        std::string verb;
        std::size_t limit;
        std::string_view taken;
    };
    const Case c = GENERATE(values<Case>({{"NOOP", 4096, "250"}, {"AUTH", 12288, "502"}}));
    const std::size_t over = GENERATE(0u, 1u, 5000u);
    const std::size_t piece = GENERATE(1u, 1000u, 1u << 20);
    CAPTURE(c.verb, over, piece);
    Server server;
    Conversation talk{server.context};
    talk.say(hello);
    std::string line = c.verb + " ";
    line += std::string(c.limit + over - line.size(), 'x');
    CHECK(last_code(talk.say(line + "\r\n", piece)) == (over == 0 ? c.taken : "500"));
    line.insert(line.size() / 2, "\nQUIT\n");
    if (over == 5000)
        CHECK(talk.say("NOOP " + std::string(13000, 'x') + "\nQUIT\n\x16\x03\r\n", piece) ==
              "500 5.5.2 Line too long\r\n");
    CHECK(talk.say("NOOP\r\n", piece) == "250 2.0.0 Ok\r\n");
}

TEST_CASE("a lone LF ends commands only for who types by hand", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    SECTION("from the first line on, one at a time") {
        CHECK(last_code(talk.say("EHLO me\n")) == "250");
        CHECK(last_code(talk.say("NOOP\n")) == "250");
        CHECK(last_code(talk.say("NOOP\r\n")) == "250");
        CHECK(talk.say("NOOP\nNOOP\n") == "500 5.5.2 Lines must end with CRLF\r\n");
        CHECK(talk.closed);
    }
    SECTION("never behind a CRLF") {
        const std::size_t piece = GENERATE(1u, 3u, 4096u);
        talk.say(hello);
        CHECK(talk.say("MAIL FROM:<a@b>\nRCPT TO:<evil@b>\r\n", piece) ==
              "500 5.5.2 Lines must end with CRLF\r\n");
        CHECK(talk.closed);
    }
}

TEST_CASE("clients of other protocols get one clear line", "[smtp]") {
    struct Case {
        std::string_view bytes, answer, reason;
    };
    const Case c = GENERATE(values<Case>({
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "554 5.5.0 This is a mail server", "HTTP"},
        {"POST /x HTTP/1.0\r\nEHLO x\r\n", "554 5.5.0 This is a mail server", "HTTP"},
        {"CONNECT a:25 HTTP/1.1\r\n", "554 5.5.0 This is a mail server", "HTTP"},
        {"get / http/1.1\r\n", "554 5.5.0 This is a mail server", "HTTP"},
        {"FOO / HTTP/1.1\r\n", "554 5.5.0 This is a mail server", "HTTP"},
        {"Post HTTP://x/ HTTP/1.1\r\n", "554 5.5.0 This is a mail server", "HTTP"},
        {"PRI * HTTP/2.0\r\n", "554 5.5.0 This is a mail server", "HTTP"},
        {"host: localhost:2525\r\n", "554 5.5.0 This is a mail server", "HTTP"},
        {"Content-Length: 99\r\n", "554 5.5.0 This is a mail server", "HTTP"},
        {"\x16\x03\x01\x02\x01\x01", "554 5.5.0 This port begins without TLS", "TLS"},
        {"PROXY TCP4 192.0.2.1 127.0.0.1 1 25\r\nEHLO x\r\n", "554 5.5.0 No PROXY header",
         "server.proxy_protocol"},
        {"PROXY UNKNOWN\r\n", "554 5.5.0 No PROXY header", "server.proxy_protocol"},
    }));
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    Server server;
    Conversation talk{server.context};
    const std::string answer = talk.say(c.bytes, piece);
    CHECK(answer.starts_with(c.answer));
    CHECK(answer.find('\n') == answer.size() - 1);
    CHECK(talk.closed);
    CHECK(talk.reason.find(c.reason) != std::string::npos);
}

// A web page chooses how long the URL is; what stands behind it is then in the place of commands.
TEST_CASE("a line too long hides neither HTTP nor a client that knows no SMTP", "[smtp]") {
    struct Case {
        std::string_view start, end, answer, reason;
    };
    const Case c = GENERATE(values<Case>({
        {"POST /", " HTTP/1.1", "554 5.5.0 This is a mail server", "HTTP"},
        {"gEt http://localhost/", " HTTP/1.1", "554 5.5.0 This is a mail server", "HTTP"},
        {"FOO /", " HTTP/1.1", "500 5.5.2 Line too long", "it does not speak SMTP"},
        {"", "", "500 5.5.2 Line too long", "it does not speak SMTP"},
    }));
    const std::size_t length = GENERATE(5000u, 100000u);
    const std::size_t piece = GENERATE(1u, 4096u, 1u << 20);
    CAPTURE(c.start, length, piece);
    Server server;
    Conversation talk{server.context};
    std::string bytes{c.start};
    bytes.append(length, 'a').append(c.end);
    bytes += "\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@x.example>\r\n";
    const std::string answer = talk.say(bytes, piece);
    CHECK(answer.starts_with(c.answer));
    CHECK(answer.find('\n') == answer.size() - 1);
    CHECK(talk.closed);
    CHECK(talk.reason.find(c.reason) != std::string::npos);
}

TEST_CASE("mail that looks like HTTP is none once the client has said EHLO", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    talk.say(hello);
    CHECK(talk.say("Host: x\r\n").starts_with("500 5.5.2"));
    CHECK(talk.say("MAIL FROM:<a@x.example>\r\nRCPT TO:<\"a HTTP/1.1\"@y.example>\r\n") ==
          "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n");
    CHECK(last_code(talk.say("DATA\r\nGET / HTTP/1.1\r\nHost: x\r\n.\r\n")) == "250");
    CHECK_FALSE(talk.closed);
    CHECK(talk.say("POST /" + std::string(5000, 'a') + " HTTP/1.1\r\n").starts_with("554 5.5.0"));
    CHECK(talk.closed);
}

// It begins with two empty lines, which are answered before it is known.
TEST_CASE("a binary PROXY header in the place of commands ends the session", "[smtp]") {
    const std::size_t piece = GENERATE(1u, 3u, 4096u);
    Server server;
    Conversation talk{server.context};
    const std::string answer = talk.say(
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\x7f\0\0\x01\0\x01\0\x19"s, piece);
    CHECK(answer.ends_with("\r\n554 5.5.0 No PROXY header is taken here\r\n"));
    CHECK(talk.closed);
    CHECK(talk.reason.find("server.proxy_protocol") != std::string::npos);
}

TEST_CASE("control characters in a command are refused", "[smtp]") {
    const std::size_t piece = GENERATE(1u, 4096u);
    Server server;
    for (int octet = 0; octet < 256; ++octet) {
        if (octet == '\n') continue;
        Conversation talk{server.context};
        talk.say(hello);
        const std::string line = "NOOP "s + static_cast<char>(octet) + "x\r\n";
        const bool control = (octet < 0x20 && octet != '\t') || octet == 0x7f;
        CAPTURE(octet);
        CHECK(talk.say(line, piece).starts_with(control ? "500 5.5.2" : "250"));
    }
}

TEST_CASE("STARTTLS forgets all and takes nothing that was sent ahead", "[smtp]") {
    Server server;
    server.context.tls_available = true;
    Conversation talk{server.context};
    CHECK(talk.say(hello).find("250-STARTTLS\r\n") != std::string::npos);
    SECTION("alone") {
        CHECK(talk.say("STARTTLS\r\n") == "220 2.0.0 Ready to start TLS\r\n");
        REQUIRE(talk.tls_wanted);
        talk.session.receive("MAIL FROM:<evil@x>\r\n");
        talk.handshake();
        CHECK(talk.session.client_name().empty());
        CHECK(talk.say("MAIL FROM:<a@b>\r\n") == "503 5.5.1 Say EHLO first\r\n");
        CHECK(talk.say(hello).find("STARTTLS") == std::string::npos);
        CHECK(talk.session.protocol() == "ESMTPS");
        CHECK(talk.say("STARTTLS\r\n").starts_with("503 5.5.1"));
    }
    SECTION("with commands behind it") {
        CHECK(talk.say("STARTTLS\r\nMAIL FROM:<evil@x>\r\n").starts_with("554 5.5.1"));
        CHECK(talk.closed);
        CHECK_FALSE(talk.tls_wanted);
    }
    SECTION("with a parameter") { CHECK(talk.say("STARTTLS x\r\n").starts_with("501 5.5.4")); }
}

TEST_CASE("a handshake may come before the greeting", "[smtp]") {
    Server server;
    server.context.tls_available = true;
    smtp::ServerSession session{server.context};
    session.tls_established("");
    session.greet();
    session.receive("EHLO x\r\n");
    CHECK(std::holds_alternative<smtp::event::NeedInput>(session.next_event()));
    const std::string output = session.take_output();
    CHECK(output.starts_with("220 mx.example ESMTP"));
    CHECK(output.find("STARTTLS") == std::string::npos);
}

TEST_CASE("a 421 of the driver and a refusal close", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    talk.say(hello);
    talk.mail_reply = {421, "4.3.2", "Shutting down"};
    CHECK(talk.say("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n") == "421 4.3.2 Shutting down\r\n");
    CHECK(talk.closed);

    smtp::ServerSession refused{server.context};
    refused.refuse({554, "5.7.1", "Not allowed"});
    CHECK(std::holds_alternative<smtp::event::Closed>(refused.next_event()));
    CHECK(refused.take_output() == "554 5.7.1 Not allowed\r\n");
}

TEST_CASE("the protocol's name tells extensions, TLS and sign-in apart", "[smtp]") {
    Server server;
    server.options.auth = smtp::AuthPolicy::accept_any;
    server.context.tls_active = GENERATE(false, true);
    Conversation talk{server.context};
    const bool tls = server.context.tls_active;
    talk.say("HELO x\r\n");
    CHECK(talk.session.protocol() == "SMTP");
    talk.say(hello);
    CHECK(talk.session.protocol() == (tls ? "ESMTPS" : "ESMTP"));
    talk.say("AUTH PLAIN AHUAcA==\r\n");
    CHECK(talk.session.protocol() == (tls ? "ESMTPSA" : "ESMTPA"));
    talk.say("MAIL FROM:<\xc3\xa9@x.example> SMTPUTF8\r\n");
    CHECK(talk.session.protocol() == (tls ? "UTF8SMTPSA" : "UTF8SMTPA"));
}

TEST_CASE("what was refused is told for the log, a sign-in without its words", "[smtp]") {
    Server server;
    server.options.max_message_size = 100;
    server.options.auth = smtp::AuthPolicy::accept_any;
    Conversation talk{server.context};
    talk.say(hello);
    CHECK(talk.session.take_refused().empty());
    talk.say("MAIL FROM:<a@x.example> SIZE=200\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<>\r\n");
    auto refused = talk.session.take_refused();
    REQUIRE(refused.size() == 2);
    CHECK(refused[0].verb == "MAIL");
    CHECK(refused[0].arguments == "FROM:<a@x.example> SIZE=200");
    CHECK(refused[0].code == 552);
    CHECK(refused[1].verb == "RCPT");
    CHECK(refused[1].arguments == "TO:<>");
    CHECK(talk.session.take_refused().empty());

    talk.say("RSET\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA=!\r\n");
    refused = talk.session.take_refused();
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].verb == "AUTH");
    CHECK(refused[0].arguments.empty());

    talk.say("WHAT\r\n" + std::string(3000, 'x') + "\r\n");
    refused = talk.session.take_refused();
    REQUIRE(refused.size() == 2);
    CHECK(refused[0].verb.empty());
    CHECK(refused[1].verb.empty());
}
