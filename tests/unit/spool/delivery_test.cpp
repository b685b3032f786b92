// A message's way through the spool: added, leased, tried, finished.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "tests/unit/spool/fixture.hpp"

using namespace spool;
using namespace spool::test;

TEST_CASE("a message added for delivery is leased and carries its body", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    auto added = desk.add(1, "content");
    REQUIRE(added.has_value());
    CHECK(added->message.id == MessageId{1});
    CHECK(added->message.recipients.size() == 1);
    CHECK(added->message.envelope.reverse_path == "from@a.example");
    CHECK(added->message.size == 7);
    REQUIRE(added->body.has_value());
    CHECK(*added->body->bytes == "content");
    CHECK(desk.take_ids(start + 1h).empty());

    SECTION("a lease does not outlive the process") {
        desk.reopen();
        CHECK(desk.take_ids(start + 1h) == std::vector<std::int64_t>{1});
        CHECK(*desk.load_body(1)->bytes == "content");
    }
    SECTION("released, it is due again") {
        desk.spool->release(MessageId{1});
        CHECK(desk.take_ids(start + 1h) == std::vector<std::int64_t>{1});
    }
}

TEST_CASE("all of a message comes back from the disk", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    NewMessage made = desk.message(7, "x", false, {"a@b.example", "\"q\\\"t\"@b.example"});
    made.envelope.recipients[1].notify = {false, true, false, true};
    made.envelope.recipients[1].orcpt = "rfc822;q@b.example";
    made.envelope.body = smtp::BodyType::eight_bit_mime;
    made.envelope.smtputf8 = true;
    made.envelope.ret = smtp::Ret::headers;
    made.envelope.envid = "QQ+3D1";
    made.subject = std::string{"nul \0 and \xff", 11};
    made.origin = {"unix", "host.example", "anna", "ESMTPSA"};
    const smtp::Envelope envelope = made.envelope;
    const std::string subject = made.subject;
    auto added = desk.add(std::move(made));
    REQUIRE(added.has_value());
    CHECK(added->message.id == MessageId{7});
    CHECK_FALSE(added->body.has_value());

    desk.reopen();
    Spool::Due due = desk.take_due(start + 1h);
    REQUIRE(due.messages.size() == 1);
    CHECK_FALSE(due.messages[0].body.has_value());
    const Message& message = due.messages[0].message;
    CHECK(message.id == MessageId{7});
    CHECK(message.received == start + 7ms);
    CHECK(message.envelope == envelope);
    CHECK(message.subject == subject);
    CHECK(message.message_id == "<7@a.example>");
    CHECK(message.from == "From <from@a.example>");
    CHECK(message.origin.client == "unix");
    CHECK(message.origin.client_name == "host.example");
    CHECK(message.origin.user == "anna");
    CHECK(message.origin.protocol == "ESMTPSA");
    CHECK(message.state == MessageState::queued);
    CHECK_FALSE(message.dot_marked);
    CHECK_FALSE(message.finished);
}

