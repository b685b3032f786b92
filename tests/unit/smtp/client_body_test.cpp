#include "tests/support/catch.hpp"
#include "tests/unit/smtp/client_messages.hpp"

using test::message;
using test::run;
using test::ScriptedServer;

TEST_CASE("a small message with CHUNKING costs one write", "[smtp]") {
    struct ChunkedCase {
        std::string_view name, rest, log;
    };
    const ChunkedCase c = GENERATE(values<ChunkedCase>({
        {"accepted", "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC: QUIT",
         "ready\nfinal\ndelivered final-dot 250\ndelivered final-dot 250\nclosed"},
        {"one refused", "S: 250 ok\nS: 550 no\nS: 250 ok\nS: 250 ok\nC: QUIT",
         "ready\nfinal\nfailed rcpt 550\ndelivered final-dot 250\nclosed"},
        {"all refused", "S: 250 ok\nS: 550 no\nS: 550 no\nS: 503 none\nC: QUIT",
         "ready\nfinal\nfailed rcpt 550\nfailed rcpt 550\nclosed"},
        {"MAIL refused", "S: 552 5.3.4 big\nS: 503 no\nS: 503 no\nS: 503 none\nC: QUIT",
         "ready\nfinal\nfailed mail 552\nfailed mail 552\nclosed"},
        {"content refused", "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 554 spam\nC: QUIT",
         "ready\nfinal\nfailed final-dot 554\nfailed final-dot 554\nclosed"},
        {"lost: nobody knows", "S: 250 ok\nS: 550 no",
         "ready\nfinal\nfailed rcpt 550\nunknown final-dot the connection was lost\nFAILED "
         "final-dot 0: the "
         "connection was lost"},
        {"an idle connection was closed: surely not sent", "S: 421 idle",
         "ready\nfinal\ndeferred mail 421\ndeferred mail 421\nFAILED mail 421: the server closes "
         "the connection"},
    }));
    const std::size_t chunk = GENERATE(1u, 4096u);
    CAPTURE(c.name, chunk);
    ScriptedServer::Message m = message({"b@y", "c@y"}, {"Hi\r\n.\r\n"});
    REQUIRE(run("PIPELINING\nSIZE\nCHUNKING", {m},
                base::join({"C: MAIL FROM:<a@x> SIZE=7", "C: RCPT TO:<b@y>", "C: RCPT TO:<c@y>",
                            "C: BDAT 7 LAST", "C: Hi", "C: .", std::string{c.rest}},
                           "\n"),
                chunk) == c.log);
}

TEST_CASE("a small message may come in pieces", "[smtp]") {
    const std::size_t chunk = GENERATE(1u, 4096u);
    REQUIRE(run("PIPELINING\nCHUNKING", {message({"b@y"}, {"Hi\r", "", "\nHo\r\n", "End\r\n"})},
                R"(C: MAIL FROM:<a@x>
                   C: RCPT TO:<b@y>
                   C: BDAT 2
                   C: Hi\
                   C: BDAT 6
                   C:
                   C: Ho
                   C: BDAT 5 LAST
                   C: End
                   S: 250 ok
                   S: 250 ok
                   S: 250 ok
                   S: 250 ok
                   S: 250 done
                   C: QUIT)",
                chunk) == "ready\nfinal\ndelivered final-dot 250\nclosed");
}

