// Opening: folders, lock, versions, damage, what a crash left behind, and housekeeping.
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <span>
#include <vector>

#include "spool/database.hpp"
#include "spool/reading_spool.hpp"
#include "tests/unit/spool/fixture.hpp"

using namespace spool;
using namespace spool::test;
using Catch::Matchers::Contains;

namespace {

mode_t mode_of(const std::filesystem::path& file) {
    struct stat status{};
    REQUIRE(::stat(file.c_str(), &status) == 0);
    return status.st_mode & 0777;
}

std::string open_failure(const Options& options, const Internals& internals = {}) {
    auto opened = open_with(options, run_at_once, internals);
    return opened ? "opened" : opened.error().message;
}

void write_file(const std::filesystem::path& file, std::string_view content) {
    std::ofstream{file} << content;
}

// Bytes allocated; a sanitizer's allocator, which counts elsewhere, leaves it as it is.
std::size_t memory_in_use() {
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
}

}  // namespace

TEST_CASE("the spool is for its user alone", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1, std::string(200 << 10, 'x')).has_value());
    const auto& directory = desk.options.directory;
    CHECK(mode_of(directory) == 0700);
    CHECK(mode_of(directory / "bodies") == 0700);
    CHECK(mode_of(directory / "spool.db") == 0600);
    CHECK(mode_of(directory / "spool.db-wal") == 0600);
    CHECK(mode_of(directory / "lock") == 0600);
    CHECK(mode_of(directory / "bodies" / MessageId{1}.text()) == 0600);
}

// A write would cost each start three syncs.
TEST_CASE("opening writes nothing into a database in use", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    desk.reopen();
    std::error_code none;
    const auto log = std::filesystem::file_size(desk.options.directory / "spool.db-wal", none);
    CHECK((none || log == 0));
    CHECK(desk.stats().queued == 1);
}

TEST_CASE("a second opener is told who has the spool", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    CHECK_THAT(open_failure(desk.options),
               Contains("is in use by relay run (process " + std::to_string(::getpid()) +
                        "): stop that one first"));
    Options as_command = desk.options;
    as_command.opener = Opener::command;
    CHECK_THAT(open_failure(as_command), Contains("try again in a moment"));
    REQUIRE(desk.add(1).has_value());
    desk.spool.reset();
    CHECK(open_failure(desk.options) == "opened");
}

namespace {

void make_version_1(const Options& options) {
    auto database = Database::open(options.directory / "spool.db", Database::Access::write);
    (*database)->execute(
        "DROP INDEX message_set_aside; CREATE INDEX message_state ON message (state);"
        "PRAGMA user_version = 1");
    REQUIRE_FALSE((*database)->failed());
}

}  // namespace

TEST_CASE("a folder that cannot be made is told with the setting", "[spool]") {
    Options options;
    options.directory = "/proc/nowhere";
    CHECK_THAT(open_failure(options), Contains("/proc/nowhere") && Contains("spool.directory"));
}

TEST_CASE("the lock is not opened through a link", "[spool]") {
    const Folder folder;
    const Options options = Desk::options_for(folder);
    std::filesystem::create_directories(options.directory);
    write_file(folder.path() / "target", "kept");
    std::filesystem::create_symlink(folder.path() / "target", options.directory / "lock");
    CHECK_THAT(open_failure(options), Contains("lock is a symbolic link"));
    CHECK(std::filesystem::file_size(folder.path() / "target") == 4);
}

