// tests/config/good must load; tests/config/bad must be refused with exactly the faults that its
// "# expect:" lines name, and no report of either may hold a secret.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "config/settings.hpp"
#include "relay/check_report.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/config/support.hpp"

namespace {

namespace fs = std::filesystem;
using test::contains;

std::vector<fs::path> files_in(const char* folder) {
    std::vector<fs::path> files;
    for (const auto& entry :
         fs::directory_iterator{fs::path{RELAY_SOURCE_DIR} / "tests/config" / folder}) {
        if (entry.path().extension() == ".toml") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::vector<std::string> expectations(const fs::path& path) {
    constexpr std::string_view mark = "# expect: ";
    std::vector<std::string> found;
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(mark)) found.push_back(line.substr(mark.size()));
    }
    return found;
}

std::string reports(const config::LoadResult& result) {
    return relay::check_text(result, {}) + relay::check_text(result, {.color = true}) +
           relay::check_json(result);
}

}  // namespace

TEST_CASE("good configurations load without a word", "[config]") {
    for (const fs::path& path : files_in("good")) {
        const config::LoadResult result = config::load_file(path);
        CAPTURE(path.filename().string(), relay::check_text(result, {}));
        CHECK(result.ok());
        CHECK_FALSE(contains(reports(result), "from the tests"));
        CHECK_FALSE(contains(reports(result), "only on this host"));
    }
}

TEST_CASE("bad configurations are refused with every fault and no other", "[config]") {
    for (const fs::path& path : files_in("bad")) {
        const config::LoadResult result = config::load_file(path);
        const std::vector<std::string> expected = expectations(path);
        CAPTURE(path.filename().string(), relay::check_text(result, {}));
        CHECK_FALSE(result.ok());
        REQUIRE_FALSE(expected.empty());
        for (const std::string& text : expected) {
            CAPTURE(text);
            CHECK(std::any_of(result.problems.begin(), result.problems.end(),
                              [&](const config::Problem& p) { return contains(p.text(), text); }));
        }
        for (const config::Problem& problem : result.problems) {
            CAPTURE(problem.text());
            CHECK(std::any_of(expected.begin(), expected.end(), [&](const std::string& text) {
                return contains(problem.text(), text);
            }));
        }
    }
}

TEST_CASE("faults come in the order of the file", "[config]") {
    for (const fs::path& path : files_in("bad")) {
        const config::LoadResult result = config::load_file(path);
        CAPTURE(path.filename().string());
        CHECK(std::is_sorted(result.problems.begin(), result.problems.end(),
                             [](const config::Problem& a, const config::Problem& b) {
                                 return std::tie(a.line, a.column) < std::tie(b.line, b.column);
                             }));
    }
}

TEST_CASE("no report of a bad configuration holds its secret", "[config]") {
    for (const fs::path& path : files_in("bad")) {
        CAPTURE(path.filename().string());
        CHECK_FALSE(contains(reports(config::load_file(path)), "hunter2"));
    }
}
