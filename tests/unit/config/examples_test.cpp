// Every configuration in examples/relay loads as it stands, given the files and secrets it names.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <list>
#include <regex>

#include "config/settings.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/config/support.hpp"

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> examples() {
    std::vector<fs::path> files;
    for (const auto& entry :
         fs::directory_iterator{fs::path{RELAY_SOURCE_DIR} / "examples/relay"}) {
        files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

// What "key = "name"" lines name, for keys that match the pattern.
std::vector<std::string> named(const std::string& text, const std::string& keys) {
    const std::regex line{"(^|\n)(" + keys + ") = \"([^\"]+)\""};
    std::vector<std::string> names;
    for (std::sregex_iterator match{text.begin(), text.end(), line}, end; match != end; ++match) {
        names.push_back((*match)[3]);
    }
    return names;
}

// A copy of an example in a folder of its own, with all that it refers to.
class Deployment {
 public:
    explicit Deployment(const fs::path& example) {
        const std::string text = test::read_file(example);
        file_ = directory_.write("relay.toml", text);
        for (const std::string& name :
             named(text, "[a-z_]*_file|certificate|private_key|client_certificate|client_key")) {
            REQUIRE(name.front() != '/');
            static_cast<void>(directory_.write(name, "from-the-test\n"));
        }
        for (const std::string& name : named(text, "[a-z_]*_env")) {
            variables_.emplace_back(name, "from-the-test");
        }
        for (const std::string& name : named(text, "[a-z_]*_credential")) {
            static_cast<void>(directory_.write("credentials/" + name, "from-the-test\n"));
        }
        variables_.emplace_back("CREDENTIALS_DIRECTORY",
                                (directory_.path() / "credentials").string());
    }
    [[nodiscard]] const fs::path& file() const { return file_; }

 private:
    test::TemporaryDirectory directory_;
    std::list<test::ScopedVariable> variables_;
    fs::path file_;
};

}  // namespace

TEST_CASE("the examples load without a fault or remark", "[config]") {
    REQUIRE(examples().size() >= 11);
    for (const fs::path& example : examples()) {
        CAPTURE(example.filename().string());
        const Deployment deployment{example};
        const config::LoadResult result = config::load_file(deployment.file());
        for (const config::Problem& problem : result.problems) UNSCOPED_INFO(problem.text());
        for (const config::Problem& problem : result.settings.warnings)
            UNSCOPED_INFO(problem.text());
        CHECK(result.ok());
        CHECK(result.settings.warnings.empty());
    }
}

TEST_CASE("each example begins with two lines of comment and is in the index", "[config]") {
    const std::string index = test::read_file(fs::path{RELAY_SOURCE_DIR} / "examples/README.md");
    for (const fs::path& example : examples()) {
        const std::string text = test::read_file(example);
        CAPTURE(example.filename().string());
        CHECK(text.starts_with("# "));
        CHECK(text.compare(text.find('\n') + 1, 2, "# ") == 0);
        CHECK(test::contains(index, fmt::format("(relay/{})", example.filename().string())));
    }
}