TEST_CASE("the recipients decide what becomes of a message", "[spool]") {
    struct Case {
        std::vector<RecipientState> states;
        MessageState reported, state;
    };
    const Case c = GENERATE(values<Case>({
        {{delivered, delivered}, MessageState::queued, MessageState::delivered},
        {{delivered, failed}, MessageState::queued, MessageState::failed},
        {{failed, failed}, MessageState::unknown, MessageState::failed},
        {{delivered, pending}, MessageState::queued, MessageState::queued},
        {{delivered, pending}, MessageState::unknown, MessageState::unknown},
        {{failed, pending}, MessageState::held, MessageState::held},
        {{failed}, MessageState::delivered, MessageState::queued},  // the second still waits
    }));
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(desk.message(1, "x", true, {"a@b.example", "c@d.example"})).has_value());
    Report made = report(1, c.states, start + 5min);
    made.state = c.reported;
    made.warned = true;
    REQUIRE(desk.record(std::move(made)).has_value());

    auto shown = desk.show(1);
    REQUIRE(shown.has_value());
    const Message& message = shown->message;
    CHECK(message.state == c.state);
    CHECK(message.attempts == 1);
    CHECK(message.warned == (c.state != MessageState::delivered && c.state != MessageState::failed
                                 ? true
                                 : message.warned));
    CHECK(message.recipients[0].state == c.states[0]);
    CHECK(message.recipients[0].last_reply.text == "said so");
    REQUIRE(shown->attempts.size() == 1);
    CHECK(shown->attempts[0].remote == "192.0.2.1:587");
    CHECK(shown->attempts[0].stage == smtp::Stage::rcpt);
    CHECK(shown->attempts[0].took == 120ms);

    const bool over = c.state == MessageState::delivered || c.state == MessageState::failed;
    CHECK(message.finished.has_value() == over);
    CHECK(desk.load_body(1).has_value() == !over);
    CHECK(desk.stats().bytes == (over ? 0u : 1u));
    CHECK(desk.take_ids(start + 4min).empty());
    const bool waits = c.state == MessageState::queued || c.state == MessageState::unknown;
    CHECK(desk.take_ids(start + 5min).size() == (waits ? 1u : 0u));
}

TEST_CASE("what is due comes oldest first, within the limit, with the time of the next",
          "[spool]") {
    const Folder folder;
    Desk desk{folder};
    for (const std::int64_t id : {3, 1, 2}) REQUIRE(desk.add(id, "x", false).has_value());
    CHECK(desk.take_due(start).next == start + 1ms);
    Spool::Due due = desk.take_due(start + 10ms, 2);
    REQUIRE(due.messages.size() == 2);
    CHECK(due.messages[0].message.id == MessageId{1});
    CHECK(due.messages[1].message.id == MessageId{2});
    CHECK(due.next == start + 3ms);
    due = desk.take_due(start + 10ms);
    CHECK(due.messages.size() == 1);
    CHECK_FALSE(due.next);
    REQUIRE(desk.record(report(2, {pending}, start + 1h)).has_value());
    due = desk.take_due(start + 10ms);
    CHECK(due.messages.empty());
    CHECK(due.next == start + 1h);
}

TEST_CASE("a report is stored with the result it reports, and due at once", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    const std::string large(300 << 10, 'b');
    REQUIRE(desk.add(1).has_value());
    Report made = report(1, {failed});
    made.reports.push_back(desk.message(2, "small bounce"));
    made.reports.push_back(desk.message(3, large));
    REQUIRE(desk.record(std::move(made)).has_value());
    CHECK(desk.show(1)->message.state == MessageState::failed);
    CHECK(desk.take_ids(start + 1h) == std::vector<std::int64_t>{2, 3});
    CHECK(*desk.load_body(2)->bytes == "small bounce");
    CHECK(std::filesystem::file_size(desk.load_body(3)->file) == large.size());
}

TEST_CASE("a result whose report cannot be stored is not recorded either", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    REQUIRE(desk.add(2).has_value());
    Report made = report(1, {failed});
    made.reports.push_back(desk.message(2, std::string(300 << 10, 'b')));  // the id is taken
    REQUIRE_FALSE(desk.record(std::move(made)).has_value());
    CHECK(desk.show(1)->message.state == MessageState::queued);
    CHECK(desk.stats().queued == 2);
    CHECK(eventually([&] { return desk.body_files() == 0; }));
}

TEST_CASE("a bad operation of a batch fails alone", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    std::vector<std::future<bool>> answers;
    for (std::int64_t i = 0; i < 200; ++i) {
        auto answer = std::make_shared<std::promise<bool>>();
        answers.push_back(answer->get_future());
        const std::int64_t id = i % 10 == 9 ? 1 : i + 1;  // every tenth takes the first one's id
        desk.spool->add(desk.message(id, "x"), [answer](const Outcome<Leased>& outcome) {
            answer->set_value(outcome.has_value());
        });
    }
    for (std::size_t i = 0; i < answers.size(); ++i) CHECK(answers[i].get() == (i % 10 != 9));
    CHECK(desk.stats().queued == 180);
    CHECK(desk.list({.states = {}, .to = "", .from = "", .text = "", .before = {}, .limit = 1000})
              .size() == 180);
}

