// The commands of the next transaction behind the final dot of the present one (RFC 2920
// section 3.1).
#include <fmt/format.h>

#include "tests/support/catch.hpp"
#include "tests/unit/smtp/client_messages.hpp"

using test::message;
using test::ScriptedServer;

namespace {

struct Case {
    std::string_view name, keywords;
    std::vector<ScriptedServer::Message> messages;
    std::string_view script, log;
};

std::string run_early(std::string_view keywords, std::vector<ScriptedServer::Message> messages,
                      std::string_view script, std::size_t chunk) {
    ScriptedServer server = test::make_server(keywords, script, chunk);
    server.messages = std::move(messages);
    server.early = true;
    return server.run();
}

}  // namespace

TEST_CASE("the next message begins behind the final dot", "[smtp]") {
    const Case c = GENERATE(values<Case>({
        {"three in a row",
         "PIPELINING\nSIZE 1000",
         {message({"b@y"}), message({"c@y", "d@y"}, {"two\r\n"}), message({"e@y"})},
         R"(C: MAIL FROM:<a@x> SIZE=4
            C: RCPT TO:<b@y>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            C: MAIL FROM:<a@x> SIZE=5
            C: RCPT TO:<c@y>
            C: RCPT TO:<d@y>
            C: DATA
            S: 250 queued
            S: 250 ok
            S: 550 who
            S: 250 ok
            S: 354 go
            C: two
            C: .
            C: MAIL FROM:<a@x> SIZE=4
            C: RCPT TO:<e@y>
            C: DATA
            S: 250 queued
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            S: 250 queued
            C: QUIT)",
         "ready\nearly\nfinal\ndelivered final-dot 250\nearly\nfinal\nfailed rcpt 550\n"
         "delivered final-dot 250\nfinal\ndelivered final-dot 250\nclosed"},
        {"a refused message does not touch the next",
         "PIPELINING",
         {message({"b@y"}), message({"c@y"})},
         R"(C: MAIL FROM:<a@x>
            C: RCPT TO:<b@y>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            C: MAIL FROM:<a@x>
            C: RCPT TO:<c@y>
            C: DATA
            S: 554 spam
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            S: 250 queued
            C: QUIT)",
         "ready\nearly\nfinal\nfailed final-dot 554\nfinal\ndelivered final-dot 250\nclosed"},
        {"the next is refused, and the one behind it begins anew",
         "PIPELINING",
         {message({"b@y"}), message({"c@y"}), message({"d@y"})},
         R"(C: MAIL FROM:<a@x>
            C: RCPT TO:<b@y>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            C: MAIL FROM:<a@x>
            C: RCPT TO:<c@y>
            C: DATA
            S: 250 queued
            S: 250 ok
            S: 450 later
            S: 554 no recipients
            C: RSET
            C: MAIL FROM:<a@x>
            C: RCPT TO:<d@y>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            S: 250 queued
            C: QUIT)",
         "ready\nearly\nfinal\ndelivered final-dot 250\ndeferred rcpt 450\nfinal\n"
         "delivered final-dot 250\nclosed"},
        {"DATA of the next is taken without a recipient",
         "PIPELINING",
         {message({"b@y"}), message({"c@y"})},
         R"(C: MAIL FROM:<a@x>
            C: RCPT TO:<b@y>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            C: MAIL FROM:<a@x>
            C: RCPT TO:<c@y>
            C: DATA
            S: 250 queued
            S: 250 ok
            S: 550 who
            S: 354 go
            C: .
            S: 554 no recipients
            C: QUIT)",
         "ready\nearly\nfinal\ndelivered final-dot 250\nfailed rcpt 550\nclosed"},
        {"lost before the reply to the dot: the next has no results",
         "PIPELINING",
         {message({"b@y"}), message({"c@y"})},
         R"(C: MAIL FROM:<a@x>
            C: RCPT TO:<b@y>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            C: MAIL FROM:<a@x>
            C: RCPT TO:<c@y>
            C: DATA)",
         "ready\nearly\nfinal\nunknown final-dot the connection was lost\n"
         "FAILED final-dot 0: the connection was lost"},
        {"421 to the dot: the next has no results",
         "PIPELINING",
         {message({"b@y"}), message({"c@y"})},
         R"(C: MAIL FROM:<a@x>
            C: RCPT TO:<b@y>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            C: MAIL FROM:<a@x>
            C: RCPT TO:<c@y>
            C: DATA
            S: 421 going down)",
         "ready\nearly\nfinal\ndeferred final-dot 421\n"
         "FAILED final-dot 421: the server closes the connection"},
        {"lost behind the reply to the dot",
         "PIPELINING",
         {message({"b@y"}), message({"c@y"})},
         R"(C: MAIL FROM:<a@x>
            C: RCPT TO:<b@y>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: Hi
            C: .
            C: MAIL FROM:<a@x>
            C: RCPT TO:<c@y>
            C: DATA
            S: 250 queued
            S: 250 ok)",
         "ready\nearly\nfinal\ndelivered final-dot 250\ndeferred rcpt the connection was lost\n"
         "FAILED rcpt 0: the connection was lost"},
    }));
    CAPTURE(c.name);
    CHECK(run_early(c.keywords, c.messages, c.script, 1) == c.log);
    CHECK(run_early(c.keywords, c.messages, c.script, 10000) == c.log);
}