TEST_CASE("a spool of version 1 is read as it is", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1, "kept").has_value());
    REQUIRE(desk.add(2, "held").has_value());
    desk.spool.reset();
    make_version_1(desk.options);
    {
        auto reading = ReadingSpool::open(desk.options, run_at_once);
        REQUIRE(reading.has_value());
        ReadingSpool& spool = **reading;
        const auto list = [&](std::vector<MessageState> states) {
            Query query;
            query.states = std::move(states);
            const auto found =
                wait<std::vector<Summary>>([&](auto done) { spool.list(query, std::move(done)); });
            return found ? std::to_string(found->size()) : found.error().message;
        };
        CHECK(list({}) == "2");
        CHECK(list({MessageState::queued}) == "2");
        CHECK(list({MessageState::queued, MessageState::held, MessageState::unknown}) == "2");
        CHECK(list({MessageState::failed}) == "0");
        CHECK(wait<Stats>([&](auto done) { spool.stats(std::move(done)); }).has_value());
        CHECK(wait<Details>([&](auto done) {
                  spool.show(MessageId{1}, std::move(done));
              }).has_value());
        const auto body =
            wait<Body>([&](auto done) { spool.load_body(MessageId{1}, std::move(done)); });
        REQUIRE(body.has_value());
        CHECK(*body->bytes == "kept");
    }
    auto database = Database::open(desk.options.directory / "spool.db", Database::Access::read);
    CHECK((*database)->number("PRAGMA user_version") == 1);
}

TEST_CASE("a new database has all of its versions or none", "[spool]") {
    const Folder folder;
    const std::span<const Migration> known = known_migrations();
    std::vector<Migration> broken{known.begin(), known.end()};
    broken.push_back({"CREATE nonsense"});
    const Options options = Desk::options_for(folder);
    CHECK_THAT(open_failure(options, {nullptr, broken}),
               Contains("CREATE nonsense") || Contains("syntax error"));
    auto database = Database::open(options.directory / "spool.db", Database::Access::read);
    CHECK((*database)->number("PRAGMA user_version") == 0);
    CHECK((*database)->number("SELECT count(*) FROM sqlite_master") == 0);
}

TEST_CASE("a spool of version 1 is taken over with its mail", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1, "kept").has_value());
    desk.spool.reset();
    make_version_1(desk.options);
    desk.open();
    CHECK(desk.take_ids(start + 1h) == std::vector<std::int64_t>{1});
    CHECK(*desk.load_body(1)->bytes == "kept");
}

TEST_CASE("older versions are brought forward, newer ones refused", "[spool]") {
    const Folder folder;
    const std::span<const Migration> old = known_migrations();
    const std::size_t known = old.size();
    std::vector<Migration> grown{old.begin(), old.end()};
    grown.push_back({"ALTER TABLE message ADD COLUMN campaign TEXT"});
    std::vector<Migration> broken = grown;
    grown.push_back({"UPDATE message SET campaign = 'old'; CREATE TABLE extra (x)"});
    broken.push_back({"CREATE nonsense"});
    Options options = Desk::options_for(folder);
    {
        Desk desk{options, {nullptr, old}};
        REQUIRE(desk.add(1, "kept").has_value());
    }
    CHECK_THAT(open_failure(options, {nullptr, broken}),
               Contains(fmt::format("to version {}", known + 2)));
    Desk desk{options, {nullptr, grown}};  // from the one that the broken reached
    CHECK(*desk.load_body(1)->bytes == "kept");
    auto database = Database::open(options.directory / "spool.db", Database::Access::read);
    CHECK((*database)->number("PRAGMA user_version") == static_cast<std::int64_t>(known + 2));
    CHECK((*database)->number("SELECT count(*) FROM message WHERE campaign = 'old'") == 1);
    desk.spool.reset();
    const std::string refusal = open_failure(options, {nullptr, old});
    CHECK_THAT(refusal, Contains(fmt::format("has version {}", known + 2)));
    CHECK_THAT(refusal, Contains(fmt::format("versions up to {}", known)));
}

TEST_CASE("a damaged or lost database is never taken for an empty one", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    {
        Desk desk{options};
        REQUIRE(desk.add(1, std::string(200 << 10, 'x')).has_value());
    }
    const auto file = options.directory / "spool.db";
    SECTION("no database at all") {
        write_file(file, std::string(8192, 'x'));
        CHECK_THAT(open_failure(options), Contains("spool.db is damaged"));
    }
    SECTION("missing beside bodies") {
        std::filesystem::remove(file);
        CHECK_THAT(open_failure(options), Contains("spool.db is missing"));
    }
    SECTION("empty beside bodies") {
        std::filesystem::resize_file(file, 0);
        CHECK_THAT(open_failure(options), Contains("spool.db is empty"));
    }
    SECTION("cut off") {
        std::filesystem::resize_file(file, 5000);
        CHECK_THAT(open_failure(options), Contains("spool.db is damaged"));
    }
    CHECK(std::filesystem::exists(options.directory / "bodies" / MessageId{1}.text()));
}

