// How the log is written: a transaction at once, and never anything that does not count.
#include "spool/log_file.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "spool/database.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/folder.hpp"
#include "tests/unit/spool/recorded_disk.hpp"

using namespace spool;
using namespace spool::test;
using ::test::Folder;
using Kind = RecordedDisk::Kind;
using Step = RecordedDisk::Step;

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t growth = 256 << 10;  // of the log's file, at once

// A database with joined writes to its log, and what the disk has seen of that log.
struct Desk {
    Desk() : file(folder.path() / "spool.db"), disk(folder.path()), database(open()) {
        database->execute("PRAGMA journal_mode = WAL");
        database->execute("CREATE TABLE body (message INTEGER PRIMARY KEY, bytes BLOB)");
        REQUIRE_FALSE(database->failed());
    }
    std::unique_ptr<Database> open(Database::Access access = Database::Access::write_joined) const {
        auto opened = Database::open(file, access);
        REQUIRE(opened.has_value());
        return std::move(*opened);
    }
    // How many such steps the log has seen since the one of this number.
    std::vector<Step> log_steps(Kind kind, std::size_t since) const {
        const std::vector<Step> trace = disk.trace();
        const auto made = std::find_if(trace.begin(), trace.end(), [](const Step& step) {
            return step.kind == Kind::create && step.name == "spool.db-wal";
        });
        REQUIRE(made != trace.end());
        std::vector<Step> found;
        std::copy_if(trace.begin() + static_cast<std::ptrdiff_t>(since), trace.end(),
                     std::back_inserter(found), [&](const Step& step) {
                         return step.kind == kind && step.file == made->file && !is_growth(step);
                     });
        return found;
    }
    static bool is_growth(const Step& step) {
        return step.kind == Kind::write && step.bytes.find_first_not_of('\0') == std::string::npos;
    }
    // Writes for it, several at a time.
    std::ptrdiff_t growths() const {
        const std::vector<Step> trace = disk.trace();
        return std::count_if(trace.begin(), trace.end(), is_growth);
    }
    std::size_t length() const { return std::filesystem::file_size(file.string() + "-wal"); }
    void insert(std::int64_t id, std::size_t size) const {
        database->execute("INSERT INTO body VALUES (" + std::to_string(id) + ", zeroblob(" +
                          std::to_string(size) + "))");
    }
    void commit() const { database->execute("COMMIT"); }
    void begin() const { database->execute("BEGIN IMMEDIATE"); }
    void check_sound(Database& by, std::int64_t rows) const {
        CHECK(by.number("SELECT count(*) FROM body") == rows);
        Statement check{by, "PRAGMA integrity_check"};
        REQUIRE(check.step());
        CHECK(check.text(0) == "ok");
    }

    Folder folder;
    std::filesystem::path file;
    RecordedDisk disk;
    std::unique_ptr<Database> database;
};

}  // namespace

TEST_CASE("a transaction comes to the log in one write, before its sync", "[spool]") {
    const Desk desk;
    const std::size_t before = desk.disk.steps();
    desk.begin();
    for (std::int64_t id = 1; id <= 3; ++id) desk.insert(id, 2 * page);
    CHECK(desk.disk.steps() == before);
    desk.commit();
    const std::vector<Step> writes = desk.log_steps(Kind::write, before);
    REQUIRE(writes.size() == 1);
    CHECK(writes[0].bytes.size() > 6 * page);
    REQUIRE(desk.log_steps(Kind::sync, before).size() == 1);
    const std::vector<Step> trace = desk.disk.trace();
    CHECK(trace[before].kind == Kind::write);
    CHECK(trace[before + 1].kind == Kind::sync);
    desk.check_sound(*desk.open(Database::Access::read), 3);
}

TEST_CASE("the log's file grows for the next transactions as well", "[spool]") {
    const Desk desk;
    desk.insert(1, page);
    CHECK(desk.length() == growth);
    const std::ptrdiff_t before = desk.growths();
    std::int64_t id = 1;
    // Three pages each, and the frames' headers: far less than what is there.
    while (id < 15) desk.insert(++id, page);
    CHECK(desk.growths() == before);
    while (id < 60) desk.insert(++id, page);
    CHECK(desk.growths() > before);
    CHECK(desk.length() == 3 * growth);

    desk.database->execute("PRAGMA wal_checkpoint(TRUNCATE)");
    CHECK(desk.length() == 0);
    desk.insert(++id, page);
    CHECK(desk.length() == growth);
    desk.check_sound(*desk.open(Database::Access::read), id);
}

TEST_CASE("a log left by a process that was killed is not made longer than it is", "[spool]") {
    const Desk desk;
    desk.insert(1, page);
    const auto other = desk.open(Database::Access::write_joined);
    const std::ptrdiff_t before = desk.growths();
    other->execute("INSERT INTO body VALUES (2, zeroblob(4096))");
    CHECK(desk.growths() == before);
    desk.check_sound(*desk.open(Database::Access::read), 2);
}

TEST_CASE("a transaction counts where the log's file finds no room to grow", "[spool]") {
    Desk desk;
    desk.database->execute("PRAGMA wal_checkpoint(TRUNCATE)");
    // The log's header is written, then the second write of the growth fails.
    desk.disk.plan({2, [](Kind kind) { return kind == Kind::write; }, ENOSPC, true, false});
    desk.insert(1, page);
    REQUIRE(desk.disk.fault_happened());
    REQUIRE_FALSE(desk.database->failed());
    CHECK(desk.length() < 8 * page);
    const std::ptrdiff_t before = desk.growths();
    desk.insert(2, page);  // it does not try each time
    CHECK(desk.growths() == before);
    for (std::int64_t id = 3; id <= 60; ++id) desk.insert(id, page);
    CHECK(desk.growths() > before);
    REQUIRE_FALSE(desk.database->failed());
    desk.check_sound(*desk.open(Database::Access::read), 60);
}

