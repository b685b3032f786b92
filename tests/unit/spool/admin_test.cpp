// What people ask of the queue: hold, retry, remove, searching, figures.
#include <algorithm>

#include "tests/unit/spool/fixture.hpp"

using namespace spool;
using namespace spool::test;

namespace {

MessageState state_of(Desk& desk, std::int64_t id) { return desk.show(id)->message.state; }

Query query(std::vector<MessageState> states = {}) {
    Query made;
    made.states = std::move(states);
    return made;
}

Selection all(std::vector<MessageState> states = {}) {
    Selection selection;
    selection.query = query(std::move(states));
    return selection;
}

}  // namespace

TEST_CASE("held messages wait for a person, retried ones for nobody", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    for (std::int64_t id = 1; id <= 3; ++id) {
        REQUIRE(desk.add(id).has_value());
        REQUIRE(desk.record(report(id, {pending}, start + 1h)).has_value());
    }
    CHECK(desk.hold(ids({1, 2, 99})) == 2);
    CHECK(desk.hold(ids({1})) == 0);
    CHECK(desk.stats().held == 2);
    CHECK(desk.take_ids(start + 2h) == std::vector<std::int64_t>{3});
    desk.spool->release(MessageId{3});

    CHECK(desk.retry(all(), start) == 1);  // held stay held
    CHECK(desk.take_ids(start) == std::vector<std::int64_t>{3});
    CHECK(desk.unhold(ids({2, 3}), start) == 1);
    CHECK(state_of(desk, 2) == MessageState::queued);
    CHECK(desk.take_ids(start) == std::vector<std::int64_t>{2});
    desk.reopen();
    CHECK(state_of(desk, 1) == MessageState::held);
    CHECK(desk.stats().held == 1);
}

TEST_CASE("what is asked for a leased message happens when its lease ends", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    const bool recorded = GENERATE(true, false);
    CAPTURE(recorded);
    const auto end_lease = [&](RecipientState state) {
        if (recorded) {
            REQUIRE(desk.record(report(1, {state}, start + 1h)).has_value());
        } else {
            desk.spool->release(MessageId{1});
            desk.flush();
        }
    };
    SECTION("hold") {
        CHECK(desk.hold(ids({1})) == 1);
        CHECK(state_of(desk, 1) == MessageState::queued);
        end_lease(pending);
        CHECK(state_of(desk, 1) == MessageState::held);
        CHECK(desk.take_ids(start + 2h).empty());
    }
    SECTION("hold, taken back") {
        CHECK(desk.hold(ids({1})) == 1);
        CHECK(desk.unhold(ids({1}), start) == 1);
        end_lease(pending);
        CHECK(state_of(desk, 1) == MessageState::queued);
    }
    SECTION("retry") {
        CHECK(desk.retry(ids({1}), start - 1h) == 1);
        end_lease(pending);
        CHECK(desk.take_ids(start - 1h) == std::vector<std::int64_t>{1});
    }
    SECTION("remove") {
        CHECK(desk.remove(ids({1})) == 1);
        CHECK(desk.show(1).has_value());
        end_lease(pending);
        CHECK_FALSE(desk.show(1).has_value());
        CHECK(desk.stats().queued == 0);
        CHECK(desk.stats().bytes == 0);
    }
}

TEST_CASE("a hold does not undo a delivery that was under way", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    CHECK(desk.hold(ids({1})) == 1);
    REQUIRE(desk.record(report(1, {delivered})).has_value());
    CHECK(state_of(desk, 1) == MessageState::delivered);
}

TEST_CASE("removed messages are gone with their bodies", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1, "small", false).has_value());
    REQUIRE(desk.add(2, std::string(200 << 10, 'x'), false).has_value());
    REQUIRE(desk.add(3).has_value());
    REQUIRE(desk.record(report(3, {failed})).has_value());
    CHECK(desk.body_files() == 1);
    CHECK(desk.remove(all({MessageState::queued})) == 2);
    CHECK(eventually([&] { return desk.body_files() == 0; }));
    CHECK(desk.list(query()) == std::vector<std::int64_t>{3});
    CHECK(desk.remove(all()) == 1);
    const Stats stats = desk.stats();
    CHECK(stats.queued + stats.failed + stats.bytes == 0);
    CHECK_FALSE(stats.oldest);
}

TEST_CASE("a command for many goes through all of them", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    constexpr std::int64_t count = 1203;  // more than two steps
    for (std::int64_t id = 1; id <= count; ++id) {
        desk.spool->add(desk.message(id, "x", false), [](const Outcome<Leased>&) {});
    }
    CHECK(desk.hold(all()) == count);  // sees what was submitted before it
    CHECK(desk.stats().held == count);
}