TEST_CASE("a folder that cannot be used is named", "[spool]") {
    const Folder folder;
    Options options;
    SECTION("in the way is a file") {
        write_file(folder.path() / "file", "x");
        options.directory = folder.path() / "file";
        CHECK_THAT(open_failure(options), Contains("file should be a folder"));
    }
    SECTION("a folder that allows no new files") {
        options.directory = "/proc/self/relay-spool";
        CHECK_THAT(open_failure(options), Contains("/proc/self/relay-spool"));
    }
    SECTION("no permission") {
        if (::geteuid() == 0) return;  // root may write anywhere
        ::chmod(folder.path().c_str(), 0500);
        options.directory = folder.path() / "spool";
        CHECK_THAT(open_failure(options), Contains("must own the spool's folder"));
        ::chmod(folder.path().c_str(), 0700);
    }
}

TEST_CASE("mail is not taken into a spool that was moved away", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    const auto& directory = desk.options.directory;
    const auto away = folder.path() / "away";
    const auto file = GENERATE(as<std::string>(), "spool.db", "spool.db-wal", "");
    std::filesystem::rename(directory / file, away);
    const auto refused = desk.add(2);
    REQUIRE_FALSE(refused.has_value());
    CHECK_THAT(refused.error().message, Contains("removed or replaced while relay runs"));
    CHECK_FALSE(desk.add(3, std::string(200 << 10, 'x')).has_value());
    std::filesystem::rename(away, directory / file);
    CHECK(desk.add(4).has_value());
}

TEST_CASE("body files without a row are put aside for a week", "[spool]") {
    const Folder folder;
    base::ManualClock clock{start};
    Desk desk{Desk::options_for(folder), {&clock}};
    REQUIRE(desk.add(1, std::string(200 << 10, 'x'), false).has_value());
    REQUIRE(desk.add(3).has_value());
    REQUIRE(desk.record(report(3, {delivered})).has_value());
    desk.spool.reset();
    const auto bodies = desk.options.directory / "bodies";
    write_file(bodies / MessageId{2}.text(), "no row");
    write_file(bodies / "7.part", "unfinished");
    write_file(bodies / "README", "not ours");
    write_file(bodies / MessageId{3}.text(), "the message is finished");
    desk.open();
    CHECK(std::filesystem::exists(bodies / MessageId{1}.text()));
    CHECK_FALSE(std::filesystem::exists(bodies / MessageId{2}.text()));
    CHECK_FALSE(std::filesystem::exists(bodies / "7.part"));
    CHECK(std::filesystem::exists(bodies / "README"));
    CHECK_FALSE(std::filesystem::exists(bodies / MessageId{3}.text()));
    const auto orphans = bodies / "orphaned";
    CHECK(mode_of(orphans) == 0700);
    CHECK(std::filesystem::file_size(orphans / MessageId{2}.text()) == 6);
    clock.advance(std::chrono::days{7});
    desk.reopen();
    CHECK(std::filesystem::exists(orphans / MessageId{2}.text()));
    clock.advance(1s);
    desk.reopen();
    CHECK_FALSE(std::filesystem::exists(orphans / MessageId{2}.text()));
}

