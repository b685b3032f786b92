// What a power cut or a failing disk leaves: every acknowledged message, and a sound database.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <set>

#include "spool/database.hpp"
#include "tests/unit/spool/fixture.hpp"
#include "tests/unit/spool/recorded_disk.hpp"

using namespace spool;
using namespace spool::test;
using Kind = RecordedDisk::Kind;
using Fault = RecordedDisk::Fault;

namespace {

constexpr std::size_t large = 160 << 10;  // a file beside the database

// What is written is judged by the record of it: where it lies matters only for the time it takes.
std::filesystem::path quick_place() {
    const std::filesystem::path memory = "/dev/shm";
    return ::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
}

// Of the slower plays not every moment each day; RELAY_POWER_STRIDE=1 takes them all.
std::size_t stride_of(std::size_t everyday) {
    const char* given = std::getenv("RELAY_POWER_STRIDE");
    return given == nullptr ? everyday : std::max<std::size_t>(1, std::strtoul(given, nullptr, 10));
}

// What the spool has told, and after which step of the disk.
struct Told {
    std::int64_t id;
    std::size_t after;
};
struct Story {
    std::vector<Told> acknowledged, refused;
    std::set<std::int64_t> recorded;  // some outcome was handed over: it may be done with
};

std::string content_of(std::int64_t id) {
    return std::string(id % 4 == 0 ? large : 900, static_cast<char>('a' + id % 26));
}

// Messages of both kinds, one by one and in groups, with outcomes between them that need no sync.
void play(Desk& desk, const RecordedDisk& disk, Story& story) {
    const auto tell = [&](std::int64_t id, bool taken) {
        (taken ? story.acknowledged : story.refused).push_back({id, disk.steps()});
    };
    for (std::int64_t id = 1; id <= 12; ++id) {
        tell(id, desk.add(id, content_of(id)).has_value());
        if (id % 3 != 0) continue;
        story.recorded.insert(id);
        desk.spool->mark_dot(MessageId{id});
        static_cast<void>(desk.record(report(id, {delivered})));
    }
    std::map<std::int64_t, std::promise<void>> answers;
    std::mutex mutex;
    for (std::int64_t id = 13; id <= 18; ++id) {
        std::promise<void>& answered = answers[id];
        desk.spool->add(desk.message(id, content_of(id)), [&, id](const Outcome<Leased>& added) {
            const std::lock_guard lock{mutex};
            tell(id, added.has_value());
            answered.set_value();
        });
    }
    for (auto& [id, answered] : answers) answered.get_future().wait();
    tell(19, desk.add(19, content_of(19)).has_value());
}

// The spool opens on what is left, is sound, and has every message acknowledged by then.
void check_left(const std::filesystem::path& directory, const Story& story, std::size_t steps) {
    Options options;
    options.directory = directory;
    options.min_free = 0;
    options.durability = Durability::none;  // only what was left matters
    const bool owes = !story.acknowledged.empty() && story.acknowledged.front().after <= steps;
    auto opened = open_with(options, run_at_once, {});
    if (!opened) {
        // Before the first acknowledgement a torn new database may be refused; after it, never.
        INFO(opened.error().message);
        CHECK_FALSE(owes);
        return;
    }
    opened->reset();
    Desk desk{options};
    for (const Told& told : story.acknowledged) {
        if (told.after > steps) continue;
        CAPTURE(told.id, told.after);
        const auto shown = desk.show(told.id);
        REQUIRE(shown.has_value());
        const bool done = shown->message.state == MessageState::delivered;
        if (done && story.recorded.contains(told.id)) continue;
        const auto body = desk.load_body(told.id);
        REQUIRE(body.has_value());
        CHECK(body->size == content_of(told.id).size());
    }
    desk.spool.reset();
    auto database = Database::open(directory / "spool.db", Database::Access::read);
    REQUIRE(database.has_value());
    Statement row{**database, "PRAGMA integrity_check"};
    REQUIRE(row.step());
    CHECK(row.text(0) == "ok");
}

struct Played {
    Story story;
    std::vector<RecordedDisk::Step> trace;
    bool fault_happened = false;
};

// The whole play on a fresh disk on which one call fails.
Played play_on_disk(const Fault& fault) {
    const Folder folder{quick_place()};
    RecordedDisk disk{folder.path() / "spool"};
    Played played;
    Desk desk{folder};
    disk.plan(fault);
    play(desk, disk, played.story);
    played.fault_happened = disk.fault_happened();
    played.trace = disk.trace();  // the power goes before the spool is closed
    return played;
}

void check_power_cut(const Played& played, std::size_t steps, PowerCut cut) {
    const Folder left{quick_place()};
    write_disk_after(played.trace, steps, cut, left.path() / "spool");
    CAPTURE(steps, cut.seed, static_cast<int>(cut.keep));
    check_left(left.path() / "spool", played.story, steps);
}

// Each fitting call fails once, in a play of its own, until the play has no more such calls.
std::size_t fail_each(Kind kind, int error, bool torn, std::size_t stride) {
    std::size_t plays = 0;
    for (std::size_t at = 0;; at += stride) {
        const Fault fault{at, [kind](Kind called) { return called == kind; }, error, torn, false};
        CAPTURE(at, error, torn);
        const Played played = play_on_disk(fault);
        if (!played.fault_happened) return plays;
        ++plays;
        for (const auto keep : {PowerCut::Keep::nothing, PowerCut::Keep::some}) {
            check_power_cut(played, played.trace.size(), {keep, at});
        }
    }
}

}  // namespace

