#include <fmt/format.h>

#include "tests/support/catch.hpp"
#include "tests/unit/smtp/client_messages.hpp"

using test::message;
using test::run;
using test::ScriptedServer;

namespace {

constexpr std::string_view everything =
    "PIPELINING\nSIZE 1000\n8BITMIME\nSMTPUTF8\nCHUNKING\nBINARYMIME\nDSN";

struct Case {
    std::string_view name, keywords;
    std::vector<ScriptedServer::Message> messages;
    std::string_view script, log;
};

}  // namespace

TEST_CASE("messages go out by DATA, one command at a time", "[smtp]") {
    const Case c = GENERATE(values<Case>({
        {"accepted",
         "",
         {message({"b@y"}, {"Hi\r\n.", "dot\r\n"})},
         R"(C: MAIL FROM:<a@x>
            S: 250 ok
            C: RCPT TO:<b@y>
            S: 250 ok
            C: DATA
            S: 354 go
            C: Hi
            C: ..dot
            C: .
            S: 250 2.0.0 queued
            C: QUIT)",
         "ready\nfinal\ndelivered final-dot 250\nclosed"},
        {"content without a last line end",
         "",
         {message({"b@y"}, {"Hi"})},
         "C: MAIL FROM:<a@x>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 354 go\n"
         "C: Hi\nC: .\nS: 250 ok\nC: QUIT",
         "ready\nfinal\ndelivered final-dot 250\nclosed"},
        {"MAIL refused: no RSET is needed",
         "",
         {message({"b@y", "c@y"}), message({"d@y"})},
         "C: MAIL FROM:<a@x>\nS: 550 5.7.1 no\nC: MAIL FROM:<a@x>\nS: 451 later\nC: QUIT",
         "ready\nfailed mail 550\nfailed mail 550\ndeferred mail 451\nclosed"},
        {"each recipient has its own reply",
         "",
         {message({"b@y", "c@y", "d@y"})},
         R"(C: MAIL FROM:<a@x>
            S: 250 ok
            C: RCPT TO:<b@y>
            S: 550 5.1.1 who
            C: RCPT TO:<c@y>
            S: 251 forwarded
            C: RCPT TO:<d@y>
            S: 450 greylisted
            C: DATA
            S: 354 go
            C: Hi
            C: .
            S: 250 ok
            C: QUIT)",
         "ready\nfinal\nfailed rcpt 550\ndelivered final-dot 250\ndeferred rcpt 450\nclosed"},
        {"no recipient: RSET before the next",
         "",
         {message({"b@y"}), message({"c@y"})},
         R"(C: MAIL FROM:<a@x>
            S: 250 ok
            C: RCPT TO:<b@y>
            S: 550 no
            C: RSET
            S: 250 ok
            C: MAIL FROM:<a@x>
            S: 250 ok
            C: RCPT TO:<c@y>
            S: 250 ok
            C: DATA
            S: 354 go
            C: Hi
            C: .
            S: 554 spam
            C: QUIT)",
         "ready\nfailed rcpt 550\nfinal\nfailed final-dot 554\nclosed"},
        {"DATA refused",
         "",
         {message({"b@y"}), message({"c@y"})},
         "C: MAIL FROM:<a@x>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 452 full\n"
         "C: RSET\nS: 250 ok\nC: MAIL FROM:<a@x>\nS: 550 no\nC: QUIT",
         "ready\ndeferred data 452\nfailed mail 550\nclosed"},
        {"too many recipients is temporary",
         "",
         {message({"b@y", "c@y", "d@y"})},
         R"(C: MAIL FROM:<a@x>
            S: 250 ok
            C: RCPT TO:<b@y>
            S: 552 Too many recipients
            C: RCPT TO:<c@y>
            S: 552 5.5.3 enough
            C: RCPT TO:<d@y>
            S: 552 5.2.2 mailbox full
            C: QUIT)",
         "ready\ndeferred rcpt 552\ndeferred rcpt 552\nfailed rcpt 552\nclosed"},
        {"CHUNKING without PIPELINING",
         "CHUNKING",
         {message({"b@y"}, {"Hi\r\n", "Ho\r\n"})},
         R"(C: MAIL FROM:<a@x>
            S: 250 ok
            C: RCPT TO:<b@y>
            S: 250 ok
            C: BDAT 4
            C: Hi
            S: 250 got 4
            C: BDAT 4 LAST
            C: Ho
            S: 250 ok
            C: QUIT)",
         "ready\nfinal\ndelivered final-dot 250\nclosed"},
    }));
    const std::size_t chunk = GENERATE(1u, 4096u);
    CAPTURE(c.name, chunk);
    REQUIRE(run(c.keywords, c.messages, c.script, chunk) == c.log);
}