TEST_CASE("a crash between the final dot and the reply makes the outcome unknown", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    for (const std::int64_t id : {1, 2, 3}) REQUIRE(desk.add(id).has_value());
    desk.spool->mark_dot(MessageId{1});
    desk.spool->mark_dot(MessageId{2});
    desk.spool->mark_dot(MessageId{3});
    REQUIRE(desk.record(report(2, {delivered})).has_value());  // its reply came
    desk.spool->release(MessageId{3});                         // it was not sent after all
    desk.flush();
    desk.reopen();
    CHECK(desk.show(2)->message.state == MessageState::delivered);
    CHECK(desk.show(3)->message.state == MessageState::queued);

    auto shown = desk.show(1);
    CHECK(shown->message.state == MessageState::unknown);
    CHECK(shown->message.dot_marked);
    CHECK(shown->message.wedged == 1);
    REQUIRE(shown->attempts.size() == 1);
    CHECK(shown->attempts[0].outcome == "unknown");
    CHECK(shown->attempts[0].problem == "relay stopped after the final dot, before the reply");

    desk.reopen();  // counts once, however often somebody looks
    CHECK(desk.show(1)->message.wedged == 1);
    CHECK(desk.stats().unknown == 1);

    for (std::uint32_t crash = 2; crash <= 3; ++crash) {
        Spool::Due due = desk.take_due(start + 1h);
        const auto found = std::ranges::find_if(
            due.messages, [](const Leased& leased) { return leased.message.id == MessageId{1}; });
        REQUIRE(found != due.messages.end());
        CHECK(found->message.dot_marked);
        desk.spool->mark_dot(MessageId{1});
        desk.flush();
        desk.reopen();
        CHECK(desk.show(1)->message.wedged == crash);
    }
    CHECK(desk.show(1)->message.state == MessageState::held);
    CHECK(desk.unhold(ids({1}), start) == 1);
    CHECK(desk.show(1)->message.wedged == 0);
    REQUIRE(desk.record(report(1, {pending})).has_value());
    CHECK_FALSE(desk.show(1)->message.dot_marked);
}

TEST_CASE("a message under way at three ends in a row is put on hold", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    for (const std::int64_t id : {1, 2, 3, 4}) REQUIRE(desk.add(id).has_value());
    for (std::uint32_t crash = 1; crash <= 3; ++crash) {
        if (crash > 1) CHECK(desk.take_ids(start + 1h).size() == 4);
        for (const std::int64_t id : {1, 2, 3, 4}) {
            REQUIRE(
                wait([&](auto done) { desk.spool->mark_begun(MessageId{id}, done); }).has_value());
        }
        // One had a result, one was not begun after all, one only waits for its smarthost.
        REQUIRE(desk.record(report(2, {pending})).has_value());
        desk.spool->release(MessageId{3});
        Report waits = report(4, {pending});
        waits.attempt.reset();
        REQUIRE(desk.record(std::move(waits)).has_value());
        desk.spool->mark_begun(MessageId{4}, nullptr);  // too late: its lease is over
        desk.flush();
        desk.reopen();
        const auto shown = desk.show(1);
        REQUIRE(shown->attempts.size() == crash);
        CHECK(shown->attempts.back().outcome == "deferred");
        CHECK(shown->attempts.back().problem.find("before the final dot") != std::string::npos);
        CHECK_FALSE(shown->message.dot_marked);
        CHECK(shown->message.state == (crash < 3 ? MessageState::queued : MessageState::held));
    }
    CHECK(desk.stats().held == 1);
    CHECK(desk.stats().queued == 3);
    CHECK(desk.unhold(ids({1}), start) == 1);  // with a clean slate
    desk.take_ids(start + 1h);
    REQUIRE(wait([&](auto done) { desk.spool->mark_begun(MessageId{1}, done); }).has_value());
    desk.reopen();
    CHECK(desk.show(1)->message.state == MessageState::queued);
}

TEST_CASE("a result between two ends forgives the first", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    for (int crash = 1; crash <= 6; ++crash) {
        desk.spool->mark_begun(MessageId{1}, nullptr);
        desk.flush();
        desk.reopen();
        CHECK(desk.show(1)->message.state == MessageState::queued);
        desk.take_ids(start + 1h);
        if (crash % 2 == 0) {
            REQUIRE(desk.record(report(1, {pending})).has_value());
            desk.take_ids(start + 1h);
        }
    }
}

TEST_CASE("a spool tells whether it was closed", "[spool]") {
    const Folder folder, other;
    Desk desk{folder};
    CHECK_FALSE(desk.spool->after_crash());
    REQUIRE(desk.add(1).has_value());
    desk.reopen();
    CHECK_FALSE(desk.spool->after_crash());
    REQUIRE(desk.add(2).has_value());
    // What a process that is killed leaves behind.
    std::filesystem::copy(folder.path(), other.path(), std::filesystem::copy_options::recursive);
    Desk left{other};
    CHECK(left.spool->after_crash());
    CHECK(left.stats().queued == 2);
    left.reopen();
    CHECK_FALSE(left.spool->after_crash());
}

