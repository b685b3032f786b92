// The next message's commands leave with the end of the one before (RFC 2920 section 3.1).
#include "bed.hpp"

#include "tests/support/catch.hpp"

using namespace delivery_test;
using spool::MessageState;

namespace {

const std::string commands = "MAIL FROM:<from@a.example>\r\nRCPT TO:<to@b.example>\r\nDATA\r\n";

// So many messages on one connection at a time, until nothing is under way.
struct Backlog {
    Backlog() { options().max_connections = 1; }
    delivery::SmarthostOptions& options() { return options_; }

    void leave(std::vector<std::string> to = {"to@b.example"},
               std::string content = "Subject: x\r\n\r\nHi\r\n") {
        ids.push_back(bed.leave(std::move(to), std::move(content)));
    }
    void start(std::size_t messages = 0) {
        for (std::size_t i = 0; i < messages; ++i) leave();
        bed.start();
    }
    void run() {
        bed.run_until([&] {
            return std::all_of(ids.begin(), ids.end(), [&](base::MessageId id) {
                return bed.state(id) == MessageState::delivered;
            });
        });
    }
    [[nodiscard]] std::size_t attempts(std::size_t index) {
        return bed.show(ids.at(index)).attempts.size();
    }

    Bed bed;
    ScriptedSmarthost host{bed.loop};
    delivery::SmarthostOptions& options_ = bed.use(host);
    std::vector<base::MessageId> ids;
};

}  // namespace

TEST_CASE("what waits begins with the end of the message before", "[delivery]") {
    Backlog backlog;
    backlog.start(3);
    backlog.run();
    const std::vector<Taken>& taken = backlog.host.taken();
    REQUIRE(taken.size() == 3);
    CHECK(taken[0].behind == commands);
    CHECK(taken[1].behind == commands);
    CHECK(taken[2].behind.empty());
    CHECK(backlog.host.connections() == 1);
    for (const Taken& each : taken) CHECK(each.content == "Subject: x\r\n\r\nHi\r\n");
    for (std::size_t i = 0; i < 3; ++i) CHECK(backlog.attempts(i) == 1);
}

TEST_CASE("a message for which a connection is free does not wait behind another", "[delivery]") {
    Backlog backlog;
    backlog.options().max_connections = 2;
    backlog.host.on("connect", [](const ScriptedSmarthost::Heard& heard) {
        return heard.connection == 2 ? held("220 late") : Answer{"220 early"};
    });
    backlog.start(2);
    backlog.bed.run_until([&] { return !backlog.host.taken().empty(); });
    CHECK(backlog.host.connections() == 2);
    CHECK(backlog.host.taken()[0].behind.empty());
    backlog.run();
}

TEST_CASE("a connection's last message has nothing behind it", "[delivery]") {
    Backlog backlog;
    backlog.options().messages_per_connection = 2;
    backlog.start(3);
    backlog.run();
    REQUIRE(backlog.host.taken().size() == 3);
    CHECK(backlog.host.taken()[0].behind == commands);
    CHECK(backlog.host.taken()[1].behind == "");
    CHECK(backlog.host.connections() == 2);
    CHECK(backlog.host.heard("QUIT") >= 1);
}

TEST_CASE("a message that has to be rewritten begins in its own time", "[delivery]") {
    Backlog backlog;
    backlog.host.extensions = {"PIPELINING"};
    backlog.leave();
    backlog.leave({"to@b.example"}, "Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9f\r\n");
    backlog.leave();
    backlog.start();
    backlog.run();
    const std::vector<Taken>& taken = backlog.host.taken();
    REQUIRE(taken.size() == 3);
    CHECK(taken[0].behind.empty());
    CHECK(taken[1].content.find("quoted-printable") != std::string::npos);
    CHECK(taken[1].behind == commands);
    CHECK(taken[2].content == "Subject: x\r\n\r\nHi\r\n");
}

