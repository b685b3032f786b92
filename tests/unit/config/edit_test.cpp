#include "config/edit.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "tests/support/catch.hpp"
#include "tests/support/folder.hpp"

using namespace config;
using test::Folder;

namespace {

namespace fs = std::filesystem;

constexpr const char* block =
    "[smarthost]\nhost = \"smtp.example.net\"\nport = 465            # implicit TLS; seen open\n"
    "username = \"other@example.net\"\npassword_file = \"/etc/relay/password\"\n";

std::string edited(std::string_view text, std::string_view with = block) {
    const auto edit = put_in(text, with);
    REQUIRE(edit.has_value());
    return edit->text;
}

std::string refusal(std::string_view text, std::string_view with = block) {
    const auto edit = put_in(text, with);
    REQUIRE_FALSE(edit.has_value());
    return edit.error().message;
}

std::string content(const fs::path& file) {
    std::ifstream in{file};
    return {std::istreambuf_iterator<char>{in}, {}};
}

unsigned mode_of(const fs::path& file) {
    struct stat about{};
    REQUIRE(::stat(file.c_str(), &about) == 0);
    return about.st_mode & 07777U;
}

constexpr std::string_view good =
    "[smarthost]\nhost = \"127.0.0.1\"\nport = 2525\ntls = \"none\"\n[spool]\ndirectory = "
    "\"/var/empty\"\n";

}  // namespace

TEST_CASE("only the value that differs changes, and comments stay", "[config]") {
    const std::string before =
        "# ours\n\n[smarthost]   # the provider\n  host = \"smtp.example.net\"\n  port = 587 # "
        "old\n"
        "username = \"app@example.com\"\npassword = \"s#cret\"\n\n[log]\nlevel = \"debug\"\n";
    const std::string after =
        "# ours\n\n[smarthost]   # the provider\n  host = \"smtp.example.net\"\n  port = 465 # "
        "old\n"
        "username = \"app@example.com\"\npassword = \"s#cret\"\n\n[log]\nlevel = \"debug\"\n";
    CHECK(edited(before) == after);
    const auto edit = put_in(before, block);
    REQUIRE(edit->changes.size() == 1);
    CHECK(edit->changes.front() == "line 5: port = 587 # old -> port = 465 # old");
    const auto again = put_in(after, block);
    CHECK(again->changes.empty());
    CHECK(again->text == after);
}

TEST_CASE("what is missing is added: keys to their section, a section to the file", "[config]") {
    CHECK(edited("[smarthost]\nhost = \"smtp.example.net\"\npassword_env = \"P\"\n") ==
          "[smarthost]\nport = 465            # implicit TLS; seen open\nhost = "
          "\"smtp.example.net\"\npassword_env = \"P\"\n");
    CHECK(edited("[log]\nlevel = \"info\"") == "[log]\nlevel = \"info\"\n\n" + std::string{block});
    CHECK(edited("") == block);
    CHECK(edited("[smarthost]\r\nhost = \"smtp.example.net\"\r\nauth = \"none\"\r\n",
                 "[smarthost]\nport = 465\n") ==
          "[smarthost]\r\nport = 465\r\nhost = \"smtp.example.net\"\r\nauth = \"none\"\r\n");
}

TEST_CASE("the TLS of the old port goes with it", "[config]") {
    CHECK(edited("[smarthost]\nhost = \"a\"\nport = 587\ntls = 'starttls' # x\n",
                 "[smarthost]\nport = 465\n") ==
          "[smarthost]\nhost = \"a\"\nport = 465\ntls = \"auto\" # x\n");
}

TEST_CASE("of several smarthosts the one of the same host is meant", "[config]") {
    const std::string two =
        "[[smarthost]]\nhost = \"smtp.example.org\"\nport = 587\nauth = \"none\"\n\n"
        "[[smarthost]]\nhost = \"SMTP.example.net\"\nport = 587\nauth = \"none\"\n";
    const std::string after =
        "[[smarthost]]\nhost = \"smtp.example.org\"\nport = 587\nauth = \"none\"\n\n"
        "[[smarthost]]\nhost = \"SMTP.example.net\"\nport = 465\nauth = \"none\"\n";
    CHECK(edited(two, "[smarthost]\nhost = \"SMTP.example.net\"\nport = 465\n") == after);
}

TEST_CASE("what cannot be edited safely is refused with the reason", "[config]") {
    struct Case {
        const char* text;
        const char* reason;
    };
    const Case c = GENERATE(values<Case>({
        {"smarthost = {host = \"smtp.example.net\"}\n", "change it by hand"},
        {"smarthost.host = \"smtp.example.net\"\n", "change it by hand"},
        {"[smarthost]\nhost = \"smtp.example.org\"\n", "no [smarthost] section with host"},
        {"[[smarthost]]\nhost = \"smtp.example.net\"\n[[smarthost]]\nhost = \"smtp.example.net\"\n",
         "more than one [smarthost] section"},
        {"[smarthost]\nhost = \"\"\"smtp.example.net\"\"\"\nport = [1,\n2]\n", "line 3: port"},
        {"[smarthost\n", "the file, line 1"},
    }));
    CAPTURE(c.text);
    CHECK_THAT(refusal(c.text), Catch::Contains(c.reason));
}

TEST_CASE("a file is replaced whole, with its mode, through its links", "[config]") {
    const Folder folder;
    const fs::path file = folder.write("relay.toml", "[smarthost]\n");
    REQUIRE(::chmod(file.c_str(), 0640) == 0);
    fs::create_symlink("relay.toml", folder / "link.toml");
    const auto written = replace_file(folder / "link.toml", good);
    REQUIRE(written.has_value());
    CHECK(content(file) == good);
    CHECK(mode_of(file) == 0640);
    CHECK(fs::is_symlink(folder / "link.toml"));
    REQUIRE(replace_file(folder / "new.toml", good).has_value());
    CHECK(mode_of(folder / "new.toml") == 0600);
}

TEST_CASE("a file that would not be good stays as it was", "[config]") {
    const Folder folder;
    const fs::path file = folder.write("relay.toml", good);
    const auto written = replace_file(file, "[smarthost]\nhots = \"x\"\n");
    REQUIRE_FALSE(written.has_value());
    CHECK_THAT(written.error().message, Catch::Contains("/relay.toml:"));
    CHECK(written.error().message.find("XXXX") == std::string::npos);
    CHECK(content(file) == good);
    CHECK(std::distance(fs::directory_iterator{folder.path()}, {}) == 1);
    CHECK_FALSE(replace_file("/nonexistent/relay.toml", good).has_value());
}

TEST_CASE("what is no regular file is not replaced", "[config]") {
    const Folder folder;
    const fs::path pipe = folder / "pipe";  // as /dev/null, which root could replace
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    const auto refused = config::replace_file(pipe, "[smarthost]\nhost = \"mail.example.com\"\n");
    REQUIRE(refused.has_error());
    CHECK(refused.error().message == pipe.string() + " is no regular file: name one");
    CHECK(fs::is_fifo(pipe));
}
