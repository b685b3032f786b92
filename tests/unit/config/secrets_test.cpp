// The five places a secret may come from, what makes each of them fail, and that no secret shows.

#include <unistd.h>

#include "config/command_output.hpp"
#include "config/settings.hpp"
#include "relay/check_report.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/config/support.hpp"

namespace {

using test::contains;
using test::ScopedVariable;
using test::TemporaryDirectory;

constexpr const char* secret = "c0rrect horse \"battery\" \\ staple";

// Loads a smarthost with one line about its password.
config::LoadResult load(const TemporaryDirectory& directory, const std::string& line,
                        mode_t mode = 0600) {
    return config::load_file(directory.write("relay.toml",
                                             "[smarthost]\nhost = \"smtp.example.com\"\n"
                                             "username = \"app@example.com\"\n" +
                                                 line + "\n",
                                             mode));
}

void check_taken(const config::LoadResult& result, const std::string& source) {
    for (const config::Problem& problem : result.problems) UNSCOPED_INFO(problem.text());
    REQUIRE(result.ok());
    CHECK(result.settings.delivery.smarthosts.at(0).password.reveal() == secret);
    for (const config::SettingLine& item : result.settings.effective) {
        if (item.key != "smarthost.password") continue;
        CHECK(item.value == "***");
        CHECK(item.source == source);
    }
    const std::string shown = relay::check_text(result, {}) + relay::check_json(result);
    CHECK_FALSE(contains(shown, "c0rrect"));
}

std::string only_problem(const config::LoadResult& result) {
    REQUIRE(result.problems.size() == 1);
    CHECK_FALSE(contains(relay::check_text(result, {}), "c0rrect"));
    return result.problems[0].message;
}

std::string only_warning(const config::LoadResult& result) {
    REQUIRE(result.ok());
    REQUIRE(result.settings.warnings.size() == 1);
    return result.settings.warnings[0].message;
}

}  // namespace

TEST_CASE("a secret may stand in the configuration itself", "[config]") {
    const TemporaryDirectory directory;
    const config::LoadResult result =
        load(directory, R"(password = "c0rrect horse \"battery\" \\ staple")");
    check_taken(result, (directory.path() / "relay.toml").string() + ":4");
    CHECK(result.settings.warnings.empty());
}

TEST_CASE("a secret in a configuration that others can read is remarked", "[config]") {
    const TemporaryDirectory directory;
    const std::string warning = only_warning(load(directory, "password = \"c0rrect\"", 0644));
    CHECK(
        contains(warning, "run \"chmod 600 " + (directory.path() / "relay.toml").string() + "\""));
    CHECK(load(directory, "password = \"c0rrect\"", 0640).settings.warnings.empty());
}

TEST_CASE("a secret may stand in a file, with or without a line end", "[config]") {
    const TemporaryDirectory directory;
    const std::string end = GENERATE("", "\n", "\r\n");
    const auto file = directory.write("password", secret + end);
    check_taken(load(directory, "password_file = \"password\""), "password_file " + file.string());
    check_taken(load(directory, "password_file = \"" + file.string() + "\""),
                "password_file " + file.string());
}

TEST_CASE("a secret's file is checked", "[config]") {
    const TemporaryDirectory directory;
    const std::string line = "password_file = \"password\"";
    CHECK(contains(only_problem(load(directory, line)),
                   "create it with the secret as its only line"));

    static_cast<void>(directory.write("password", "\n"));
    CHECK(contains(only_problem(load(directory, line)), "the password is empty"));
    static_cast<void>(directory.write("password", "c0rrect\nhorse\n"));
    CHECK(contains(only_problem(load(directory, line)), "has more than one line"));
    static_cast<void>(directory.write("password", std::string_view{"c0rrect\0horse", 13}));
    CHECK(contains(only_problem(load(directory, line)), "holds a zero byte"));
    static_cast<void>(directory.write("password", std::string(64 * 1024 + 1, 'x')));
    CHECK(contains(only_problem(load(directory, line)), "larger than 64 KiB"));

    const auto file = directory.write("password", "c0rrect", 0644);
    CHECK(contains(only_warning(load(directory, line)), "run \"chmod 600 " + file.string() + "\""));
}

TEST_CASE("a secret's file that only root may read says so", "[config]") {
    if (::geteuid() == 0) return;  // root reads everything
    const TemporaryDirectory directory;
    static_cast<void>(directory.write("password", "c0rrect", 0));
    CHECK(contains(only_problem(load(directory, "password_file = \"password\"")),
                   "let the user that relay runs as read it"));
}

