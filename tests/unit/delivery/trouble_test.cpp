// What becomes of a message when a smarthost, a connection or the spool fails under it.
#include <algorithm>
#include <fstream>

#include "base/log.hpp"
#include "bed.hpp"
#include "tests/support/folder.hpp"

using namespace delivery_test;
using delivery::Health;
using spool::MessageState;
using spool::RecipientState;

TEST_CASE("mail goes to the next priority when the first has trouble", "[delivery]") {
    Bed bed;
    ScriptedSmarthost first{bed.loop}, second{bed.loop};
    bed.use(first, "first").max_connections = 3;
    bed.use(second, "second").priority = 10;
    struct Case {
        std::string_view name, verb;
        Answer answer;
    };
    const std::vector<Case> cases{
        {"closes at once", "connect", hang_up()},
        {"4xx greeting", "connect", hang_up("421 4.3.2 not now")},
        {"refuses the greeting", "EHLO", hang_up("421 4.3.2 not now")},
        {"dies at MAIL", "MAIL", hang_up()},
        {"dies at RCPT", "RCPT", hang_up()},
        {"closes with 421 at MAIL", "MAIL", hang_up("421 4.7.0 daily limit reached")},
        {"closes with 421 at RCPT", "RCPT", hang_up("421 4.7.0 daily limit reached")},
        {"drips its greeting", "connect", drip("220-")},
        {"drips its extensions", "EHLO", drip("250-")},
        {"drips its answer to MAIL", "MAIL", drip("250-")},
        {"dies at DATA", "DATA", hang_up()},
        {"drips its answer to DATA", "DATA", drip("354-")},
    };
    const Case& c = cases.at(static_cast<std::size_t>(GENERATE(range(0, 12))));
    CAPTURE(c.name);
    if (c.answer.drip) bed.options.smarthosts[0].command_timeout = 100ms;
    first.on(std::string{c.verb}, c.answer);
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    CHECK(second.taken().size() == 1);
    CHECK(first.taken().empty());

    // Its history tells why it is there.
    const spool::Details details = bed.show(id);
    REQUIRE(details.attempts.size() == 2);
    CHECK(details.attempts[0].smarthost == "first");
    CHECK(details.attempts[0].outcome == "failover");
    CHECK(details.attempts[0].reply.empty() != details.attempts[0].problem.empty());
    CHECK(details.attempts[1].smarthost == "second");
    CHECK(details.attempts[1].outcome == "delivered");
    CHECK(details.attempts[1].reply == "250 2.0.0 ok");
    CHECK(details.attempts[1].problem.empty());
    CHECK(details.message.attempts == 1);  // of the schedule
}

TEST_CASE("mail whose content broke off goes to the next priority", "[delivery]") {
    Bed bed;
    ScriptedSmarthost first{bed.loop}, second{bed.loop};
    bed.use(first, "first");
    bed.use(second, "second").priority = 10;
    first.break_content(100'000, "");
    bed.start();
    std::string content = "Subject: x\r\n\r\n";
    while (content.size() < 8'000'000) content += std::string(70, 'x') + "\r\n";
    const base::MessageId id = bed.submit({"a@b.example"}, content);
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    REQUIRE(second.taken().size() == 1);
    CHECK(second.taken()[0].content == content);
    CHECK(bed.show(id).attempts[0].stage == smtp::Stage::body);
}

TEST_CASE("a message that no smarthost takes tells of each once, and then of the next attempt",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost first{bed.loop}, second{bed.loop};
    bed.use(first, "first");
    bed.use(second, "second").priority = 10;
    const bool in_session = GENERATE(true, false);
    CAPTURE(in_session);
    if (in_session) {
        first.on("MAIL", hang_up());
    } else {
        first.stop_listening();
    }
    second.stop_listening();
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    spool::Details details = bed.show(id);
    REQUIRE(details.attempts.size() == 2);
    CHECK(details.attempts[0].smarthost == "first");
    CHECK(details.attempts[0].outcome == "failover");
    CHECK(details.attempts[1].smarthost == "second");
    CHECK(details.attempts[1].outcome == "deferred");
    CHECK(details.attempts[1].stage == smtp::Stage::connect);
    CHECK(details.message.attempts == 1);
    CHECK(details.message.recipients[0].last_problem == details.attempts[1].problem);

    second.listen_again();
    bed.advance(10min);
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    details = bed.show(id);
    CHECK(details.attempts.size() >= 3);
    CHECK(details.attempts.back().smarthost == "second");
}

// RFC 5321 section 4.5.3.2: the limit is one for each command, not for each byte of its answer.
TEST_CASE("an answer that comes in drips is told from silence", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host).command_timeout = 300ms;
    bed.start();
    host.on("RCPT", drip("250-"));
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.show(id).message.recipients[0].last_problem.find(
              "no more than part of an answer within 300ms") != std::string::npos);
}

