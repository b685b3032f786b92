// Bodies in memory and in files, and the limits on what is taken.
#include <algorithm>
#include <fstream>
#include <sstream>

#include "spool/body_files.hpp"
#include "spool/free_space.hpp"
#include "tests/unit/spool/fixture.hpp"

using namespace spool;
using namespace spool::test;
using Catch::Matchers::Contains;

namespace {

std::string read_file(const std::filesystem::path& file) {
    std::ifstream stream{file, std::ios::binary};
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
    return text;
}

}  // namespace

TEST_CASE("bodies up to the limit are rows, larger ones files", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    options.inline_limit = 1000;
    Desk desk{options};
    const std::size_t size = GENERATE(0u, 999u, 1000u, 1001u, 300000u);
    CAPTURE(size);
    const std::string content = pattern(size);
    auto added = desk.add(1, content);
    REQUIRE(added.has_value());
    CHECK(added->message.size == size);
    CHECK(added->body.has_value() == (size <= 1000));
    desk.reopen();
    const auto body = desk.load_body(1);
    REQUIRE(body.has_value());
    CHECK(body->size == size);
    CHECK((body->bytes == nullptr) == (size > 1000));
    CHECK((body->bytes ? *body->bytes : read_file(body->file)) == content);
    CHECK(desk.body_files() == (size > 1000 ? 1u : 0u));

    CHECK(desk.take_ids(start + 1h).size() == 1);
    REQUIRE(desk.record(report(1, {delivered})).has_value());
    CHECK(eventually([&] { return desk.body_files() == 0; }));
}

TEST_CASE("a body left unfinished leaves nothing", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    auto body = desk.spool->new_body();
    Desk::write(*body, pattern(1 << 20));
    CHECK(eventually([&] { return desk.body_files() == 1; }));
    SECTION("dropped") {
        body.reset();
        CHECK(eventually([&] { return desk.body_files() == 0; }));
    }
    SECTION("dropped after the spool") {
        desk.spool.reset();
        body.reset();
        CHECK(desk.body_files() == 0);
    }
}

TEST_CASE("what is under way to the disk is bounded", "[spool]") {
    const Folder folder;
    const Layout layout{folder.path()};
    std::filesystem::create_directory(layout.bodies());
    auto files = std::make_shared<BodyFiles>(layout, true, run_at_once);
    constexpr std::size_t total = 50 << 20, piece = 16 << 10;
    auto body = files->new_writer(128 << 10);
    const std::string content = pattern(piece);
    std::size_t most_seen = 0;
    for (std::size_t sent = 0; sent < total; sent += piece) {
        const bool room = body->write(content);
        most_seen = std::max(most_seen, files->under_way());
        if (room) continue;
        std::promise<void> ready;
        body->when_ready([&ready] { ready.set_value(); });
        ready.get_future().wait();
    }
    std::promise<StoredBody> stored;
    files->finish(std::move(body), MessageId{1},
                  [&](StoredBody result) { stored.set_value(std::move(result)); });
    const StoredBody result = stored.get_future().get();
    CHECK(result.in_file());
    CHECK(result.size == total);
    CHECK(std::filesystem::file_size(layout.body(MessageId{1})) == total);
    CHECK(most_seen <= BodyFiles::most_under_way + (256 << 10));
    CHECK(files->under_way() == 0);
    files->stop();
}

TEST_CASE("a writer that is gone is not called back", "[spool]") {
    const Folder folder;
    const Layout layout{folder.path()};
    std::filesystem::create_directory(layout.bodies());
    std::vector<std::function<void()>> posted;
    std::mutex mutex;
    const auto keep = [&](std::function<void()> batch) {
        const std::lock_guard lock{mutex};
        posted.push_back(std::move(batch));
    };
    auto files = std::make_shared<BodyFiles>(layout, false, keep);
    bool called = false;
    const bool dropped = GENERATE(true, false);
    auto body = files->new_writer(10);
    static_cast<void>(body->write(pattern(1000)));
    body->when_ready([&] { called = true; });
    if (dropped) body.reset();
    files->stop();
    for (const auto& batch : posted) batch();
    CHECK(called == !dropped);
}

TEST_CASE("a body that cannot be written fails its message only", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    std::filesystem::remove(desk.options.directory / "bodies");
    auto added = desk.add(1, pattern(1 << 20));
    REQUIRE_FALSE(added.has_value());
    CHECK_THAT(added.error().message, Contains("bodies/1.part"));
    CHECK(desk.add(2).has_value());
    CHECK(desk.stats().queued == 1);
}

TEST_CASE("a body file that is lost or cut is noticed", "[spool]") {
    const Folder folder;
    Desk desk{folder};
    REQUIRE(desk.add(1, pattern(1 << 20)).has_value());
    const auto file = desk.load_body(1)->file;
    std::filesystem::resize_file(file, 5);
    CHECK(desk.load_body(1).error().problem == Problem::body_lost);
    std::filesystem::remove(file);
    CHECK_THAT(desk.load_body(1).error().message, Contains(file.string() + " is missing"));
}

TEST_CASE("max_size bounds what is held, to the byte", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    options.max_size = 1000;
    Desk desk{options};
    CHECK(desk.spool->room_for(1000).has_value());
    CHECK(desk.spool->room_for(1001).error().problem == Problem::full);
    REQUIRE(desk.add(1, std::string(600, 'x')).has_value());
    CHECK(desk.spool->room_for(400).has_value());
    const auto room = desk.spool->room_for(401);
    REQUIRE_FALSE(room.has_value());
    CHECK_THAT(room.error().message, Contains("holds 600 bytes"));
    CHECK_THAT(room.error().message, Contains("spool.max_size"));

    const auto refused = desk.add(2, std::string(401, 'x'));  // nobody asked first
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().problem == Problem::full);
    REQUIRE(desk.add(3, std::string(400, 'x')).has_value());

    Report made = report(1, {failed});  // a report is stored all the same
    made.reports.push_back(desk.message(4, std::string(700, 'x')));
    REQUIRE(desk.record(std::move(made)).has_value());
    CHECK(desk.stats().bytes == 1100);
}

TEST_CASE("a spool that was moved away is not taken for full", "[spool]") {
    const Folder folder;
    const FreeSpace space{folder / "spool", 0ms};
    REQUIRE(std::filesystem::create_directory(folder / "spool"));
    REQUIRE(space.bytes() > 0);
    std::filesystem::rename(folder / "spool", folder / "away");
    CHECK(space.bytes() > 0);
}

TEST_CASE("min_free keeps the disk from filling up", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    options.min_free = std::uint64_t{1} << 60;
    const Desk desk{options};
    const auto room = desk.spool->room_for(1);
    REQUIRE_FALSE(room.has_value());
    CHECK(room.error().problem == Problem::full);
    CHECK_THAT(room.error().message, Contains("spool.min_free"));
    CHECK_THAT(room.error().message, Contains(options.directory.string()));
}
