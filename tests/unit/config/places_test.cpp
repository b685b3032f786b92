// Where the configuration and the spool are looked for.

#include <filesystem>
#include <map>

#include "config/settings.hpp"
#include "config/system_defaults.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/config/support.hpp"

namespace {

namespace fs = std::filesystem;
using test::contains;
using test::ScopedVariable;
using test::TemporaryDirectory;

class WorkingDirectory {
 public:
    explicit WorkingDirectory(const fs::path& path) : old_(fs::current_path()) {
        fs::current_path(path);
    }
    WorkingDirectory(const WorkingDirectory&) = delete;
    WorkingDirectory& operator=(const WorkingDirectory&) = delete;
    ~WorkingDirectory() { fs::current_path(old_); }

 private:
    fs::path old_;
};

using Variables = std::map<std::string, std::string>;

base::Result<config::DefaultDirectory> spool_for(const Variables& variables, bool root,
                                                 const char* file = "/home/me/relay.toml") {
    return config::default_spool_directory(
        [&](const char* name) {
            const auto found = variables.find(name);
            return found == variables.end() ? std::string{} : found->second;
        },
        root, file);
}

}  // namespace

TEST_CASE("the configuration is looked for in the documented order", "[config]") {
    const TemporaryDirectory directory;
    const WorkingDirectory here{directory.path()};
    const ScopedVariable xdg{"XDG_CONFIG_HOME", (directory.path() / "xdg").string()};
    const ScopedVariable unset{"RELAY_CONFIG", std::nullopt};

    const auto in_xdg = directory.write("xdg/relay/relay.toml", "");
    CHECK(config::find_file("").value() == in_xdg);
    static_cast<void>(directory.write("relay.toml", ""));
    CHECK(config::find_file("").value() == "relay.toml");
    const auto named = directory.write("named.toml", "");
    const ScopedVariable variable{"RELAY_CONFIG", named.string()};
    CHECK(config::find_file("").value() == named);
    const auto explicit_file = directory.write("explicit.toml", "");
    CHECK(config::find_file(explicit_file.string()).value() == explicit_file);
}

TEST_CASE("~/.config holds when XDG_CONFIG_HOME is not set", "[config]") {
    const TemporaryDirectory directory;
    const WorkingDirectory here{directory.path()};
    const ScopedVariable unset{"RELAY_CONFIG", std::nullopt}, xdg{"XDG_CONFIG_HOME", std::nullopt};
    const ScopedVariable home{"HOME", directory.path().string()};
    const auto file = directory.write(".config/relay/relay.toml", "");
    CHECK(config::find_file("").value() == file);
}

TEST_CASE("a named configuration that does not exist is never replaced by another", "[config]") {
    const TemporaryDirectory directory;
    const WorkingDirectory here{directory.path()};
    static_cast<void>(directory.write("relay.toml", ""));
    CHECK(contains(config::find_file("none.toml").error().message, "none.toml does not exist"));
    const ScopedVariable variable{"RELAY_CONFIG", "other.toml"};
    CHECK(contains(config::find_file("").error().message,
                   "$RELAY_CONFIG names other.toml, which does not exist"));
}

TEST_CASE("when nothing is found all places are named", "[config]") {
    if (fs::exists("/etc/relay/relay.toml")) return;  // a host with relay installed
    const TemporaryDirectory directory;
    const WorkingDirectory here{directory.path()};
    const ScopedVariable unset{"RELAY_CONFIG", std::nullopt};
    const ScopedVariable xdg{"XDG_CONFIG_HOME", directory.path().string()};
    const std::string message = config::find_file("").error().message;
    CHECK(contains(message, "./relay.toml, " + (directory.path() / "relay/relay.toml").string() +
                                ", /etc/relay/relay.toml"));
}

TEST_CASE("the spool is where the system keeps state", "[config]") {
    const std::string state = "STATE_DIRECTORY", xdg = "XDG_STATE_HOME", home = "HOME";
    const auto one = spool_for({{state, "/var/lib/a:/var/lib/b"}, {xdg, "/x"}}, true);
    CHECK(one.value().path == "/var/lib/a");
    CHECK(one.value().source == "$STATE_DIRECTORY");
    CHECK(spool_for({{xdg, "/x"}, {home, "/h"}}, true).value().path == "/x/relay");
    CHECK(spool_for({{home, "/root"}}, true).value().path == "/var/lib/relay");
    CHECK(spool_for({{home, "/h"}}, false).value().path == "/h/.local/state/relay");
    CHECK(spool_for({{xdg, "relative"}, {home, "/h"}}, false).value().path ==
          "/h/.local/state/relay");
    CHECK(contains(spool_for({}, false).error().message, "directory = \"/var/lib/relay\""));
}

TEST_CASE("the system's configuration has one spool, whoever looks", "[config]") {
    const char* const file = "/etc/relay/relay.toml";
    const Variables plain{{"HOME", "/h"}, {"XDG_STATE_HOME", "/x"}};
    for (const bool root : {true, false}) {
        CHECK(spool_for(plain, root, file).value().path == "/var/lib/relay");
        CHECK(spool_for({}, root, file).value().path == "/var/lib/relay");
        CHECK(spool_for({{"STATE_DIRECTORY", "/s"}}, root, file).value().path == "/s");
    }
}

TEST_CASE("relative paths start at the configuration's folder, ~ at home", "[config]") {
    const TemporaryDirectory directory;
    const ScopedVariable home{"HOME", "/home/me"};
    const auto file = directory.write("sub/relay.toml",
                                      "[smarthost]\nhost = \"smtp.example.com\"\n[spool]\n"
                                      "directory = \"../mail\"\n[log]\nfile = \"~/relay.log\"\n");
    const config::LoadResult result = config::load_file(file);
    REQUIRE(result.ok());
    CHECK(result.settings.spool.directory == directory.path() / "mail");
    CHECK(result.settings.log.file == "/home/me/relay.log");
}

TEST_CASE("the system's name is a host name", "[config]") {
    CHECK_FALSE(config::system_hostname().empty());
    CHECK_FALSE(contains(config::system_hostname(), " "));
}