TEST_CASE("a power cut at any moment loses nothing acknowledged", "[spool]") {
    const Played played = play_on_disk({});
    REQUIRE(played.story.refused.empty());
    REQUIRE(played.story.acknowledged.size() == 19);
    const auto keep = GENERATE(PowerCut::Keep::nothing, PowerCut::Keep::some, PowerCut::Keep::all);
    const std::size_t stride = stride_of(1);
    for (std::size_t steps = 0; steps <= played.trace.size(); steps += stride) {
        check_power_cut(played, steps, {keep, steps});
    }
}

TEST_CASE("a sync that fails is never acknowledged, and spoils nothing later", "[spool]") {
    CHECK(fail_each(Kind::sync, EIO, false, 1) > 15);
    CHECK(fail_each(Kind::sync_folder, EIO, false, 1) > 2);
}

TEST_CASE("a write that fails or tears is never acknowledged", "[spool]") {
    const std::size_t stride = stride_of(2);
    CHECK(fail_each(Kind::write, EIO, false, stride) > 10);
    CHECK(fail_each(Kind::write, EIO, true, stride) > 10);
    CHECK(fail_each(Kind::write, ENOSPC, true, stride) > 10);
}

TEST_CASE("a file that cannot be cut or removed spoils nothing", "[spool]") {
    CHECK(fail_each(Kind::unlink, EIO, false, 1) > 2);
    static_cast<void>(fail_each(Kind::truncate, EIO, false, 1));  // only after other faults
}

namespace {

void wait_for_size(const std::filesystem::path& file, bool above, std::uintmax_t size) {
    REQUIRE(eventually([&] { return (std::filesystem::file_size(file) > size) == above; }));
}

// The log is moved into the database, space is given back, and the spool closed and opened again,
// with mail before, between and after.
Played play_through_housekeeping() {
    const Folder folder{quick_place()};
    RecordedDisk disk{folder.path() / "spool"};
    Played played;
    Story& story = played.story;
    Desk desk{folder};
    const auto database = desk.options.directory / "spool.db";
    const auto add = [&](std::int64_t id) {
        const bool taken = desk.add(id, content_of(id)).has_value();
        (taken ? story.acknowledged : story.refused).push_back({id, disk.steps()});
    };
    constexpr std::int64_t count = 30;
    for (std::int64_t id = 1; id <= count; ++id) {
        desk.spool->add(desk.message(1000 + id, std::string(60 << 10, 'x')),
                        [](const Outcome<Leased>&) {});
    }
    for (std::int64_t id = 1; id <= 4; ++id) add(id);
    wait_for_size(database, true, 1'700'000);  // out of the log
    for (std::int64_t id = 1; id <= count; ++id) {
        static_cast<void>(desk.record(report(1000 + id, {delivered})));
    }
    add(5);
    wait_for_size(database, false, 1'500'000);  // given back
    for (std::int64_t id = 6; id <= 8; ++id) add(id);
    desk.reopen();
    for (std::int64_t id = 9; id <= 12; ++id) add(id);
    desk.spool.reset();
    played.trace = disk.trace();
    return played;
}

}  // namespace

TEST_CASE("a power cut while the spool tidies up, closes or opens loses nothing", "[spool]") {
    const Played played = play_through_housekeeping();
    REQUIRE(played.story.refused.empty());
    REQUIRE(std::ranges::any_of(played.trace, [](const RecordedDisk::Step& step) {
        return step.kind == Kind::truncate && step.offset > 4096;  // the database, given back
    }));
    const auto keep = GENERATE(PowerCut::Keep::nothing, PowerCut::Keep::some, PowerCut::Keep::all);
    for (std::size_t steps = 0; steps <= played.trace.size(); steps += stride_of(151)) {
        check_power_cut(played, steps, {keep, steps});
    }
    // Around each sync is where it matters.
    const std::size_t stride = stride_of(1);
    std::size_t met = 0;
    for (std::size_t steps = 1; steps <= played.trace.size(); ++steps) {
        const Kind kind = played.trace[steps - 1].kind;
        const bool matters = kind == Kind::sync || kind == Kind::truncate || kind == Kind::unlink;
        if (matters && ++met % stride == 0) check_power_cut(played, steps - 1, {keep, steps});
    }
}

