// What a power cut or a failing disk leaves: every acknowledged message, and a sound database.
#include <cerrno>
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

// What the spool has told, and after which step of the disk.
struct Told {
    std::int64_t id;
    std::size_t after;
};
struct Story {
    std::vector<Told> acknowledged, refused;
    std::set<std::int64_t> recorded;  // some outcome was handed over: the body may be gone
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
        if (story.recorded.contains(told.id)) continue;
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
    const Folder folder;
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
    const Folder left;
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
    const std::size_t stride = keep == PowerCut::Keep::nothing ? 1 : 3;
    for (std::size_t steps = 0; steps <= played.trace.size(); steps += stride) {
        check_power_cut(played, steps, {keep, steps});
    }
}

TEST_CASE("a sync that fails is never acknowledged, and spoils nothing later", "[spool]") {
    CHECK(fail_each(Kind::sync, EIO, false, 1) > 15);
    CHECK(fail_each(Kind::sync_folder, EIO, false, 1) > 2);
}

TEST_CASE("a write that fails or tears is never acknowledged", "[spool]") {
    CHECK(fail_each(Kind::write, EIO, false, 7) > 10);
    CHECK(fail_each(Kind::write, EIO, true, 7) > 10);
    CHECK(fail_each(Kind::write, ENOSPC, true, 7) > 10);
}

TEST_CASE("a file that cannot be made or named is never acknowledged", "[spool]") {
    CHECK(fail_each(Kind::create, EMFILE, false, 1) > 2);
    CHECK(fail_each(Kind::link, ENOSPC, false, 1) > 2);
}

TEST_CASE("a disk that fails for a while works again without a restart", "[spool]") {
    const auto kind = GENERATE(Kind::write, Kind::sync, Kind::sync_folder, Kind::create);
    const int error = GENERATE(EIO, ENOSPC, EROFS);
    const Folder folder;
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