TEST_CASE("commands are pipelined where the server offers it", "[smtp]") {
    const std::string_view group =
        "C: MAIL FROM:<a@x>\nC: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\nC: DATA\n";
    struct PipelinedCase {
        std::string_view name, rest, log;
    };
    const PipelinedCase c = GENERATE(values<PipelinedCase>({
        {"accepted", "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: Hi\nC: .\nS: 250 ok\nC: QUIT",
         "ready\nfinal\ndelivered final-dot 250\ndelivered final-dot 250\nclosed"},
        {"one refused",
         "S: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\nC: Hi\nC: .\nS: 250 ok\nC: QUIT",
         "ready\nfinal\nfailed rcpt 550\ndelivered final-dot 250\nclosed"},
        {"MAIL refused", "S: 550 no\nS: 503 order\nS: 503 order\nS: 503 order\nC: QUIT",
         "ready\nfailed mail 550\nfailed mail 550\nclosed"},
        {"all refused, DATA too", "S: 250 ok\nS: 550 no\nS: 450 no\nS: 554 none\nC: QUIT",
         "ready\nfailed rcpt 550\ndeferred rcpt 450\nclosed"},
        // RFC 2920 section 3.1
        {"all refused, DATA not",
         "S: 250 ok\nS: 550 no\nS: 550 no\nS: 354 go\nC: .\nS: 554 none\nC: QUIT",
         "ready\nfailed rcpt 550\nfailed rcpt 550\nclosed"},
        {"an empty message taken is nobody's delivery",
         "S: 250 ok\nS: 550 no\nS: 550 no\nS: 354 go\nC: .\nS: 250 ok\nC: QUIT",
         "ready\nfailed rcpt 550\nfailed rcpt 550\nclosed"},
        // RFC 4954 section 6: it says nothing about the message.
        {"530 to MAIL", "S: 530 5.7.0 first",
         "ready\ndeferred auth the server takes no mail without STARTTLS or a sign-in: 530 5.7.0 "
         "first\ndeferred auth the server takes no mail without STARTTLS or a sign-in: 530 5.7.0 "
         "first\nFAILED auth 530 permanent: the server takes no mail without STARTTLS or a "
         "sign-in"},
        {"530 to the first RCPT that is not refused for itself",
         "S: 250 ok\nS: 550 no\nS: 530 first",
         "ready\nfailed rcpt 550\ndeferred auth the server takes no mail without STARTTLS or a "
         "sign-in: 530 first\nFAILED auth 530 permanent: the server takes no mail without STARTTLS "
         "or a sign-in"},
        {"421 to MAIL", "S: 421 idle",
         "ready\ndeferred mail 421\ndeferred mail 421\nFAILED mail 421: the server closes the "
         "connection"},
        {"421 to the second RCPT", "S: 250 ok\nS: 550 no\nS: 421 busy",
         "ready\nfailed rcpt 550\ndeferred rcpt 421\nFAILED rcpt 421: the server closes the "
         "connection"},
        {"421 to the dot", "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: Hi\nC: .\nS: 421 down",
         "ready\nfinal\ndeferred final-dot 421\ndeferred final-dot 421\nFAILED final-dot 421: the "
         "server closes the connection"},
        {"451 to the dot",
         "S: 250 ok\nS: 250 ok\nS: 550 no\nS: 354 go\nC: Hi\nC: .\nS: 451 later\nC: QUIT",
         "ready\nfinal\ndeferred final-dot 451\nfailed rcpt 550\nclosed"},
        {"lost at RCPT", "S: 250 ok\nS: 550 no",
         "ready\nfailed rcpt 550\ndeferred rcpt the connection was lost\nFAILED rcpt 0: the "
         "connection was lost"},
        {"lost at DATA", "S: 250 ok\nS: 250 ok\nS: 250 ok",
         "ready\ndeferred data the connection was lost\ndeferred data the connection was "
         "lost\nFAILED data 0: the connection was lost"},
        {"lost after the dot", "S: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\nC: Hi\nC: .",
         "ready\nfinal\nfailed rcpt 550\nunknown final-dot the connection was lost\nFAILED "
         "final-dot 0: the connection was lost"},
        {"nonsense after the dot",
         "S: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\nC: Hi\nC: .\nS: what",
         "ready\nfinal\nfailed rcpt 550\nunknown final-dot the server's answer cannot be read: not "
         "an SMTP reply: \"what\"\nFAILED final-dot 0: the server's answer cannot be read: not an "
         "SMTP reply: \"what\""},
        {"354 to the dot", "S: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\nC: Hi\nC: .\nS: 354 go",
         "ready\nfinal\nfailed rcpt 550\nunknown final-dot the server's last answer is no last "
         "answer\nFAILED final-dot 354: the server's last answer is no last answer"},
        {"250 to DATA", "S: 250 ok\nS: 550 no\nS: 250 ok\nS: 250 ok",
         "ready\nfailed rcpt 550\ndeferred data the server answers DATA as if it were another "
         "command\nFAILED data 250: the server answers DATA as if it were another command"},
    }));
    const std::size_t chunk = GENERATE(1u, 4096u);
    CAPTURE(c.name, chunk);
    REQUIRE(run("PIPELINING", {message({"b@y", "c@y"})}, std::string{group} + std::string{c.rest},
                chunk) == c.log);
}