TEST_CASE("unknown messages are answered as such", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    CHECK(desk.show(5).error().problem == Problem::not_found);
    CHECK(desk.load_body(5).error().problem == Problem::not_found);
    CHECK(desk.record(report(5, {delivered})).error().problem == Problem::not_found);
    CHECK(desk.show(5).error().message == "no message " + MessageId{5}.text() + " in the spool");
}

namespace {

// A loop whose turns the test takes itself.
class Loop {
 public:
    void post(std::function<void()> batch) {
        {
            const std::lock_guard lock{mutex_};
            posted_.push_back(std::move(batch));
        }
        wake_.notify_one();
    }
    template <class Condition>
    void run_until(Condition condition) {
        while (!condition()) {
            std::unique_lock lock{mutex_};
            REQUIRE(wake_.wait_for(lock, 20s, [this] { return !posted_.empty(); }));
            const std::vector<std::function<void()>> turn = std::exchange(posted_, {});
            lock.unlock();
            for (const std::function<void()>& each : turn) each();
        }
    }

 private:
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::function<void()>> posted_;
};

}  // namespace

TEST_CASE("all messages of one turn of the loop share a sync", "[spool]") {
    const Folder folder;
    Loop loop;
    Desk desk{folder};  // for its messages
    Options options = desk.options;
    options.directory = folder.path() / "other";
    auto spool = open_with(options, [&loop](auto batch) { loop.post(std::move(batch)); }, {});
    REQUIRE(spool.has_value());
    const auto commits = [&] {
        std::optional<std::uint64_t> count;
        (*spool)->stats([&count](const Outcome<Stats>& stats) { count = stats->commits; });
        loop.run_until([&count] { return count.has_value(); });
        return *count;
    };
    // A turn that takes longer than a tenth of a second is no longer waited for: so more than one
    // try on a busy machine.
    std::uint64_t syncs = 0;
    for (std::int64_t turn = 0; turn < 5 && syncs != 1; ++turn) {
        const std::uint64_t before = commits();
        int taken = 0;
        for (std::int64_t id = 1; id <= 400; ++id) {
            NewMessage message = desk.message(turn * 400 + id, "x");
            message.body = (*spool)->new_body();
            REQUIRE(message.body->write("x"));
            (*spool)->add(std::move(message), [&taken](const Outcome<Leased>& added) {
                if (added) ++taken;
            });
        }
        loop.run_until([&taken] { return taken == 400; });
        syncs = commits() - before;
    }
    CHECK(syncs == 1);
}

TEST_CASE("what waits for a turn that never comes is stored when the spool closes", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    desk.spool.reset();
    std::atomic<bool> over = false;
    const auto post = [&over](const std::function<void()>& batch) {
        if (!over) batch();
    };
    auto spool = open_with(desk.options, post, {});
    REQUIRE(spool.has_value());
    desk.spool = std::move(*spool);
    REQUIRE(desk.add(1).has_value());
    // A tenth of a second without work, and its thread sleeps for up to a minute.
    const auto added = std::chrono::steady_clock::now();
    REQUIRE(eventually([&] { return std::chrono::steady_clock::now() > added + 500ms; }));
    NewMessage message = desk.message(2, "x");
    over = true;
    const auto began = std::chrono::steady_clock::now();
    desk.spool->add(std::move(message), [](const Outcome<Leased>&) {});
    desk.spool.reset();
    CHECK(std::chrono::steady_clock::now() - began < 20s);
    desk.open();
    CHECK(desk.stats().queued == 2);
}