TEST_CASE("a closed port fails over, and a recovered smarthost is used again", "[delivery]") {
    Bed bed;
    ScriptedSmarthost first{bed.loop}, second{bed.loop};
    bed.use(first, "first");
    bed.use(second, "second").priority = 10;
    first.stop_listening();
    bed.start();
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    CHECK(second.taken().size() == 1);

    first.listen_again();
    first.on("connect", held("220 smarthost.example"));
    bed.advance(1min);  // beyond the longest jitter
    bed.submit();       // first is tried again, and this does not wait for what comes of it
    bed.run_until([&] { return second.taken().size() == 2; });
    bed.run_until([&] { return first.connections() == 1; });
    first.normal("connect");
    first.release();
    bed.run_until([&] { return bed.smarthost(0).health == Health::ok; });
    bed.submit();
    bed.run_until([&] { return first.taken().size() == 1; });
    CHECK(second.taken().size() == 2);
}

TEST_CASE("who was served is not served again when the connection breaks", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.extensions.push_back("LIMITS RCPTMAX=1");
    host.on("MAIL", [&](const auto&) {
        return host.taken().size() == 1 && host.connections() == 1 ? hang_up() : Answer{"250 ok"};
    });
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit({"a@b.example", "c@b.example", "d@b.example"});
    bed.run_until([&] { return bed.engine->status().active == 0; });
    bed.advance(1min);
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    std::vector<std::string> served;
    for (const Taken& taken : host.taken()) {
        REQUIRE(taken.recipients.size() == 1);
        served.push_back(taken.recipients[0]);
    }
    CHECK(served == std::vector<std::string>{"RCPT TO:<a@b.example>", "RCPT TO:<c@b.example>",
                                             "RCPT TO:<d@b.example>"});
}

TEST_CASE("a smarthost's limit of transactions moves the rest to another connection",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.extensions.push_back("LIMITS RCPTMAX=1 MAILMAX=2");
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit({"a@b.example", "c@b.example", "d@b.example"});
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    REQUIRE(host.taken().size() == 3);
    CHECK(host.taken()[1].connection == 1);
    CHECK(host.taken()[2].connection == 2);
    CHECK(bed.show(id).message.attempts == 1);
}