TEST_CASE("a server that does not hear what comes behind a dot", "[delivery]") {
    Backlog backlog;
    backlog.options().command_timeout = 100ms;
    backlog.host.on("dot", deaf("250 2.0.0 ok"));
    backlog.start(4);
    backlog.run();
    const std::vector<Taken>& taken = backlog.host.taken();
    REQUIRE(taken.size() == 4);
    CHECK(taken[0].behind == commands);
    for (std::size_t i = 1; i < 4; ++i) CHECK(taken[i].behind.empty());  // it has been learnt
    CHECK(backlog.host.connections() == 2);
    for (std::size_t i = 0; i < 4; ++i) CHECK(backlog.attempts(i) == 1);
}

TEST_CASE("a server that leaves behind a message costs the next no attempt", "[delivery]") {
    Backlog backlog;
    std::size_t last = 0;  // connection that began a message
    SECTION("without a word") { backlog.host.on("dot", hang_up("250 2.0.0 ok")); }
    SECTION("with 421 to its MAIL") {
        backlog.host.on("MAIL", [&last](const ScriptedSmarthost::Heard& heard) {
            const bool again = std::exchange(last, heard.connection) == heard.connection;
            return again ? hang_up("421 4.7.0 enough") : Answer{"250 2.1.0 ok"};
        });
    }
    backlog.start(3);
    backlog.run();
    CHECK(backlog.host.taken().size() == 3);
    CHECK(backlog.host.connections() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(backlog.attempts(i) == 1);
}

TEST_CASE("a connection lost with a message takes nothing from the one behind it", "[delivery]") {
    Backlog backlog;
    backlog.host.on("dot", [&](const ScriptedSmarthost::Heard& heard) {
        return heard.connection == 1 ? hang_up() : Answer{"250 2.0.0 ok"};
    });
    backlog.start(2);
    backlog.bed.run_until(
        [&] { return backlog.bed.state(backlog.ids[1]) == MessageState::delivered; });
    CHECK(backlog.host.taken()[0].behind == commands);
    CHECK(backlog.bed.state(backlog.ids[0]) == MessageState::unknown);
    CHECK(backlog.attempts(1) == 1);
}

TEST_CASE("a refused message does not touch the one behind it", "[delivery]") {
    Backlog backlog;
    std::size_t dots = 0;
    backlog.host.on("dot", [&dots](const ScriptedSmarthost::Heard&) {
        return Answer{++dots == 1 ? "554 5.7.1 spam" : "250 2.0.0 ok"};
    });
    backlog.bed.options.bounce_to = delivery::BounceTo::none;
    backlog.start(2);
    backlog.bed.run_until(
        [&] { return backlog.bed.state(backlog.ids[1]) == MessageState::delivered; });
    backlog.bed.run_until(
        [&] { return backlog.bed.state(backlog.ids[0]) == MessageState::failed; });
    CHECK(backlog.host.taken()[0].behind == commands);
    CHECK(backlog.host.connections() == 1);
}

namespace {

// Takes so many recipients in a transaction, and announces no limit.
void take_few(ScriptedSmarthost& host, std::size_t most) {
    const auto recipients = std::make_shared<std::size_t>(0);
    host.on("MAIL", [recipients](const ScriptedSmarthost::Heard&) {
        *recipients = 0;
        return Answer{"250 2.1.0 ok"};
    });
    host.on("RCPT", [recipients, most](const ScriptedSmarthost::Heard&) {
        return Answer{++*recipients > most ? "452 4.5.3 too many" : "250 2.1.5 ok"};
    });
}

}  // namespace

TEST_CASE("recipients that a server puts off wait for the message that has begun", "[delivery]") {
    Backlog backlog;
    take_few(backlog.host, 1);
    backlog.leave({"one@b.example", "two@b.example"});
    backlog.leave();
    backlog.start();
    backlog.run();
    const std::vector<Taken>& taken = backlog.host.taken();
    REQUIRE(taken.size() == 3);
    CHECK(taken[0].behind == commands);
    CHECK(taken[1].content == taken[0].content);
}

TEST_CASE("a limit that is learnt behind a message does not count for the one that has begun",
          "[delivery]") {
    Backlog backlog;
    std::size_t named = 0;  // the third is put off, no later one
    backlog.host.on("RCPT", [&named](const ScriptedSmarthost::Heard&) {
        return Answer{++named == 3 ? "452 4.5.3 too many" : "250 2.1.5 ok"};
    });
    for (int i = 0; i < 2; ++i) backlog.leave({"one@b.example", "two@b.example", "3@b.example"});
    backlog.start();
    backlog.run();
    const std::vector<Taken>& taken = backlog.host.taken();
    REQUIRE(taken.size() == 3);
    CHECK_FALSE(taken[0].behind.empty());
    CHECK(taken[1].recipients.size() == 3);
    CHECK(taken[2].recipients.size() == 1);
    CHECK(backlog.attempts(1) == 1);
}

TEST_CASE("a message that cannot begin early is not forgotten", "[delivery]") {
    Backlog backlog;
    take_few(backlog.host, 1);
    backlog.leave({"one@b.example", "two@b.example"});
    backlog.leave({"gr\xc3\xbc\xc3\x9f@b.example", "to@b.example"});
    backlog.leave();
    backlog.start();
    backlog.bed.options.bounce_to = delivery::BounceTo::none;
    backlog.bed.run_until([&] { return backlog.host.taken().size() == 4; });
    backlog.bed.run_until([&] { return backlog.bed.engine->status().active == 0; });
    CHECK(backlog.attempts(1) >= 1);
}

namespace {

// It keeps its answer to the first message back; others answer at once.
void hold_first_connection(ScriptedSmarthost& host) {
    host.on("dot", [](const ScriptedSmarthost::Heard& heard) {
        return heard.connection == 1 ? held("250 2.0.0 ok") : Answer{"250 2.0.0 ok"};
    });
}

}  // namespace

TEST_CASE("no message waits long behind another", "[delivery]") {
    Backlog backlog;
    hold_first_connection(backlog.host);
    backlog.start(2);
    backlog.bed.run_until([&] { return backlog.host.taken().size() == 1; });
    REQUIRE(backlog.host.taken()[0].behind == commands);
    backlog.bed.reload();  // which makes room for another connection
    backlog.bed.run_until(
        [&] { return backlog.bed.state(backlog.ids[1]) == MessageState::delivered; });
    CHECK(backlog.bed.state(backlog.ids[0]) == MessageState::queued);
    backlog.host.release();
    backlog.run();
    CHECK(backlog.host.taken().size() == 2);
    CHECK(backlog.host.connections() == 2);
    for (std::size_t i = 0; i < 2; ++i) CHECK(backlog.attempts(i) == 1);
}

TEST_CASE("a connection on which a message began in vain is not used again", "[delivery]") {
    Backlog backlog;
    hold_first_connection(backlog.host);
    backlog.start(2);
    // Time enough for the engine to look at it twice; with less this proves nothing.
    const auto later = std::chrono::steady_clock::now() + 2500ms;
    backlog.bed.run_until([&] { return std::chrono::steady_clock::now() > later; });
    REQUIRE(backlog.host.taken().size() == 1);
    backlog.host.release();
    backlog.run();
    CHECK(backlog.host.connections() == 2);

    // From a server that thinks for so long there is little to gain.
    for (int i = 0; i < 3; ++i) backlog.leave();
    backlog.bed.engine->note_waiting();
    backlog.run();
    for (std::size_t i = 1; i < 5; ++i) CHECK(backlog.host.taken().at(i).behind.empty());
}

TEST_CASE("a message that has begun on a connection that is to end", "[delivery]") {
    Backlog backlog;
    backlog.host.on("dot", held("250 2.0.0 ok"));
    backlog.start(2);
    backlog.bed.run_until([&] { return backlog.host.taken().size() == 1; });
    REQUIRE(backlog.host.taken()[0].behind == commands);
    SECTION("at once, it goes back") {
        backlog.bed.stop();
        CHECK(backlog.bed.state(backlog.ids[0]) == MessageState::unknown);
        CHECK(backlog.bed.state(backlog.ids[1]) == MessageState::queued);
        CHECK(backlog.attempts(1) == 0);
    }
    SECTION("when its settings were replaced, it goes on") {
        backlog.bed.reload();
        backlog.host.normal("dot");
        backlog.host.release();
        backlog.run();
        CHECK(backlog.host.connections() == 1);
    }
}