TEST_CASE("RSET is pipelined before the next MAIL where one is needed", "[smtp]") {
    const std::size_t chunk = GENERATE(1u, 4096u);
    REQUIRE(run("PIPELINING", {message({"b@y"}), message({"c@y"}), message({"d@y"})},
                R"(C: MAIL FROM:<a@x>
                   C: RCPT TO:<b@y>
                   C: DATA
                   S: 250 ok
                   S: 550 no
                   S: 554 none
                   C: RSET
                   C: MAIL FROM:<a@x>
                   C: RCPT TO:<c@y>
                   C: DATA
                   S: 250 ok
                   S: 250 ok
                   S: 250 ok
                   S: 354 go
                   C: Hi
                   C: .
                   S: 250 ok
                   C: MAIL FROM:<a@x>
                   C: RCPT TO:<d@y>
                   C: DATA
                   S: 500 what
                   S: 503 no
                   S: 503 no
                   C: QUIT)",
                chunk) ==
            "ready\nfailed rcpt 550\nfinal\ndelivered final-dot 250\nfailed mail 500\nclosed");
}

TEST_CASE("parameters are sent only to servers that offer them", "[smtp]") {
    ScriptedServer::Message m = message({"bü@y"});
    smtp::Envelope& envelope = m.transaction.envelope;
    envelope.smtputf8 = true;
    envelope.body = smtp::BodyType::eight_bit_mime;
    envelope.ret = smtp::Ret::headers;
    envelope.envid = "QQ314159";
    envelope.recipients[0].notify.failure = true;
    envelope.recipients[0].orcpt = "rfc822;b+40y";
    m.transaction.body_size = 100000;

    SECTION("all") {
        REQUIRE(run(everything, {m},
                    "C: MAIL FROM:<a@x> SIZE=100000 BODY=8BITMIME SMTPUTF8 RET=HDRS "
                    "ENVID=QQ314159\nC: RCPT TO:<bü@y> NOTIFY=FAILURE ORCPT=rfc822;b+40y\n"
                    "S: 552 big\nS: 503 no\nC: QUIT",
                    4096) == "ready\nfailed mail 552\nclosed");
    }
    SECTION("none") {
        envelope.recipients[0].address = "b@y";
        envelope.smtputf8 = false;
        REQUIRE(run("PIPELINING\nCHUNKING", {m},
                    "C: MAIL FROM:<a@x>\nC: RCPT TO:<b@y>\nS: 552 big\nS: 503 no\nC: QUIT",
                    4096) == "ready\nfailed mail 552\nclosed");
    }
    SECTION("binary content needs BINARYMIME and is not touched") {
        envelope = {};
        envelope.recipients = {{"b@y", {}, {}}};
        envelope.body = smtp::BodyType::binary_mime;
        m.pieces = {"a\nb\rc"};
        m.transaction.body_size = 5;
        smtp::ClientOptions options;
        options.tls = smtp::ClientTls::none;
        smtp::ClientSession session{options};
        session.receive("220 mx\r\n250-mx\r\n250-PIPELINING\r\n250-BINARYMIME\r\n250 CHUNKING\r\n");
        REQUIRE(std::holds_alternative<smtp::event::Ready>(session.next_event()));
        (void)session.take_output();
        session.begin(m.transaction);
        session.write_body(m.pieces[0], true);
        REQUIRE(std::holds_alternative<smtp::event::FinalDotSent>(session.next_event()));
        REQUIRE(session.take_output() ==
                "MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<b@y>\r\nBDAT 5 LAST\r\na\nb\rc");
    }
}

