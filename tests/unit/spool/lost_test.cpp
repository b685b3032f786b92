// What becomes of a spool whose files were lost or damaged while no relay ran.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

#include "base/log.hpp"
#include "spool/database.hpp"
#include "spool/log_check.hpp"
#include "tests/unit/spool/fixture.hpp"

using namespace spool;
using namespace spool::test;
using Catch::Matchers::Contains;

namespace {

const std::string small(100, 'x');

std::string open_failure(const Options& options) {
    auto opened = open_with(options, run_at_once, {});
    return opened ? "opened" : opened.error().message;
}

std::string content_of(const std::filesystem::path& file) {
    std::ifstream stream{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{stream}, {}};
}

void write_content(const std::filesystem::path& file, std::string_view content) {
    std::ofstream{file, std::ios::binary} << content;
}

// A spool as a kill leaves it: copied while it is open.
struct Killed {
    Killed() {
        Desk desk{folder};
        for (std::int64_t id = 1; id <= count; ++id) REQUIRE(desk.add(id, small).has_value());
        options.directory = folder.path() / "left";
        options.min_free = 0;
        std::filesystem::copy(desk.options.directory, options.directory,
                              std::filesystem::copy_options::recursive);
        database = options.directory / "spool.db";
        log = options.directory / "spool.db-wal";
        mark = options.directory / "spool.mark";
    }
    // The machine was started anew since: the index of the log proves nothing.
    void reboot() const {
        std::string text = content_of(mark);
        text[text.find('\n') - 1] = text[text.find('\n') - 1] == '0' ? '1' : '0';
        write_content(mark, text);
    }
    // The system did not tell in which run of the machine the mark was made.
    void forget_boot() const {
        std::string text = content_of(mark);
        const std::size_t end = text.find('\n');
        write_content(mark, text.replace(end - 36, 36, std::string(36, ' ')));
    }
    // Behind it lies room for more.
    std::size_t written() const { return content_of(log).find_last_not_of('\0') + 1; }
    // Somewhere before the last commit, in a page's content.
    void flip_in_middle() const {
        std::string content = content_of(log);
        const std::size_t middle = written() / 2;
        content[middle] = static_cast<char>(content[middle] ^ 1);
        write_content(log, content);
    }

    static constexpr std::int64_t count = 5;
    Folder folder;
    Options options;
    std::filesystem::path database, log, mark;
};

}  // namespace

TEST_CASE("a lost database is never begun anew, however little was in it", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    {
        REQUIRE(Desk(options).add(1, small).has_value());
    }
    const auto file = options.directory / "spool.db";
    const std::string content = content_of(file);
    SECTION("truncated") {
        std::filesystem::resize_file(file, 0);
        CHECK_THAT(open_failure(options), Contains("spool.db is empty"));
    }
    SECTION("removed") {
        std::filesystem::remove(file);
        CHECK_THAT(open_failure(options), Contains("spool.db is missing"));
    }
    CHECK_THAT(open_failure(options),
               Contains("move all that is in " + options.directory.string()));
    write_content(file, content);  // the remedies
    CHECK(Desk(options).list({}) == std::vector<std::int64_t>{1});
    for (const auto& entry : std::filesystem::directory_iterator{options.directory}) {
        std::filesystem::remove_all(entry);
    }
    CHECK(Desk(options).list({}).empty());
}

TEST_CASE("a database lost after a kill is never begun anew, nor is its log removed", "[spool]") {
    const Killed left;
    const bool with_log = GENERATE(true, false);
    const bool marked = GENERATE(true, false);
    const bool truncated = GENERATE(true, false);
    if (truncated) {
        std::filesystem::resize_file(left.database, 0);
    } else {
        std::filesystem::remove(left.database);
    }
    if (with_log) std::filesystem::remove(left.log);
    if (!marked) std::filesystem::remove(left.mark);
    if (with_log && !marked) return;  // nothing is left that tells
    CHECK_THAT(open_failure(left.options),
               Contains(truncated ? "spool.db is empty" : "spool.db is missing"));
    CHECK(std::filesystem::exists(left.log) == !with_log);
}

TEST_CASE("a spool that a kill left is opened", "[spool]") {
    const Killed left;
    if (GENERATE(true, false)) left.reboot();
    CHECK(Desk(left.options).list({}).size() == Killed::count);
    CHECK_FALSE(std::filesystem::exists(left.log));  // closed, all is in the database
    CHECK_THAT(content_of(left.mark), Catch::Matchers::StartsWith("closed"));
}

TEST_CASE("a log that was lost or damaged after a kill stops the start", "[spool]") {
    const Killed left;
    const std::string harm = GENERATE("removed", "emptied", "cut off", "header", "byte");
    CAPTURE(harm);
    if (harm == "removed") std::filesystem::remove(left.log);
    if (harm == "emptied") std::filesystem::resize_file(left.log, 0);
    if (harm == "cut off") std::filesystem::resize_file(left.log, left.written() / 2);
    if (harm == "header") write_content(left.log, "?" + content_of(left.log).substr(1));
    if (harm == "byte") left.flip_in_middle();
    const std::string before = content_of(left.log);
    const std::string failure = open_failure(left.options);
    CHECK_THAT(failure, Contains("spool.db-wal"));
    CHECK_THAT(failure, Contains(harm == "removed" ? "missing" : "damaged or cut off"));
    CHECK_THAT(failure, Contains("remove " + left.mark.string()));
    CHECK(content_of(left.log) == before);
    CHECK(open_failure(left.options) == failure);  // however often it is tried
    std::filesystem::remove(left.mark);            // the remedy
    Desk desk{left.options};
    CHECK(desk.list({}).size() < Killed::count);
    CHECK(std::filesystem::exists(left.mark));
}