TEST_CASE("lists come newest first, by page, state and text", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    for (std::int64_t id = 1; id <= 9; ++id) {
        NewMessage made = desk.message(id, "x", true, {"u" + std::to_string(id) + "@B.example"});
        if (id == 4) made.envelope.recipients.push_back({"Extra@c.example", {}, ""});
        if (id == 5) made.envelope.reverse_path = "";
        if (id == 6) made.subject = "Grüße [x]*";
        REQUIRE(desk.add(std::move(made)).has_value());
    }
    REQUIRE(desk.record(report(2, {delivered})).has_value());
    REQUIRE(desk.record(report(3, {failed})).has_value());
    REQUIRE(desk.record(report(7, {delivered})).has_value());
    for (const std::int64_t id : {1, 8}) desk.spool->release(MessageId{id});
    REQUIRE(desk.hold(ids({8})) == 1);

    struct Case {
        std::string_view name;
        std::vector<MessageState> states;
        std::string to, from, text;
        std::int64_t before;
        std::size_t limit;
        std::vector<std::int64_t> found;
    };
    const std::vector<Case> cases{
        {"all", {}, "", "", "", 0, 100, {9, 8, 7, 6, 5, 4, 3, 2, 1}},
        {"first page", {}, "", "", "", 0, 2, {9, 8}},
        {"next page", {}, "", "", "", 8, 2, {7, 6}},
        {"no room", {}, "", "", "", 0, 0, {}},
        {"one state", {MessageState::delivered}, "", "", "", 0, 9, {7, 2}},
        {"states merged, named twice",
         {MessageState::delivered, MessageState::failed, MessageState::held,
          MessageState::delivered},
         "",
         "",
         "",
         0,
         3,
         {8, 7, 3}},
        {"page of a state", {MessageState::queued}, "", "", "", 6, 2, {5, 4}},
        {"glob ignores case", {}, "U1@b.*", "", "", 0, 9, {1}},
        {"glob of one character", {}, "u?@b.example", "", "", 0, 9, {9, 8, 7, 6, 5, 4, 3, 2, 1}},
        {"any recipient", {}, "*@C.example", "", "", 0, 9, {4}},
        {"brackets are no class", {}, "[u]1@*", "", "", 0, 9, {}},
        {"sender", {MessageState::queued}, "", "from@*", "", 0, 2, {9, 6}},
        {"no sender", {}, "", "<>", "", 0, 9, {5}},
        {"text in an address", {}, "", "", "EXTRA@", 0, 9, {4}},
        {"text in a subject", {}, "", "", "[X]*", 0, 9, {6}},
        {"text in a message-id", {}, "", "", "<7@a", 0, 9, {7}},
        {"text nowhere", {}, "", "", "nowhere", 0, 9, {}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        Query made = query(c.states);
        made.to = c.to;
        made.from = c.from;
        made.text = c.text;
        if (c.before != 0) made.before = MessageId{c.before};
        made.limit = c.limit;
        CHECK(desk.list(made) == c.found);
    }
}

TEST_CASE("a list shows the last attempt, details all of them", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    for (const char* outcome : {"deferred", "unknown"}) {
        Report made = report(1, {pending});
        made.attempt->outcome = outcome;
        REQUIRE(desk.record(std::move(made)).has_value());
    }
    auto found =
        wait<std::vector<Summary>>([&](auto done) { desk.spool->list(query(), std::move(done)); });
    REQUIRE(found->size() == 1);
    CHECK(found->at(0).last_attempt->outcome == "unknown");
    const auto shown = desk.show(1);
    REQUIRE(shown->attempts.size() == 2);
    CHECK(shown->attempts[0].outcome == "deferred");
    CHECK(shown->message.attempts == 2);
}

TEST_CASE("a server's reply and our words are told apart", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    for (const char* words : {"connection lost", "192.0.2.1:587: no answer within 10s", ""}) {
        Report made = report(1, {pending});
        made.attempt->reply.clear();
        made.attempt->problem = words;
        REQUIRE(desk.record(std::move(made)).has_value());
        const auto shown = desk.show(1);
        CHECK(shown->attempts.back().problem == words);
        CHECK(shown->attempts.back().reply.empty());
    }
    for (const char* reply : {"450 4.2.1 Busy", "250"}) {
        Report made = report(1, {pending});
        made.attempt->reply = reply;
        REQUIRE(desk.record(std::move(made)).has_value());
        const auto shown = desk.show(1);
        CHECK(shown->attempts.back().reply == reply);
        CHECK(shown->attempts.back().problem.empty());
    }
}

TEST_CASE("what an attempt passed over is told before it and takes no step", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    for (int i = 0; i < 2; ++i) {
        Report made = report(1, {pending});
        made.earlier = {attempt("failover"), attempt("failover")};
        REQUIRE(desk.record(std::move(made)).has_value());
    }
    const auto shown = desk.show(1);
    REQUIRE(shown->attempts.size() == 6);
    CHECK(shown->attempts[1].outcome == "failover");
    CHECK(shown->attempts[2].outcome == "partial");
    CHECK(shown->attempts[5].outcome == "partial");
    CHECK(shown->message.attempts == 2);
}

TEST_CASE("a report without an attempt only moves the due time", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    Report made;
    made.id = MessageId{1};
    made.due = start + 1h;
    REQUIRE(desk.record(std::move(made)).has_value());
    const auto shown = desk.show(1);
    CHECK(shown->attempts.empty());
    CHECK(shown->message.attempts == 0);
    CHECK(shown->message.due == start + 1h);
}

TEST_CASE("the figures follow what happens and survive opening again", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    for (std::int64_t id = 1; id <= 6; ++id) {
        REQUIRE(desk.add(id, std::string(10, 'x')).has_value());
    }
    REQUIRE(desk.record(report(1, {delivered})).has_value());
    REQUIRE(desk.record(report(2, {failed})).has_value());
    Report unknown = report(3, {pending});
    unknown.state = MessageState::unknown;
    REQUIRE(desk.record(std::move(unknown)).has_value());
    Report held = report(4, {pending});
    held.state = MessageState::held;
    REQUIRE(desk.record(std::move(held)).has_value());
    for (int round = 0; round < 2; ++round) {
        const Stats stats = desk.stats();
        CHECK(stats.queued == 2);
        CHECK(stats.held == 1);
        CHECK(stats.unknown == 1);
        CHECK(stats.delivered == 1);
        CHECK(stats.failed == 1);
        CHECK(stats.bytes == 40);
        CHECK(stats.oldest == start + 3ms);
        CHECK(stats.free_bytes > 0);
        CHECK(stats.synced_messages == (round == 0 ? 6u : 0u));
        desk.reopen();
    }
}
