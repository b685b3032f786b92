// What was acknowledged survives kill -9, and what an acknowledgement rests on was synced.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "spool/database.hpp"
#include "tests/unit/spool/fixture.hpp"
#include "tests/unit/spool/watching_vfs.hpp"

using namespace spool;
using namespace spool::test;

namespace {

// One line of the child's diary: written to the pipe before the next step is begun.
struct Note {
    char kind = 0;  // 'a' added, 'd' recorded as delivered
    std::int64_t id = 0;
};

void tell(int pipe, Note note) {
    if (::write(pipe, &note, sizeof note) != sizeof note) ::_exit(1);
}

// Adds and finishes messages until it is killed; every eighth has a body in a file.
void produce(Spool& spool, const Desk& desk, int pipe, std::int64_t id, std::int64_t step) {
    for (;; id += step) {
        const std::string content(id % 8 == 0 ? 200 << 10 : 1000, 'x');
        auto added =
            wait<Leased>([&](auto done) { spool.add(desk.message(id, content), std::move(done)); });
        if (!added) ::_exit(2);
        tell(pipe, {'a', id});
        if (id % 3 != 0) continue;
        if (!wait([&](auto done) { spool.record(report(id, {delivered}), std::move(done)); })) {
            ::_exit(3);
        }
        tell(pipe, {'d', id});
    }
}

[[noreturn]] void run_child(const Folder& folder, int pipe) {
    constexpr std::int64_t producers = 8;
    const Desk desk{folder};
    std::vector<std::thread> threads;
    for (std::int64_t i = 1; i <= producers; ++i) {
        threads.emplace_back([&, i] { produce(*desk.spool, desk, pipe, i, producers); });
    }
    for (std::thread& thread : threads) thread.join();
    ::_exit(0);
}

// Everything the child acknowledged until it was killed after so many notes.
std::vector<Note> kill_after(const Folder& folder, std::size_t count) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::close(ends[0]);
        run_child(folder, ends[1]);
    }
    ::close(ends[1]);
    std::vector<Note> notes;
    Note note;
    while (::read(ends[0], &note, sizeof note) == sizeof note) {
        notes.push_back(note);
        if (notes.size() == count) ::kill(child, SIGKILL);
    }
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    return notes;
}

}  // namespace

TEST_CASE("what was acknowledged is there after kill -9", "[spool]") {
    const std::size_t count = GENERATE(3u, 200u, 1501u);
    const Folder folder;
    const std::vector<Note> notes = kill_after(folder, count);
    REQUIRE(notes.size() >= count);
    Desk desk{folder};
    std::size_t missing = 0, undelivered = 0, unreadable = 0;
    std::set<std::int64_t> finished;
    for (const Note& note : notes) {
        if (note.kind == 'd') finished.insert(note.id);
    }
    for (const Note& note : notes) {
        const auto shown = desk.show(note.id);
        if (!shown) {
            ++missing;
        } else if (finished.contains(note.id)) {
            if (shown->message.state != MessageState::delivered) ++undelivered;
        } else if (shown->message.state == MessageState::queued && !desk.load_body(note.id)) {
            ++unreadable;
        }
    }
    CHECK(missing == 0);
    CHECK(undelivered == 0);
    CHECK(unreadable == 0);
    // Nothing is left behind: each file has its row.
    CHECK(desk.body_files() <= desk.stats().queued);
    Query queued;
    queued.states = {MessageState::queued};
    queued.limit = 1000000;
    CHECK(desk.list(queued).size() == desk.stats().queued);
    CHECK(desk.take_due(start + 24h, 1000000).messages.size() == desk.stats().queued);
}

TEST_CASE("an acknowledgement comes after the sync of all that was written", "[spool]") {
    const WatchingVfs vfs;
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    CHECK(vfs.unsynced() == 0);

    // Results need no sync of their own, but are written at once.
    const std::size_t syncs = vfs.syncs();
    REQUIRE(desk.record(report(1, {delivered})).has_value());
    CHECK(vfs.unsynced() > 0);
    CHECK(vfs.syncs() == syncs);
    desk.spool->mark_dot(MessageId{1});
    desk.flush();
    CHECK(vfs.syncs() == syncs);

    // The next message's sync covers them.
    REQUIRE(desk.add(2).has_value());
    CHECK(vfs.unsynced() == 0);
    CHECK(vfs.syncs() == syncs + 1);

    // A result that brings a bounce is synced.
    Report made = report(2, {failed});
    made.reports.push_back(desk.message(3, "bounce"));
    REQUIRE(desk.record(std::move(made)).has_value());
    CHECK(vfs.unsynced() == 0);
}

TEST_CASE("durability none syncs nothing", "[spool]") {
    const WatchingVfs vfs;
    const Folder folder;
    Options options = Desk::options_for(folder);
    options.durability = Durability::none;
    Desk desk{options};
    for (std::int64_t id = 1; id <= 3; ++id) REQUIRE(desk.add(id).has_value());
    CHECK(vfs.unsynced() > 0);
    CHECK(vfs.syncs() == 0);
}

TEST_CASE("a full disk is an error for the sender, and passes", "[spool]") {
    const WatchingVfs vfs;
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    vfs.fill_disk(true);
    const auto refused = desk.add(2);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().problem == Problem::full);
    CHECK_FALSE(desk.record(report(1, {delivered})).has_value());
    CHECK(desk.show(1)->message.state == MessageState::queued);
    vfs.fill_disk(false);
    REQUIRE(desk.add(2).has_value());
    REQUIRE(desk.record(report(1, {delivered})).has_value());
    desk.reopen();
    CHECK(desk.stats().queued == 1);
    CHECK(desk.stats().delivered == 1);
}

TEST_CASE("a mark that its own transaction takes back leaves nothing", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    for (const std::int64_t id : {1, 2, 3}) REQUIRE(desk.add(id).has_value());
    // All share the transaction of the last, for which the others wait.
    for (const std::int64_t id : {1, 2, 3}) desk.spool->mark_dot(MessageId{id});
    desk.spool->record(report(1, {pending}), [](const Outcome<>&) {});
    desk.spool->release(MessageId{2});  // it was not sent after all
    desk.flush();
    desk.reopen();
    CHECK(desk.show(1)->message.state == MessageState::queued);
    CHECK(desk.show(2)->message.state == MessageState::queued);
    CHECK(desk.show(3)->message.state == MessageState::unknown);
}

TEST_CASE("after a crash nothing is acknowledged on a log of which a sync may have failed",
          "[spool]") {
    const Folder folder;
    Options left = Desk::options_for(folder);
    {
        Desk desk{folder};
        REQUIRE(desk.add(1).has_value());
        desk.spool->mark_dot(MessageId{1});  // so the next start has something to write
        desk.flush();
        left.directory = folder.path() / "left";
        std::filesystem::copy(desk.options.directory, left.directory,
                              std::filesystem::copy_options::recursive);
    }
    // Somebody looks at it meanwhile, and keeps what is in the log from being moved and synced.
    auto shell = Database::open(left.directory / "spool.db", Database::Access::read);
    REQUIRE(shell.has_value());
    auto look = std::make_unique<Snapshot>(**shell);
    REQUIRE((*shell)->number("SELECT count(*) FROM message") == 1);
    Desk desk{left};
    const auto refused = desk.add(2);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("another program keeps") != std::string::npos);
    look.reset();
    REQUIRE(desk.add(2).has_value());
    CHECK(desk.stats().unknown == 1);
}