TEST_CASE("a secret may come from the environment", "[config]") {
    const TemporaryDirectory directory;
    {
        const ScopedVariable variable{"RELAY_TEST_PASSWORD", secret};
        check_taken(load(directory, "password_env = \"RELAY_TEST_PASSWORD\""),
                    "$RELAY_TEST_PASSWORD");
        check_taken(load(directory, "password_env = \"$RELAY_TEST_PASSWORD\""),
                    "$RELAY_TEST_PASSWORD");
    }
    CHECK(contains(only_problem(load(directory, "password_env = \"RELAY_TEST_PASSWORD\"")),
                   "the environment has no $RELAY_TEST_PASSWORD"));
    const ScopedVariable empty{"RELAY_TEST_PASSWORD", ""};
    CHECK(contains(only_problem(load(directory, "password_env = \"RELAY_TEST_PASSWORD\"")),
                   "the password is empty"));
}

TEST_CASE("a secret may be what a command says first", "[config]") {
    const TemporaryDirectory directory;
    const auto file = directory.write("vault", std::string{secret} + "\nsecond line\n");
    check_taken(load(directory, "password_command = \"cat " + file.string() + "\""),
                "password_command");
}

TEST_CASE("a command's failure is told without its words", "[config]") {
    const TemporaryDirectory directory;
    CHECK(contains(only_problem(load(directory, "password_command = \"echo c0rrect; exit 4\"")),
                   "ended with exit status 4"));
    CHECK(contains(only_problem(load(directory, "password_command = \"/no/such/program\"")),
                   "was not found (exit status 127)"));
    CHECK(contains(only_problem(load(directory, "password_command = \"kill -TERM $$\"")),
                   "was ended by signal 15"));
}

TEST_CASE("a command that does not end is ended, with all it started", "[config]") {
    const TemporaryDirectory directory;
    const auto pid_file = directory.path() / "pid";
    // The inner shell holds the output open: killing the outer one alone would not do.
    const std::string command =
        "sh -c 'echo $$ > " + pid_file.string() + "; sleep 60; true' & wait";
    const auto begin = std::chrono::steady_clock::now();
    const auto line = config::first_line_of_command(command, std::chrono::milliseconds{300});
    REQUIRE_FALSE(line.has_value());
    CHECK(contains(line.error().message, "did not end within 300ms"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{20});
}

TEST_CASE("a command may close its output and still be waited for", "[config]") {
    const auto line = config::first_line_of_command("echo word; exec >&-; sleep 0.05; exit 6",
                                                    std::chrono::seconds{10});
    REQUIRE_FALSE(line.has_value());
    CHECK(contains(line.error().message, "exit status 6"));
    const auto large = config::first_line_of_command("echo first; yes | head -c 1000000",
                                                     std::chrono::seconds{10});
    REQUIRE(large.has_value());
    CHECK(*large == "first");
}

TEST_CASE("a secret may be a systemd credential", "[config]") {
    const TemporaryDirectory directory;
    static_cast<void>(directory.write("credentials/smarthost", std::string{secret} + "\n", 0644));
    {
        const ScopedVariable variable{"CREDENTIALS_DIRECTORY",
                                      (directory.path() / "credentials").string()};
        const config::LoadResult result = load(directory, "password_credential = \"smarthost\"");
        check_taken(result, "password_credential smarthost");
        CHECK(result.settings.warnings.empty());  // systemd guards that folder
        CHECK(contains(only_problem(load(directory, "password_credential = \"other\"")),
                       "no such file or directory"));
    }
    const ScopedVariable unset{"CREDENTIALS_DIRECTORY", std::nullopt};
    CHECK(contains(only_problem(load(directory, "password_credential = \"smarthost\"")),
                   "add LoadCredential=smarthost:/path/of/the/secret to the unit"));
}

TEST_CASE("the admin token may stand in a file", "[config]") {
    const TemporaryDirectory directory;
    static_cast<void>(directory.write("token", "0123456789abcdef\n"));
    const config::LoadResult result = config::load_file(
        directory.write("relay.toml",
                        "[smarthost]\nhost = \"smtp.example.com\"\n[admin]\nlisten = "
                        "[\"0.0.0.0:8025\"]\ntoken_file = \"token\"\n"));
    REQUIRE(result.ok());
    CHECK(result.settings.admin.token.reveal() == "0123456789abcdef");
    CHECK_FALSE(contains(relay::check_text(result, {}), "0123456789abcdef"));
}