// Nobody waits for a schedule's step, or for ever, because somebody before them does.
TEST_CASE("a recipient that is deferred keeps nobody back behind a limit of transactions",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.extensions.push_back("LIMITS RCPTMAX=1 MAILMAX=1");
    bool listed = false;
    host.on("RCPT", [&](const ScriptedSmarthost::Heard& heard) {
        const bool slow = !listed && heard.line.find("slow") != std::string::npos;
        return slow ? Answer{"450 4.2.1 greylisted"} : Answer{"250 ok"};
    });
    bed.use(host);
    bed.start();
    const base::MessageId id =
        bed.submit({"slow1@b.example", "slow2@b.example", "a@b.example", "c@b.example"});
    bed.run_until([&] { return bed.show(id).message.attempts == 1; });
    const spool::Details details = bed.show(id);
    CHECK(details.message.state == MessageState::queued);
    for (std::size_t i = 0; i < 4; ++i) {
        const auto expected = i < 2 ? RecipientState::pending : RecipientState::delivered;
        CHECK(details.message.recipients[i].state == expected);
    }
    CHECK(details.attempts.size() == 4);
    CHECK(details.message.due > bed.clock.now() + 20s);
    CHECK(host.heard("RCPT") == 4);  // each was asked for once
    listed = true;
    bed.advance(1min);
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    CHECK(host.heard("RCPT") == 6);
    CHECK(bed.show(id).message.attempts == 2);
}

TEST_CASE("recipients beyond a limit that the smarthost did not announce follow at once",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    const std::string refusal = GENERATE("452 4.5.3 Too many recipients", "552 too many addresses");
    CAPTURE(refusal);
    std::size_t in_transaction = 0;
    host.on("MAIL", [&](const auto&) {
        in_transaction = 0;
        return Answer{"250 ok"};
    });
    host.on("RCPT", [&](const ScriptedSmarthost::Heard& heard) {
        if (heard.line.find("gone@") != std::string::npos) return Answer{"550 5.1.1 unknown"};
        return ++in_transaction > 2 ? Answer{refusal} : Answer{"250 ok"};
    });
    bed.use(host);
    bed.start();
    base::MessageId id = bed.submit({"a@b.example", "b@b.example", "c@b.example", "d@b.example",
                                     "gone@b.example", "e@b.example"});
    bed.run_until([&] { return bed.state(id) == MessageState::failed; });
    for (std::size_t i = 0; i < 6; ++i) {
        const auto expected = i == 4 ? RecipientState::failed : RecipientState::delivered;
        CHECK(bed.show(id).message.recipients[i].state == expected);
    }
    bed.settle();
    const std::size_t before = host.heard("RCPT");
    id = bed.submit({"a@b.example", "b@b.example", "c@b.example", "d@b.example"});
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    CHECK(host.heard("RCPT") == before + 4);  // the limit is known by now
}

TEST_CASE("a smarthost without room for a single recipient defers them", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.on("RCPT", Answer{"452 4.5.3 Too many recipients"});
    bed.use(host);
    bed.start();
    const base::MessageId id = bed.submit({"a@b.example", "b@b.example"});
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.state(id) == MessageState::queued);
    CHECK(host.heard("RCPT") == 2);
}

TEST_CASE("a connection gone stale while idle costs no attempt", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    host.on("MAIL", [&](const ScriptedSmarthost::Heard& heard) {
        return heard.connection == 1 && host.taken().size() == 1 ? hang_up() : Answer{"250 ok"};
    });
    bed.start();
    bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.engine->status().active == 0; });
    CHECK(bed.state(id) == MessageState::delivered);
    CHECK(bed.show(id).attempts.size() == 1);
    CHECK(bed.smarthost().deferred == 0);
}

TEST_CASE("an unknown outcome found at the start waits its step and is recovered once",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    const base::MessageId id = bed.leave();
    bed.spool->mark_dot(id);
    bed.reopen();
    bed.start();
    bed.run_until([&] { return bed.show(id).message.due > bed.clock.now(); });
    bed.settle();
    spool::Message message = bed.show(id).message;
    CHECK(message.state == MessageState::unknown);
    CHECK(message.attempts == 1);
    CHECK_FALSE(message.dot_marked);
    CHECK(host.connections() == 0);
    bed.advance(3min);
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    CHECK(bed.show(id).attempts.size() == 2);
}

TEST_CASE("an outcome that the spool does not take is kept until it does", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    bed.start();
    bed.spool->failing_records = 1;
    const base::MessageId id = bed.submit();
    bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    CHECK(host.taken().size() == 1);
}

