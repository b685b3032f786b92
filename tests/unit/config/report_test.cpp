// What relay check prints: quoted lines with a caret, masked where a secret might stand.

#include "relay/check_report.hpp"

#include <boost/json.hpp>

#include "config/excerpt.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/config/support.hpp"

namespace {

using test::contains;

std::string check(std::string_view text, bool color = false) {
    return relay::check_text(config::load_text(text, "relay.toml"), {.color = color});
}

bool only_host(std::string_view key) { return key == "host"; }

}  // namespace

TEST_CASE("a fault is shown with its line and a caret", "[config]") {
    CHECK(check("[smarthost]\nhost = \"smtp.example.com\"\nport = \"abc\"\n") ==
          "relay.toml:3:8: error: smarthost.port: must be a port number or \"auto\"\n"
          "    3 | port = \"abc\"\n"
          "      |        ^\n"
          "relay.toml has 1 error\n");
}

TEST_CASE("the caret stands right behind letters of several bytes", "[config]") {
    const std::string text =
        check("[smarthost]\nhost = \"x.example\" # ok\n\"ключ\" = 1\nport = 0\n");
    CHECK(contains(text, "unknown key \"ключ\" in [smarthost]"));
    CHECK(contains(check("smarthost = { host = \"x.example\", name = \"äöü\", port = 0 }\n"),
                   "    1 | smarthost = { host = \"x.example\", name = \"äöü\", port = 0 }\n"
                   "      |                                                        ^\n"));
}

TEST_CASE("colour is used only when asked for", "[config]") {
    constexpr std::string_view bad = "[smarthost]\nport = 0\n";
    CHECK_FALSE(contains(check(bad), "\x1b["));
    CHECK(contains(check(bad, true), "\x1b[31merror:\x1b[0m"));
}

TEST_CASE("a fault about the whole file has no quotation", "[config]") {
    const std::string text = check("");
    CHECK(contains(text, "relay.toml: error: there is no [smarthost]"));
    CHECK(contains(text, std::string{config::minimal_example()}));
    CHECK_FALSE(contains(text, "^"));
}

TEST_CASE("sound settings are listed in columns with their sources", "[config]") {
    const std::string text = check("[smarthost]\nhost = \"smtp.example.com\"\nverify = false\n");
    CHECK(contains(text, "relay.toml:3:10: warning: smarthost.verify:"));
    CHECK(contains(text, "smarthost.host                    = \"smtp.example.com\""));
    CHECK(contains(text, "  # relay.toml:2\n"));
    CHECK(contains(text, "\nrelay.toml is fine (1 warning)\n"));
    CHECK(text.find("server.listen") < text.find("smarthost.host"));
    CHECK(text.find("smarthost.host") < text.find("delivery.retry"));
}

TEST_CASE("programs get the same as JSON", "[config]") {
    const boost::json::object good =
        boost::json::parse(relay::check_json(config::load_text(
                               "[smarthost]\nhost = \"smtp.example.com\"\n", "relay.toml")))
            .as_object();
    CHECK(good.at("ok").as_bool());
    CHECK(good.at("file") == "relay.toml");
    CHECK(good.at("problems").as_array().empty());
    CHECK(good.at("settings").as_array().size() > 50);
    CHECK(good.at("settings").at(0).at("key") == "server.listen");
    CHECK(good.at("settings").at(0).at("source") == "default");

    const boost::json::object bad =
        boost::json::parse(
            relay::check_json(config::load_text("[smarthost]\nhost = 5\n", "relay.toml")))
            .as_object();
    CHECK_FALSE(bad.at("ok").as_bool());
    CHECK(bad.at("settings").as_array().empty());
    CHECK(bad.at("problems").at(0).at("line") == 2);
    CHECK(bad.at("problems").at(0).at("column") == 8);
    CHECK(bad.at("problems").at(0).at("message") ==
          "smarthost.host: must be a string in quotes, not a whole number");
}

TEST_CASE("a quoted line never holds what may be a secret", "[config]") {
    struct Case {
        std::string_view text;
        unsigned line;
        std::string_view shown;
    };
    const Case c = GENERATE(values<Case>({
        {"host = \"smtp.example.com\"", 1, "host = \"smtp.example.com\""},
        {"password = \"hunter2\"", 1, "password = ***"},
        {"pasword = \"hunter2\"", 1, "pasword = ***"},
        {"\"password\" = \"hunter2\"", 1, "\"password\" = ***"},
        {"password \"hunter2\"", 1, "password ***"},
        {"password: hunter2", 1, "password ***"},
        {"s = { host = \"a\", password = \"hunter2\" }", 1, "s = ***"},
        {"host = { host = \"a\", password = \"x=hunter2\" }", 1,
         "host = { host = \"a\", password = ***"},
        {"password = \"\"\"\nhunter2\n\"\"\"", 2, "***"},
        {"password = '''\nhunter2", 2, "***"},
        {"host = \"a\" \"\"\"x\"\"\"\nhost = \"b\"", 2, "host = \"b\""},
        {"[smarthost]", 1, "[smarthost]"},
        {"fingerprint = [\n  \"abc\",\n]", 2, "  \"abc\","},
        {"host = \"a\"\r\n", 1, "host = \"a\""},
        {"host = \"\x1b[2J\"", 1, "host = \"\\x1b[2J\""},
        {"host", 2, ""},
        {"host = \"smtp://app:hunter2@smtp.example.com:587\" # x", 1,
         "host = \"smtp://***@smtp.example.com:587\" # x"},
        {"host = smtp://app:hun\"ter2@smtp.example.com", 1, "host = smtp://***@smtp.example.com"},
        {"host = app:hun=ter2@127.0.0.1", 1, "host = ***@127.0.0.1"},
        {"host = \"app:hun\\\"ter2@127.0.0.1\"", 1, "host = \"***@127.0.0.1\""},
        {"host = [\"::1\", 'app:hun\"t@er2@a'] # you@example.com", 1,
         "host = [\"::1\", '***@a'] # you@example.com"},
        {"  \"smtp://app:hunter2@smtp.example.com\",", 1, "  \"smtp://***@smtp.example.com\","},
    }));
    CAPTURE(c.text);
    CHECK(config::excerpt(c.text, c.line, only_host) == c.shown);
}

TEST_CASE("no key that a password is typed at by mistake shows it", "[config]") {
    const std::string line =
        GENERATE(as<std::string>(), "host = \"smtp://app:hunter2@x.example:587\"",
                 "host = \"smtp://app:hunter2\"", "host = \"app:hunter2@127.0.0.1\"",
                 "host = smtp://app:hunter2@x.example", "password_env = \"hunter2\"",
                 "password_env = \"$hunter2\"", "password_file = \"hunter2\"",
                 "password_credential = \"hunter2!\"",
                 "port = 0\n[delivery]\nbounce_webhook = \"https://x/hunter2\"");
    CAPTURE(line);
    const test::TemporaryDirectory directory;
    const config::LoadResult result =
        config::load_file(directory.write("relay.toml", "[smarthost]\n" + line + "\n"));
    CHECK_FALSE(result.ok());
    const std::string shown = relay::check_text(result, {}) + relay::check_json(result);
    CHECK_FALSE(contains(shown, "hunter2"));
}