TEST_CASE("where the next message begins only after the reply", "[smtp]") {
    const Case c = GENERATE(values<Case>({
        {"without PIPELINING",
         "SIZE",
         {message({"b@y"}), message({"c@y"})},
         "C: MAIL FROM:<a@x> SIZE=4\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 354 go\n"
         "C: Hi\nC: .\nS: 250 ok\nC: MAIL FROM:<a@x> SIZE=4\nS: 451 later\nC: QUIT",
         "ready\nfinal\ndelivered final-dot 250\ndeferred mail 451\nclosed"},
        {"with BDAT, whose refused end leaves the server inside the transaction",
         "PIPELINING\nCHUNKING",
         {message({"b@y"}), message({"c@y"})},
         "C: MAIL FROM:<a@x>\nC: RCPT TO:<b@y>\nC: BDAT 4 LAST\nC: Hi\nS: 250 ok\nS: 250 ok\n"
         "S: 554 no\nC: RSET\nC: MAIL FROM:<a@x>\nC: RCPT TO:<c@y>\nC: BDAT 4 LAST\nC: Hi\n"
         "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC: QUIT",
         "ready\nfinal\nfailed final-dot 554\nfinal\ndelivered final-dot 250\nclosed"},
        {"an address that must not be written",
         "PIPELINING",
         {message({"b@y"}), message({"c@y", "d\r\nQUIT"})},
         "C: MAIL FROM:<a@x>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
         "C: Hi\nC: .\nS: 250 ok\nC: MAIL FROM:<a@x>\nC: RCPT TO:<c@y>\nC: DATA\nS: 451 no\n"
         "S: 503 no\nS: 503 no\nC: QUIT",
         "ready\nnot early\nfinal\ndelivered final-dot 250\ndeferred mail 451\n"
         "failed rcpt the recipient \"d\\x0d\\x0aQUIT\" holds a control character\nclosed"},
    }));
    CAPTURE(c.name);
    CHECK(run_early(c.keywords, c.messages, c.script, 1) == c.log);
    CHECK(run_early(c.keywords, c.messages, c.script, 10000) == c.log);
}

namespace {

// A session that has given out its content, and the next message behind it.
struct Begun {
    Begun() {
        while (!at_body()) {
        }
        session.write_body("Hi\r\n", true);
        REQUIRE(session.begin_early(message({"c@y"}).transaction));
        CHECK_FALSE(session.can_begin_early());
        CHECK_FALSE(session.begun_early());
    }
    bool at_body() {
        const smtp::ClientEvent event = session.next_event();
        if (std::holds_alternative<smtp::event::BodyWanted>(event)) return true;
        if (std::holds_alternative<smtp::event::Ready>(event)) {
            session.begin(message({"b@y"}).transaction);
        } else {
            REQUIRE(std::visit(server, event));
        }
        return false;
    }
    template <class Event>
    [[nodiscard]] bool comes() {
        return std::holds_alternative<Event>(session.next_event());
    }

    ScriptedServer server = test::make_server("PIPELINING",
                                              "C: MAIL FROM:<a@x>\nC: RCPT TO:<b@y>\nC: DATA\n"
                                              "S: 250 ok\nS: 250 ok\nS: 354 go",
                                              10000);
    smtp::ClientSession& session = server.session;
};

}  // namespace

TEST_CASE("a session that is ended does not tell of what it began early", "[smtp]") {
    Begun begun;
    smtp::ClientSession& session = begun.session;
    REQUIRE(begun.comes<smtp::event::FinalDotSent>());
    CHECK(session.take_output() == "Hi\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n");
    CHECK(session.stage() == smtp::Stage::final_dot);
    session.receive("250 queued\r\n451 later\r\n503 no\r\n503 no\r\n");
    REQUIRE(begun.comes<smtp::event::TransactionDone>());
    CHECK(session.begun_early());
    CHECK(session.ready());
    CHECK(session.stage() == smtp::Stage::mail);

    SECTION("quit") {
        session.quit();
        CHECK(session.take_output().empty());
        CHECK(begun.comes<smtp::event::SessionClosed>());
    }
    SECTION("lost") {
        session.connection_lost("gone");
        CHECK(begun.comes<smtp::event::SessionFailed>());
    }
    CHECK_FALSE(session.ready());
    CHECK_FALSE(session.begun_early());
}

TEST_CASE("a refusal before the end of the content has left keeps the next back", "[smtp]") {
    Begun begun;
    begun.session.receive("451 no room\r\n");
    CHECK(begun.comes<smtp::event::TransactionDone>());
    CHECK(begun.session.take_output() == "Hi\r\n");
    CHECK(begun.comes<smtp::event::SessionFailed>());
    CHECK_FALSE(begun.session.ready());
}