TEST_CASE("no address becomes a command", "[smtp]") {
    struct AddressCase {
        std::string_view address, problem;
    };
    const AddressCase c = GENERATE(values<AddressCase>({
        {"b@y\r\nDATA", "the recipient \"b@y\\x0d\\x0aDATA\" holds a control character"},
        {"b@y> NOTIFY=NEVER", "the recipient \"b@y> NOTIFY=NEVER\" is not an address"},
        {"<b@y", "the recipient \"<b@y\" is not an address"},
        {"\"b@y", "the recipient \"\"b@y\" has a quote that does not end"},
        {"", "the recipient \"\" is empty"},
        {"bü@y",
         "the recipient \"bü@y\" needs SMTPUTF8 (RFC 6531), which the server does not offer"},
    }));
    CAPTURE(c.address);
    const std::string alone = run("", {message({std::string{c.address}})}, "C: QUIT", 4096);
    REQUIRE(alone == fmt::format("ready\nfailed rcpt {}\nclosed", c.problem));
    // The others are served all the same.
    REQUIRE(run("", {message({std::string{c.address}, "\"c> \\\" d\"@y"})},
                "C: MAIL FROM:<a@x>\nS: 250 ok\nC: RCPT TO:<\"c> \\\" d\"@y>\nS: 550 no\nC: QUIT",
                4096) == fmt::format("ready\nfailed rcpt {}\nfailed rcpt 550\nclosed", c.problem));

    ScriptedServer::Message m = message({"b@y"});
    m.transaction.envelope.reverse_path = "a@x\r\nRSET";
    REQUIRE(run("", {m}, "C: QUIT", 4096) ==
            "ready\nfailed mail the sender \"a@x\\x0d\\x0aRSET\" holds a control "
            "character\nclosed");
    // A DSN parameter with a blank or line end is not sent.
    m = message({"b@y"});
    m.transaction.envelope.envid = "a\r\nRSET";
    m.transaction.envelope.recipients[0].orcpt = "rfc822;b c";
    REQUIRE(run("DSN", {m}, "C: MAIL FROM:<a@x>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 550 no\nC: QUIT",
                4096) == "ready\nfailed rcpt 550\nclosed");
}

TEST_CASE("a lack of SMTPUTF8 is marked where it is our finding, not the server's", "[smtp]") {
    smtp::ClientOptions options;
    options.tls = smtp::ClientTls::none;
    smtp::ClientSession session{options};
    session.receive("220 mx\r\n");
    (void)session.next_event();
    session.receive("250 mx\r\n");
    (void)session.next_event();
    session.begin(message({"bü@y", "c@y", "d@y>"}).transaction);
    (void)session.next_event();
    session.receive("250 ok\r\n");
    (void)session.next_event();
    session.receive("553 5.6.7 We do without\r\n");
    const smtp::ClientEvent event = session.next_event();
    const auto& results = std::get<smtp::event::TransactionDone>(event).results;
    REQUIRE(results.size() == 3);
    CHECK(results[0].needs_smtputf8);
    CHECK(results[0].reply.enhanced == "5.6.7");
    CHECK(results[1].reply.enhanced == "5.6.7");
    CHECK_FALSE(results[1].needs_smtputf8);
    CHECK_FALSE(results[2].needs_smtputf8);
}