namespace {

// Outcomes that no sync covered yet, a kill, and a second life with mail of its own.
Played play_through_kill() {
    const Folder folder{quick_place()};
    RecordedDisk disk{folder.path() / "spool"};
    Played played;
    const auto add = [&](Desk& desk, std::int64_t id) {
        REQUIRE(desk.add(id, content_of(id)).has_value());
        played.story.acknowledged.push_back({id, disk.steps()});
    };
    Desk killed{folder};
    for (const std::int64_t id : {1, 4, 8, 12}) add(killed, id);
    for (const std::int64_t id : {1, 4, 8}) {
        played.story.recorded.insert(id);
        REQUIRE(killed.record(report(id, {delivered})).has_value());
    }
    Options options = killed.options;
    options.directory = folder.path() / "again";
    std::filesystem::copy(killed.options.directory, options.directory,
                          std::filesystem::copy_options::recursive);
    disk.go_on_in(options.directory);
    Desk desk{options};
    CHECK(eventually([&] { return desk.body_files() == 1; }));  // those of 4 and 8 are gone
    for (const std::int64_t id : {13, 16}) add(desk, id);
    played.trace = disk.trace();
    return played;
}

}  // namespace

TEST_CASE("a power cut after the start that follows a kill loses nothing", "[spool]") {
    const Played played = play_through_kill();
    const auto removals = std::ranges::count_if(played.trace, [](const RecordedDisk::Step& step) {
        return step.kind == Kind::unlink && step.name.starts_with("bodies/") &&
               !step.name.ends_with(".part");
    });
    REQUIRE(removals >= 2);
    const auto keep = GENERATE(PowerCut::Keep::nothing, PowerCut::Keep::some, PowerCut::Keep::all);
    const std::size_t first = played.story.acknowledged[3].after;
    for (std::size_t steps = first; steps <= played.trace.size(); steps += stride_of(1)) {
        check_power_cut(played, steps, {keep, steps});
    }
}

TEST_CASE("a call that fails while a killed spool is opened or closed loses nothing", "[spool]") {
    const Folder source{quick_place()};
    const bool old_version = GENERATE(false, true);
    const auto killed = source.path() / "killed";
    {
        Desk desk{source};
        for (std::int64_t id = 1; id <= 5; ++id) {
            REQUIRE(desk.add(id, content_of(id)).has_value());
        }
        if (old_version) {
            auto database =
                Database::open(desk.options.directory / "spool.db", Database::Access::write);
            (*database)->execute(
                "DROP INDEX message_set_aside; CREATE INDEX message_state ON message (state);"
                "PRAGMA user_version = 1");
            REQUIRE_FALSE((*database)->failed());
        }
        std::filesystem::copy(desk.options.directory, killed,
                              std::filesystem::copy_options::recursive);
    }
    const Kind kind = GENERATE(Kind::create, Kind::write, Kind::truncate, Kind::sync, Kind::unlink,
                               Kind::sync_folder);
    CAPTURE(old_version, static_cast<int>(kind));
    for (std::size_t at = 0;; ++at) {
        const Folder folder{quick_place()};
        Options options = Desk::options_for(folder);
        std::filesystem::copy(killed, options.directory, std::filesystem::copy_options::recursive);
        RecordedDisk disk{options.directory};
        disk.plan({at, [kind](Kind called) { return called == kind; }, EIO, false, false});
        CAPTURE(at);
        {
            auto opened = open_with(options, run_at_once, {});
        }
        const bool happened = disk.fault_happened();
        disk.mend();
        Desk desk{options};
        CHECK(desk.list({}).size() == 5);
        if (!happened) break;
    }
}

TEST_CASE("a file that cannot be made or named is never acknowledged", "[spool]") {
    CHECK(fail_each(Kind::create, EMFILE, false, 1) > 2);
    CHECK(fail_each(Kind::link, ENOSPC, false, 1) > 2);
}

TEST_CASE("a disk that fails for a while works again without a restart", "[spool]") {
    const auto kind = GENERATE(Kind::write, Kind::sync, Kind::sync_folder, Kind::create);
    const int error = GENERATE(EIO, ENOSPC, EROFS);
    const Folder folder{quick_place()};
    RecordedDisk disk{folder.path() / "spool"};
    Story story;
    Desk desk{folder};
    REQUIRE(desk.add(100, content_of(100)).has_value());
    story.acknowledged.push_back({100, disk.steps()});
    disk.plan({0, [kind](Kind called) { return called == kind; }, error, false, true});
    const auto refused = desk.add(104, content_of(104));
    CHECK_FALSE(refused.has_value());
    disk.mend();
    play(desk, disk, story);
    CHECK(story.refused.empty());
    check_power_cut({story, disk.trace(), true}, disk.steps(), {});
}