TEST_CASE("a gap in the log after a power cut is kept, and the spool opened", "[spool]") {
    const Killed left;
    left.reboot();
    left.flip_in_middle();
    const std::string before = content_of(left.log);
    CHECK(examine_log(left.database).beyond > 0);
    CHECK(Desk(left.options).list({}).size() < Killed::count);
    CHECK(content_of(left.log.string() + ".cut") == before);
}

TEST_CASE("a cut that only the boot id would prove is told, and the log kept", "[spool]") {
    const Killed left;
    const bool cut = GENERATE(true, false);
    left.forget_boot();
    if (cut) std::filesystem::resize_file(left.log, left.written() / 2);
    const std::string before = content_of(left.log);
    const auto lines = left.folder / "relay.log";
    REQUIRE(base::open_log({base::LogLevel::info, base::LogFormat::text, lines}).has_value());
    CHECK((Desk(left.options).list({}).size() < Killed::count) == cut);
    static_cast<void>(base::open_log({}));
    const std::string said = content_of(lines);
    CHECK((said.find("mail that relay acknowledged may be lost") != std::string::npos) == cut);
    CHECK(std::filesystem::exists(left.log.string() + ".cut") == cut);
    if (cut) CHECK(content_of(left.log.string() + ".cut") == before);
}

TEST_CASE("a log that is whole is read as SQLite reads it", "[spool]") {
    const Killed left;
    const LogFindings found = examine_log(left.database);
    CHECK(found.present);
    CHECK(found.readable > 0);
    CHECK(found.readable == found.committed);
    CHECK(found.beyond == 0);
    // Behind the last commit a kill may leave anything.
    write_content(left.log, content_of(left.log) + std::string(5000, 'x'));
    CHECK(examine_log(left.database).readable == found.readable);
    CHECK(Desk(left.options).list({}).size() == Killed::count);
}

TEST_CASE("a spool of an older relay is adopted, after a look at all of it", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    {
        Desk desk{options};
        for (std::int64_t id = 1; id <= 100; ++id) REQUIRE(desk.add(id, small).has_value());
    }
    const auto mark = options.directory / "spool.mark";
    SECTION("whole") {
        std::filesystem::remove(mark);
        if (GENERATE(true, false)) write_content(mark, "");  // a power cut while it was made
        CHECK(Desk(options).list({}).size() == 100);
        CHECK_THAT(content_of(mark), Catch::Matchers::StartsWith("closed"));
    }
    SECTION("damaged") {
        std::filesystem::remove(mark);
        std::string content = content_of(options.directory / "spool.db");
        content.replace(content.size() - 4096, 4096, std::string(4096, '\xa5'));
        write_content(options.directory / "spool.db", content);
        CHECK_THAT(open_failure(options), Contains("spool.db is damaged"));
        CHECK_FALSE(std::filesystem::exists(mark));
    }
}

namespace {

// The first byte of each page tells what it is (https://www.sqlite.org/fileformat2.html).
std::vector<std::size_t> pages_of_kind(const std::string& content, std::string_view kinds) {
    std::vector<std::size_t> pages;
    for (std::size_t page = 2; page < content.size() / 4096; ++page) {
        if (kinds.find(content[page * 4096]) != std::string_view::npos) pages.push_back(page);
    }
    return pages;
}

std::size_t readable(Spool& spool) {
    Query all;
    all.limit = 1000;
    const auto listed =
        wait<std::vector<Summary>>([&](auto done) { spool.list(all, std::move(done)); });
    REQUIRE(listed.has_value());
    return static_cast<std::size_t>(std::ranges::count_if(*listed, [&](const Summary& each) {
        return wait<Body>([&](auto done) { spool.load_body(each.message.id, std::move(done)); })
            .has_value();
    }));
}

}  // namespace

TEST_CASE("a damaged page stops the start, and what it does not hold is read", "[spool]") {
    const Folder folder;
    Options options = Desk::options_for(folder);
    constexpr std::size_t count = 60;
    {
        Desk desk{options};
        for (std::size_t id = 1; id <= count; ++id) {
            REQUIRE(desk.add(static_cast<std::int64_t>(id), std::string(900, 'z')).has_value());
        }
    }
    const auto file = options.directory / "spool.db";
    const std::string whole = content_of(file);
    const auto leaves = pages_of_kind(whole, "\x0d\x0a\x02");
    REQUIRE(leaves.size() > 15);
    for (const std::size_t page : leaves) {
        CAPTURE(page);
        std::string content = whole;
        content.replace(page * 4096, 4096, std::string(4096, '\xa5'));
        write_content(file, content);
        CHECK_THAT(open_failure(options), Contains("spool.db is damaged"));
        auto opened = Spool::open_for_reading(options, run_at_once);
        REQUIRE(opened.has_value());
        CHECK(readable(**opened) >= count - 5);  // so many bodies are on a page
        CHECK(content_of(file) == content);
    }
}

TEST_CASE("looking at a spool that a kill left changes nothing", "[spool]") {
    const Killed left;
    const auto names = [&] {
        std::map<std::string, std::string> files;
        for (const auto& entry : std::filesystem::directory_iterator{left.options.directory}) {
            if (entry.is_regular_file()) files[entry.path().filename()] = content_of(entry.path());
        }
        return files;
    };
    const bool with_log = GENERATE(true, false);
    if (!with_log) std::filesystem::remove(left.log);
    const auto before = names();
    {
        auto opened = Spool::open_for_reading(left.options, run_at_once);
        if (!with_log && !opened) return;  // the schema was in the log
        REQUIRE(opened.has_value());
        CHECK(readable(**opened) == (with_log ? Killed::count : 0));
        CHECK(open_failure(left.options) != "opened");  // locked
    }
    CHECK(names() == before);
}