TEST_CASE("a large message waits for a recipient, and its chunks are bounded", "[smtp]") {
    constexpr std::size_t size = 64 * 1024 + 2;  // one line more than what is sent at once
    const std::string piece = std::string(size - 2, 'x') + "\r\n";
    smtp::ClientOptions options;
    options.helo = "me";
    options.tls = smtp::ClientTls::none;
    smtp::ClientSession session{options};
    session.receive("220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    REQUIRE(std::holds_alternative<smtp::event::Ready>(session.next_event()));
    (void)session.take_output();
    smtp::Transaction transaction = message({"b@y", "c@y"}).transaction;
    transaction.body_size = 100 * size;
    session.begin(transaction);
    REQUIRE(std::holds_alternative<smtp::event::ClientNeedInput>(session.next_event()));
    REQUIRE(session.take_output() == "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\n");

    SECTION("nobody is accepted") {
        session.receive("250 ok\r\n550 no\r\n550 no\r\n");
        const smtp::ClientEvent event = session.next_event();
        REQUIRE(std::holds_alternative<smtp::event::TransactionDone>(event));
        REQUIRE(session.take_output().empty());
    }
    SECTION("eight chunks go ahead of their replies") {
        session.receive("250 ok\r\n550 no\r\n250 ok\r\n");
        for (int i = 0; i < 8; ++i) {
            REQUIRE(std::holds_alternative<smtp::event::BodyWanted>(session.next_event()));
            session.write_body(piece, false);
            const std::string output = session.take_output();
            REQUIRE(output.starts_with("BDAT 65538\r\nxxx"));
            REQUIRE(output.size() == 12 + size);
        }
        REQUIRE(std::holds_alternative<smtp::event::ClientNeedInput>(session.next_event()));
        session.receive("250 ok\r\n");
        REQUIRE(std::holds_alternative<smtp::event::BodyWanted>(session.next_event()));

        // A refusal in the midst is the end; the replies to what is on the way are drained.
        session.receive("552 5.3.4 too large\r\n");
        REQUIRE(std::holds_alternative<smtp::event::ClientNeedInput>(session.next_event()));
        session.write_body(piece, true);  // a driver that had read on is not heard any more
        session.receive("503 a\r\n503 b\r\n503 c\r\n503 d\r\n503 e\r\n");
        REQUIRE(std::holds_alternative<smtp::event::ClientNeedInput>(session.next_event()));
        session.receive("503 f\r\n");
        const smtp::ClientEvent event = session.next_event();
        const auto& results = std::get<smtp::event::TransactionDone>(event).results;
        REQUIRE(results[0].reply.code == 550);
        REQUIRE(results[1].outcome == smtp::Outcome::failed);
        REQUIRE(results[1].stage == smtp::Stage::body);
        REQUIRE(results[1].reply.code == 552);
        REQUIRE(session.take_output().empty());
        session.begin(message({"d@y"}).transaction);
        REQUIRE(session.take_output() == "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<d@y>\r\n");
    }
    SECTION("a piece of more than 256 KiB is several chunks") {
        session.receive("250 ok\r\n550 no\r\n250 ok\r\n");
        REQUIRE(std::holds_alternative<smtp::event::BodyWanted>(session.next_event()));
        session.write_body(std::string(262145, 'x'), true);
        REQUIRE(std::holds_alternative<smtp::event::FinalDotSent>(session.next_event()));
        const std::string output = session.take_output();
        REQUIRE(output.starts_with("BDAT 262144\r\nxxx"));
        REQUIRE(output.ends_with("xxxBDAT 1 LAST\r\nx"));
    }
}

TEST_CASE("the end of the content stays back until it was announced", "[smtp]") {
    smtp::ClientOptions options;
    options.helo = "me";
    options.tls = smtp::ClientTls::none;
    const bool chunking = GENERATE(true, false);
    smtp::ClientSession session{options};
    session.receive(chunking ? "220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
                             : "220 mx\r\n250-mx\r\n250 PIPELINING\r\n");
    REQUIRE(std::holds_alternative<smtp::event::Ready>(session.next_event()));
    session.begin(message({"b@y"}).transaction);
    if (!chunking) session.receive("250 ok\r\n250 ok\r\n354 go\r\n");
    REQUIRE(std::holds_alternative<smtp::event::BodyWanted>(session.next_event()));
    session.write_body("Hi\r\n", true);
    const std::string before = session.take_output();
    REQUIRE(before.ends_with(chunking ? "RCPT TO:<b@y>\r\n" : "DATA\r\nHi\r\n"));

    SECTION("lost before: surely not sent") {
        session.connection_lost("reset");
        const smtp::ClientEvent event = session.next_event();
        REQUIRE(std::get<smtp::event::TransactionDone>(event).results[0].outcome ==
                smtp::Outcome::deferred);
        REQUIRE(session.take_output().empty());
    }
    SECTION("lost between the announcement and the write: surely not sent") {
        REQUIRE(std::holds_alternative<smtp::event::FinalDotSent>(session.next_event()));
        session.connection_lost("reset");
        const smtp::ClientEvent event = session.next_event();
        REQUIRE(std::get<smtp::event::TransactionDone>(event).results[0].outcome ==
                smtp::Outcome::deferred);
    }
    SECTION("lost after the write: unknown") {
        REQUIRE(std::holds_alternative<smtp::event::FinalDotSent>(session.next_event()));
        REQUIRE(session.take_output() == (chunking ? "BDAT 4 LAST\r\nHi\r\n" : ".\r\n"));
        session.connection_lost("reset");
        const smtp::ClientEvent event = session.next_event();
        REQUIRE(std::get<smtp::event::TransactionDone>(event).results[0].outcome ==
                smtp::Outcome::unknown);
    }
    SECTION("refused just before: the end is never sent") {
        session.receive("421 no\r\n");
        const smtp::ClientEvent event = session.next_event();
        REQUIRE(std::get<smtp::event::TransactionDone>(event).results[0].reply.code == 421);
        REQUIRE(session.take_output().empty());
    }
}

TEST_CASE("a reply in the midst of DATA is the last word on the message", "[smtp]") {
    struct EarlyCase {
        std::string_view reply;
        smtp::Outcome outcome;
        int code;
    };
    const EarlyCase c = GENERATE(values<EarlyCase>({
        {"552 5.3.4 too large\r\n", smtp::Outcome::failed, 552},
        {"452 4.3.1 full\r\n", smtp::Outcome::deferred, 452},
        {"250 ok\r\n", smtp::Outcome::deferred, 0},
    }));
    smtp::ClientOptions options;
    options.tls = smtp::ClientTls::none;
    smtp::ClientSession session{options};
    session.receive("220 mx\r\n250-mx\r\n250 PIPELINING\r\n");
    REQUIRE(std::holds_alternative<smtp::event::Ready>(session.next_event()));
    session.begin(message({"b@y"}).transaction);
    session.receive("250 ok\r\n250 ok\r\n354 go\r\n");
    REQUIRE(std::holds_alternative<smtp::event::BodyWanted>(session.next_event()));
    session.write_body("Hi\r\n", false);
    session.receive(c.reply);
    const smtp::ClientEvent done = session.next_event();
    const auto& result = std::get<smtp::event::TransactionDone>(done).results[0];
    REQUIRE(result.outcome == c.outcome);
    REQUIRE(result.reply.code == c.code);
    REQUIRE(std::holds_alternative<smtp::event::SessionFailed>(session.next_event()));
}