TEST_CASE("an unknown outcome stays one when only the due time moves", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1).has_value());
    Report unknown = report(1, {pending});
    unknown.state = MessageState::unknown;
    unknown.wedged = true;
    REQUIRE(desk.record(std::move(unknown)).has_value());
    CHECK(desk.show(1)->message.wedged == 1);
    Report moved;
    moved.id = MessageId{1};
    moved.due = start + 1h;
    REQUIRE(desk.record(std::move(moved)).has_value());
    CHECK(desk.show(1)->message.state == MessageState::unknown);
}

TEST_CASE("finished messages are forgotten after keep_delivered", "[spool]") {
    const Folder folder;
    base::ManualClock clock{start};
    Options options = Desk::options_for(folder);
    options.keep_delivered = 24h;
    {
        Desk desk{options, {&clock}};
        for (std::int64_t id = 1; id <= 500; ++id) {
            desk.spool->add(desk.message(id, "x"), [](const Outcome<Leased>&) {});
            desk.spool->record(report(id, {delivered}), [](const Outcome<>&) {});
        }
        REQUIRE(desk.add(501).has_value());
        CHECK(desk.stats().delivered == 500);
    }
    clock.advance(24h);
    REQUIRE(Desk(options, {&clock}).stats().delivered == 500);  // not older yet
    clock.advance(1ms);
    Desk desk{options, {&clock}};
    CHECK(eventually([&] { return desk.stats().delivered == 0; }));  // in several steps
    CHECK(desk.list({}) == std::vector<std::int64_t>{501});
    auto database = Database::open(options.directory / "spool.db", Database::Access::read);
    CHECK((*database)->number("SELECT count(*) FROM attempt") == 0);
    CHECK((*database)->number("SELECT count(*) FROM recipient") == 1);
}

TEST_CASE("keep_delivered of zero keeps nothing", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    options.keep_delivered = base::Duration::zero();
    Desk desk{options};
    REQUIRE(desk.add(1).has_value());
    REQUIRE(desk.record(report(1, {delivered})).has_value());
    CHECK(desk.list({}).empty());
    CHECK(desk.stats().delivered == 0);
}

TEST_CASE("space is given back when idle", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    options.keep_delivered = base::Duration::zero();
    Desk desk{options};
    const std::string body(60 << 10, 'x');
    for (std::int64_t id = 1; id <= 200; ++id) {
        desk.spool->add(desk.message(id, body), [](const Outcome<Leased>&) {});
    }
    desk.flush();
    auto database = Database::open(options.directory / "spool.db", Database::Access::read);
    REQUIRE((*database)->number("PRAGMA page_count") > 3000);
    for (std::int64_t id = 1; id <= 200; ++id) {
        desk.spool->record(report(id, {delivered}), [](const Outcome<>&) {});
    }
    CHECK(eventually([&] { return (*database)->number("PRAGMA page_count") < 400; }));
}

TEST_CASE("a backlog is opened without loading it", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    options.durability = Durability::none;
    constexpr std::int64_t count = 100000;
    {
        Desk desk{options};
        for (std::int64_t id = 1; id <= count; ++id) {
            desk.spool->add(desk.message(id, "x", false), [](const Outcome<Leased>&) {});
            if (id % 5000 == 0) desk.flush();
        }
    }
    const std::size_t before = memory_in_use();
    Desk desk{options};
    CHECK(desk.stats().queued == count);
    CHECK(memory_in_use() < before + (8U << 20U));  // a row of each would take three times that
    std::vector<std::int64_t> taken = desk.take_ids(start + 1h, 1000);
    REQUIRE(taken.size() == 1000);
    CHECK(taken.front() == 1);
    CHECK(taken.back() == 1000);
    taken = desk.take_ids(start + 1h, 1000);  // past all that is leased
    CHECK(taken.front() == 1001);
    CHECK(desk.stats().oldest == start + 1ms);
    CHECK(desk.list({}).front() == count);
}
