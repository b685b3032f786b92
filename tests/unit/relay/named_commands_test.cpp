#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "relay/commands.hpp"
#include "tests/support/catch.hpp"

// Advice that names a command which this version does not have sends a tired person nowhere.

namespace {

namespace fs = std::filesystem;

std::set<std::string> command_names() {
    CLI::App root;
    relay::Context context;
    relay::add_commands(root, context, "");
    std::set<std::string> names;
    for (const CLI::App* command : root.get_subcommands({})) names.insert(command->get_name());
    return names;
}

std::vector<fs::path> texts() {
    const fs::path root{RELAY_SOURCE_DIR};
    std::vector<fs::path> files{root / "README.md"};
    for (const char* folder : {"diagnose", "config/data", "docs", "examples", "packaging",
                               "tests/unit/diagnose/reports"}) {
        for (const auto& entry : fs::recursive_directory_iterator{root / folder}) {
            const std::string kind = entry.path().extension();
            const bool text = kind == ".cpp" || kind == ".toml" || kind == ".txt" ||
                              kind == ".md" || kind == ".service";
            if (text) files.push_back(entry.path());
        }
    }
    return files;
}

std::string content_of(const fs::path& file) {
    std::ostringstream content;
    content << std::ifstream{file}.rdbuf();
    return content.str();
}

}  // namespace

TEST_CASE("each command that advice, data and documents name exists", "[relay]") {
    const std::set<std::string> commands = command_names();
    REQUIRE(commands.contains("diagnose"));
    // A command stands between backticks, or begins an indented line or one after "$".
    const std::regex named{R"((?:`|`sudo |\n +|\$ )relay ([a-z]+))"};
    std::size_t found = 0;
    for (const fs::path& file : texts()) {
        const std::string text = content_of(file);
        for (std::sregex_iterator at{text.begin(), text.end(), named}, end; at != end; ++at) {
            CAPTURE(file.string(), at->str());
            CHECK(commands.contains((*at)[1].str()));
            ++found;
        }
    }
    CHECK(found > 30);
}