namespace {

std::size_t lines_with(const std::filesystem::path& file, std::string_view words) {
    std::ifstream stream{file};
    std::size_t count = 0;
    for (std::string line; std::getline(stream, line);) {
        if (line.find(words) != std::string::npos) ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("a spool that takes no outcomes is told of once, and once when it does", "[delivery]") {
    Bed bed;
    const test::Folder folder;
    const auto lines = folder / "relay.log";
    REQUIRE(base::open_log({base::LogLevel::info, base::LogFormat::text, lines}).has_value());
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    host.on("RCPT", {"550 5.1.1 no"});
    bed.start();
    bed.spool->failing_records = 25;
    std::vector<base::MessageId> sent;
    for (int i = 0; i < 10; ++i) sent.push_back(bed.submit());
    bed.run_until([&] {
        return std::ranges::all_of(
            sent, [&](const auto& id) { return bed.state(id) == MessageState::failed; });
    });
    CHECK(lines_with(lines, "outcomes of deliveries cannot be recorded") == 1);
    CHECK(lines_with(lines, "outcomes of deliveries are recorded again") == 1);
    CHECK(lines_with(lines, "the disk is on fire") == 1);
    CHECK(lines_with(lines, "report queued") == 10);
}

TEST_CASE("large content is rewritten for a smarthost without 8BITMIME, each in its turn",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.extensions = {};
    bed.use(host).max_connections = 8;
    const std::string head = "Subject: a\r\nMIME-Version: 1.0\r\n";
    std::string body, expected;
    while (body.size() < 700'000) {
        body += "gr\xc3\xbcn\r\n";
        expected += "gr=C3=BCn\r\n";
    }
    for (int i = 0; i < 8; ++i) bed.leave({"to@b.example"}, head + "\r\n" + body);
    bed.start();
    bed.run_until([&] { return host.taken().size() == 8; });
    for (const Taken& taken : host.taken()) {
        const bool exact =
            taken.content == head +
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n" +
                                 expected;
        CHECK(exact);
    }
}

TEST_CASE("a header in UTF-8 is encoded for a smarthost that takes 8 bits but not SMTPUTF8",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    bed.use(host);
    const bool in_file = GENERATE(true, false), offered = GENERATE(true, false);
    CAPTURE(in_file, offered);
    const std::string line = "gr\xc3\xbcn " + std::string(2000, 'x') + "\r\n";
    std::string rest = "\r\n" + line;
    while (in_file && rest.size() < 700'000) rest += line;
    if (offered) host.extensions.push_back("SMTPUTF8");
    bed.start();
    bed.submit({"to@b.example"}, "Subject: gr\xc3\xbcn\r\n" + rest);
    bed.run_until([&] { return host.taken().size() == 1; });
    const std::string subject = offered ? "gr\xc3\xbcn" : "=?utf-8?B?Z3LDvG4=?=";
    const bool exact = host.taken()[0].content == "Subject: " + subject + "\r\n" + rest;
    CHECK(exact);
}

TEST_CASE("content whose header is beyond reason is refused where it must be rewritten",
          "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.extensions = {};
    bed.use(host);
    bed.start();
    const base::MessageId id =
        bed.submit({"to@b.example"}, "X: " + std::string(1'200'000, 'x') + "\r\n\r\n\xc3\xa4\r\n");
    bed.run_until([&] { return bed.state(id) == MessageState::failed; });
    CHECK(bed.show(id).message.recipients[0].last_problem.find("has to be rewritten") !=
          std::string::npos);
    bed.run_until([&] { return !host.taken().empty(); });  // the bounce, and nothing else
    CHECK(host.heard("MAIL") == 1);
}

TEST_CASE("content that cannot be read defers its message only", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop}, other{bed.loop};
    bed.use(host, "host");
    bed.use(other, "other").priority = 10;
    const base::MessageId lost = bed.leave();
    bed.spool->failing_loads = 1;
    bed.start();
    bed.run_until([&] { return bed.show(lost).attempts.size() == 1; });
    CHECK(bed.show(lost).attempts[0].problem.find("on fire") != std::string::npos);
    CHECK(other.connections() == 0);  // it could do no better
    const base::MessageId next = bed.submit();
    bed.run_until([&] { return bed.state(next) == MessageState::delivered; });
    bed.advance(1min);  // beyond the longest jitter
    bed.run_until([&] { return bed.state(lost) == MessageState::delivered; });
}

TEST_CASE("an address that needs SMTPUTF8 fails alone", "[delivery]") {
    Bed bed;
    ScriptedSmarthost host{bed.loop};
    host.extensions = {"PIPELINING"};
    bed.use(host);
    bed.options.bounce_to = delivery::BounceTo::none;
    bed.start();
    const base::MessageId id = bed.submit({"a@b.example", "j\u00f6rg@b.example"});
    bed.run_until([&] { return bed.engine->status().active == 0; });
    const auto recipients = bed.show(id).message.recipients;
    CHECK(recipients[0].state == spool::RecipientState::delivered);
    CHECK(recipients[1].state == spool::RecipientState::failed);
    REQUIRE(host.taken().size() == 1);
    CHECK(host.taken()[0].recipients == std::vector<std::string>{"RCPT TO:<a@b.example>"});
}

TEST_CASE("an address that needs SMTPUTF8 goes to a smarthost that offers it", "[delivery]") {
    Bed bed;
    ScriptedSmarthost first{bed.loop}, second{bed.loop};
    first.extensions = {"PIPELINING", "8BITMIME"};
    second.extensions = {"PIPELINING", "8BITMIME", "SMTPUTF8"};
    bed.use(first, "first");
    bed.use(second, "second").priority = GENERATE(0, 10);
    bed.options.bounce_to = delivery::BounceTo::none;
    bed.international = true;
    bed.start();

    SECTION("at once when nobody else is served") {
        const base::MessageId id = bed.submit({"j\u00f6rg@b.example"});
        bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
        CHECK(second.taken().size() == 1);
        const spool::Details details = bed.show(id);
        CHECK(details.attempts.back().smarthost == "second");
        if (details.attempts.size() == 2) {
            CHECK(details.attempts[0].smarthost == "first");
            CHECK(details.attempts[0].outcome == "failover");
            CHECK(details.attempts[0].problem.find("SMTPUTF8") != std::string::npos);
        }
        const delivery::Status status = bed.engine->status();
        CHECK(status.smarthosts[0].failed + status.smarthosts[1].failed == 0);
        CHECK(status.delivered == 1);
    }
    SECTION("after the others were served") {
        const base::MessageId id = bed.submit({"a@b.example", "j\u00f6rg@b.example"});
        bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
        std::size_t recipients = 0;
        for (const auto* host : {&first, &second}) {
            for (const Taken& taken : host->taken()) recipients += taken.recipients.size();
        }
        CHECK(recipients == 2);
    }
    SECTION("and waits for it where it cannot be used now") {
        second.stop_listening();
        const base::MessageId id = bed.submit({"j\u00f6rg@b.example"});
        bed.run_until([&] { return bed.engine->status().active == 0; });
        CHECK(bed.state(id) == MessageState::queued);
        second.listen_again();
        bed.advance(10min);
        bed.run_until([&] { return bed.state(id) == MessageState::delivered; });
    }
    SECTION("and fails where none offers it") {
        second.extensions = {"PIPELINING", "8BITMIME"};
        const base::MessageId id = bed.submit({"j\u00f6rg@b.example"});
        bed.run_until([&] { return bed.state(id) == MessageState::failed; });
        CHECK(bed.show(id).message.recipients[0].last_problem.find("SMTPUTF8") !=
              std::string::npos);
    }
}