TEST_CASE("a large transaction comes to the log in a few writes", "[spool]") {
    const Desk desk;
    const std::size_t before = desk.disk.steps();
    desk.begin();
    for (std::int64_t id = 1; id <= 8; ++id) desk.insert(id, 128 << 10);
    desk.commit();
    REQUIRE_FALSE(desk.database->failed());
    const std::vector<Step> writes = desk.log_steps(Kind::write, before);
    CHECK(writes.size() > 8);
    CHECK(writes.size() < 16);
    desk.check_sound(*desk.open(Database::Access::read), 8);
}

TEST_CASE("a commit that is not synced is there for others, and checkpoints are synced",
          "[spool]") {
    const Desk desk;
    sync_commits(desk.database->handle(), false);
    std::size_t before = desk.disk.steps();
    desk.insert(1, page);
    CHECK(desk.log_steps(Kind::write, before).size() == 1);
    CHECK(desk.log_steps(Kind::sync, before).empty());
    desk.check_sound(*desk.open(Database::Access::read), 1);

    desk.database->execute("PRAGMA wal_checkpoint(RESTART)");
    CHECK(desk.log_steps(Kind::sync, before).size() == 1);
    // The log begins anew: its header must be on the disk before what follows it.
    before = desk.disk.steps();
    desk.insert(2, page);
    CHECK(desk.log_steps(Kind::sync, before).size() == 1);

    sync_commits(desk.database->handle(), true);
    before = desk.disk.steps();
    desk.insert(3, page);
    CHECK(desk.log_steps(Kind::sync, before).size() == 1);
}

namespace {

// Ten pages of memory: what is more goes to the log before the commit. And an empty log.
void spill_early(const Desk& desk) {
    desk.database->execute("PRAGMA cache_size = 10; PRAGMA wal_checkpoint(TRUNCATE)");
}

int run(sqlite3* handle, const char* sql) {
    return sqlite3_exec(handle, sql, nullptr, nullptr, nullptr);
}

}  // namespace

TEST_CASE("pages that went to the log early, were read back and changed again are all committed",
          "[spool]") {
    const Desk desk;
    spill_early(desk);
    desk.begin();
    for (std::int64_t id = 1; id <= 60; ++id) desk.insert(id, page);
    for (const char* byte : {"'a'", "'b'"}) {
        desk.database->execute("SAVEPOINT change");
        desk.database->execute("UPDATE body SET bytes = zeroblob(5000) WHERE message % 3 = 0");
        desk.database->execute("ROLLBACK TO change");
        desk.database->execute("UPDATE body SET bytes = CAST(printf('%5000s', " +
                               std::string{byte} + ") AS BLOB) WHERE message % 2 = 0");
    }
    desk.commit();
    REQUIRE_FALSE(desk.database->failed());
    const auto reader = desk.open(Database::Access::read);
    desk.check_sound(*reader, 60);
    CHECK(reader->number("SELECT count(*) FROM body WHERE substr(bytes, 5000) = x'62'") == 30);
    CHECK(reader->number("SELECT count(*) FROM body WHERE length(bytes) = 4096") == 30);
}

TEST_CASE("what was rolled back is not written over another's transaction", "[spool]") {
    const Desk desk;
    spill_early(desk);
    desk.begin();
    for (std::int64_t id = 1; id <= 20; ++id) desk.insert(id, page);
    desk.database->execute("ROLLBACK");

    const auto other = desk.open(Database::Access::write);
    other->execute("BEGIN");
    for (int id = 100; id < 140; ++id) {
        other->execute("INSERT INTO body VALUES (" + std::to_string(id) + ", zeroblob(3000))");
    }
    other->execute("COMMIT");
    REQUIRE_FALSE(other->failed());
    desk.insert(1, page);
    REQUIRE_FALSE(desk.database->failed());
    desk.check_sound(*desk.open(Database::Access::read), 41);
}

TEST_CASE("what SQLite believes written and is not fails the commit", "[spool]") {
    Desk desk;
    spill_early(desk);
    desk.begin();
    for (std::int64_t id = 1; id <= 20; ++id) desk.insert(id, page);
    REQUIRE_FALSE(desk.database->failed());
    desk.disk.plan({0, [](Kind kind) { return kind == Kind::write; }, ENOSPC, false, false});
    sqlite3* const handle = desk.database->handle();
    // One failure, met by whoever needs a page that is only in memory yet; nobody is told again.
    CHECK(run(handle, "UPDATE body SET message = message + 1000") != SQLITE_OK);
    REQUIRE(desk.disk.fault_happened());
    CHECK(run(handle, "COMMIT") != SQLITE_OK);
    if (sqlite3_get_autocommit(handle) == 0) run(handle, "ROLLBACK");
    CHECK(run(handle, "INSERT INTO body VALUES (1, x'00')") == SQLITE_OK);
    desk.check_sound(*desk.open(Database::Access::read), 1);
}

TEST_CASE("a log that cannot be written fails its transaction, and only that", "[spool]") {
    Desk desk;
    desk.insert(1, page);
    desk.disk.plan({0, [](Kind kind) { return kind == Kind::write; }, ENOSPC, true, true});
    desk.insert(2, page);
    REQUIRE(desk.database->failed());
    CHECK(desk.database->take_error().problem == Problem::full);
    desk.disk.mend();
    desk.check_sound(*desk.database, 1);
    desk.insert(2, page);
    REQUIRE_FALSE(desk.database->failed());
    desk.check_sound(*desk.open(Database::Access::read), 2);
}