TEST_CASE("the stage tells which time-out applies", "[smtp]") {
    smtp::ClientOptions options;
    options.tls = smtp::ClientTls::none;
    smtp::ClientSession session{options};
    REQUIRE(session.stage() == smtp::Stage::greeting);
    session.receive("220 mx\r\n");
    (void)session.next_event();
    REQUIRE(session.stage() == smtp::Stage::ehlo);
    session.receive("250-mx\r\n250 PIPELINING\r\n");
    (void)session.next_event();
    session.begin(message({"b@y"}).transaction);
    const std::pair<std::string_view, smtp::Stage> steps[] = {
        {"", smtp::Stage::mail},
        {"250 ok\r\n", smtp::Stage::rcpt},
        {"250 ok\r\n", smtp::Stage::data},
        {"354 go\r\n", smtp::Stage::body},
    };
    for (const auto& [reply, stage] : steps) {
        session.receive(reply);
        (void)session.next_event();
        REQUIRE(session.stage() == stage);
    }
    session.write_body("Hi\r\n", true);
    (void)session.next_event();
    REQUIRE(session.stage() == smtp::Stage::final_dot);
    session.receive("250 ok\r\n");
    REQUIRE(std::holds_alternative<smtp::event::TransactionDone>(session.next_event()));
    session.quit();
    REQUIRE(session.stage() == smtp::Stage::quit);
}

TEST_CASE("a message in one write waits for its last reply from the first on", "[smtp]") {
    smtp::ClientOptions options;
    options.tls = smtp::ClientTls::none;
    smtp::ClientSession session{options};
    session.receive("220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    while (!std::holds_alternative<smtp::event::Ready>(session.next_event())) {
        (void)session.take_output();
    }
    (void)session.take_output();
    session.begin(message({"b@y"}).transaction);
    REQUIRE(std::holds_alternative<smtp::event::BodyWanted>(session.next_event()));
    session.write_body("Hi\r\n", true);
    REQUIRE(std::holds_alternative<smtp::event::FinalDotSent>(session.next_event()));
    REQUIRE(session.stage() == smtp::Stage::mail);
    REQUIRE(session.take_output().ends_with("BDAT 4 LAST\r\nHi\r\n"));
    REQUIRE(session.stage() == smtp::Stage::final_dot);
    SECTION("and is unknown there when the connection ends") {
        session.connection_lost("lost");
        const auto done = std::get<smtp::event::TransactionDone>(session.next_event());
        REQUIRE(done.results.at(0).outcome == smtp::Outcome::unknown);
        REQUIRE(done.results.at(0).stage == smtp::Stage::final_dot);
    }
    SECTION("but was taken by nobody when a sign-in is wanted") {
        session.receive("530 5.7.0 first\r\n");
        const auto done = std::get<smtp::event::TransactionDone>(session.next_event());
        REQUIRE(done.results.at(0).outcome == smtp::Outcome::deferred);
        REQUIRE(done.results.at(0).stage == smtp::Stage::auth);
    }
}

TEST_CASE("a thousand recipients are one group of commands", "[smtp]") {
    std::vector<std::string> recipients;
    std::string script = "C: MAIL FROM:<a@x>\n", replies = "S: 250 ok\n", log = "ready\nfinal\n";
    for (int i = 0; i < 1000; ++i) {
        recipients.push_back(fmt::format("r{}@y", i));
        script += fmt::format("C: RCPT TO:<r{}@y>\n", i);
        replies += i % 3 == 0 ? "S: 550 5.1.1 no\n" : "S: 250 2.1.5 ok\n";
        log += i % 3 == 0 ? "failed rcpt 550\n" : "delivered final-dot 250\n";
    }
    script += "C: DATA\n" + replies + "S: 354 go\nC: Hi\nC: .\nS: 250 ok\nC: QUIT";
    REQUIRE(run("PIPELINING", {message(recipients)}, script, 100) == log + "closed");
}
