// What the settings are without a file's word, what a file's words become, and what is remarked.

#include "config/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/catch.hpp"
#include "tests/unit/config/support.hpp"

namespace {

using namespace std::chrono_literals;
using test::contains;

config::Settings load_good(const std::string& name) {
    const auto path = std::filesystem::path{RELAY_SOURCE_DIR} / "tests/config/good" / name;
    config::LoadResult result = config::load_file(path);
    REQUIRE(result.ok());
    return result.settings;
}

const config::SettingLine& line(const config::Settings& settings, std::string_view key) {
    const auto found = std::find_if(settings.effective.begin(), settings.effective.end(),
                                    [&](const auto& item) { return item.key == key; });
    CAPTURE(key);
    REQUIRE(found != settings.effective.end());
    return *found;
}

std::string warnings_of(std::string_view text) {
    const config::LoadResult result = config::load_text(text, "relay.toml");
    CAPTURE(text);
    for (const config::Problem& problem : result.problems) UNSCOPED_INFO(problem.text());
    REQUIRE(result.ok());
    std::string all;
    for (const config::Problem& problem : result.settings.warnings) all += problem.text() + "\n";
    return all;
}

constexpr std::string_view plain_smarthost = "[smarthost]\nhost = \"smtp.example.com\"\n";

}  // namespace

TEST_CASE("defaults are those of the documented table", "[config]") {
    const config::Settings settings = load_good("five-lines.toml");
    using List = std::vector<std::string>;
    CHECK(settings.listener.listen == List{"127.0.0.1:2525", "[::1]:2525"});
    CHECK(settings.listener.tls_listen.empty());
    CHECK_FALSE(settings.server.hostname.empty());
    CHECK(settings.server.max_message_size == 50 * 1024 * 1024);
    CHECK(settings.server.max_recipients == 1000);
    CHECK(settings.listener.max_connections == 10000);
    CHECK_FALSE(settings.listener.max_connections_per_client.has_value());
    CHECK(settings.listener.idle_timeout == 5min);
    CHECK(settings.listener.tls.certificate.empty());
    CHECK(settings.server.auth == smtp::AuthPolicy::none);
    CHECK(settings.listener.allow_clients == List{"127.0.0.0/8", "::1/128"});
    CHECK(settings.server.bare_newline == smtp::BareNewline::normalize);

    CHECK(settings.delivery.retry.steps ==
          std::vector<base::Duration>{30s, 2min, 5min, 15min, 30min, 1h});
    CHECK(settings.delivery.retry.max_age == 5 * 24h);
    CHECK(settings.delivery.retry.warn_after == 4h);
    CHECK(settings.delivery.bounce_to == delivery::BounceTo::sender);
    CHECK(settings.delivery.bounce_from.empty());
    CHECK(settings.delivery.hostname == settings.server.hostname);

    CHECK_FALSE(settings.spool.directory.empty());
    CHECK(settings.spool.durability == spool::Durability::full);
    CHECK(settings.spool.min_free == 256 * 1024 * 1024);
    CHECK_FALSE(settings.spool.max_size.has_value());
    CHECK(settings.spool.keep_delivered == 7 * 24h);
    CHECK(settings.add_missing_headers);

    CHECK(settings.probe.enabled);
    CHECK(settings.probe.targets.empty());
    CHECK(settings.probe.timeout == 5s);
    CHECK(settings.probe.interval == 15min);
    CHECK((settings.probe.ipv4 && settings.probe.ipv6));
    CHECK(settings.admin.listen == List{"127.0.0.1:8025"});
    CHECK(settings.admin.token.empty());
    CHECK(settings.log.level == base::LogLevel::info);
    CHECK(settings.log.format == base::LogFormat::text);
    CHECK(settings.log.file.empty());
}

TEST_CASE("a smarthost's defaults are those of the documented table", "[config]") {
    const config::Settings settings = load_good("five-lines.toml");
    REQUIRE(settings.delivery.smarthosts.size() == 1);
    const delivery::SmarthostOptions& smarthost = settings.delivery.smarthosts[0];
    CHECK(smarthost.name == "smtp.example.com");
    CHECK(smarthost.host == "smtp.example.com");
    CHECK(smarthost.ports == std::vector<std::uint16_t>{587});
    CHECK(smarthost.tls == delivery::TlsMode::automatic);
    CHECK(smarthost.verification == tls::ClientOptions{});
    CHECK(smarthost.verification.verify);
    CHECK(smarthost.username == "app@example.com");
    CHECK(smarthost.password.reveal() == "from the tests");
    CHECK(smarthost.auth == smtp::AuthMechanism::automatic);
    CHECK(smarthost.helo == settings.server.hostname);
    CHECK(smarthost.max_connections == 10);
    CHECK(smarthost.messages_per_connection == 100);
    CHECK(smarthost.connect_timeout == 10s);
    CHECK(smarthost.command_timeout == 5min);
    CHECK(smarthost.final_timeout == 10min);
    CHECK(smarthost.priority == 0);
}

TEST_CASE("the server's keys reach their settings", "[config]") {
    const config::Settings settings = load_good("everything.toml");
    const auto files = std::filesystem::path{RELAY_SOURCE_DIR} / "tests/config/good/files";
    CHECK(settings.listener.listen.size() == 5);
    CHECK(settings.listener.tls_listen == std::vector<std::string>{"127.0.0.1:4650"});
    CHECK(settings.server.hostname == "relay.example.org");
    CHECK(settings.server.max_message_size == 10 * 1024 * 1024);
    CHECK(settings.server.max_recipients == 200);
    CHECK(settings.listener.max_connections == 50);
    CHECK(settings.listener.max_connections_per_client == 5U);
    CHECK(settings.listener.idle_timeout == 90s);
    CHECK(settings.listener.tls.certificate == (files / "certificate.pem").string());
    CHECK(settings.listener.tls.private_key == (files / "key.pem").string());
    CHECK(settings.server.auth == smtp::AuthPolicy::required);
    CHECK(settings.listener.users_file == (files / "users").string());
    CHECK(settings.listener.allow_clients.back() == "192.0.2.7");
    CHECK(settings.listener.proxies == std::vector<std::string>{"127.0.0.2", "10.0.0.9/32"});
    CHECK_FALSE(settings.listener.unix_proxies);
    CHECK(settings.server.bare_newline == smtp::BareNewline::reject);

    CHECK(settings.delivery.retry.steps == std::vector<base::Duration>{1s, 10s});
    CHECK(settings.delivery.bounce_to == delivery::BounceTo::address);
    CHECK(settings.delivery.bounce_address == "postmaster@example.org");
    CHECK(settings.delivery.bounce_from == "bounces@example.org");
    CHECK(settings.spool.directory == files / "spool");
    CHECK(settings.spool.min_free == 1'000'000);
    CHECK(settings.spool.max_size == 2ULL << 30);
    CHECK(settings.spool.keep_delivered == 0s);
    CHECK_FALSE(settings.add_missing_headers);
    CHECK_FALSE(settings.probe.enabled);
    CHECK_FALSE(settings.probe.ipv4);
    CHECK(settings.probe.ipv6);
    CHECK(settings.admin.token.reveal() == "0123456789abcdef0123456789abcdef");
    CHECK(settings.log.level == base::LogLevel::debug);
    CHECK(settings.log.format == base::LogFormat::json);
}

TEST_CASE("the smarthosts' keys reach their settings", "[config]") {
    const config::Settings settings = load_good("everything.toml");
    REQUIRE(settings.delivery.smarthosts.size() == 3);
    const delivery::SmarthostOptions& first = settings.delivery.smarthosts[0];
    const delivery::SmarthostOptions& second = settings.delivery.smarthosts[1];
    const delivery::SmarthostOptions& third = settings.delivery.smarthosts[2];
    CHECK(first.ports == std::vector<std::uint16_t>{587, 465, 2525});
    CHECK(first.tls == delivery::TlsMode::starttls);
    CHECK(first.password.reveal() == "from a file");
    CHECK(first.auth == smtp::AuthMechanism::scram_sha_256);
    CHECK(first.helo == "[192.0.2.1]");
    CHECK(first.max_connections == 3);
    CHECK(first.messages_per_connection == 7);
    CHECK(first.connect_timeout == 2s);
    CHECK(first.command_timeout == 30s);
    CHECK(first.final_timeout == 15min);
    CHECK(first.priority == 5);

    CHECK(second.host == "2001:db8::25");
    CHECK(second.tls == delivery::TlsMode::implicit);
    CHECK(second.auth == smtp::AuthMechanism::external);
    CHECK(second.priority == -1);
    // Three spellings of one pin.
    REQUIRE(second.verification.fingerprints.size() == 2);
    CHECK(second.verification.fingerprints[0] == first.verification.fingerprints[0]);
    CHECK(second.verification.fingerprints[1] == first.verification.fingerprints[0]);

    CHECK(third.host == "unix:/run/other/smtp");
    CHECK(third.tls == delivery::TlsMode::none);
    CHECK(third.password.reveal() == "from-a-command");
}

TEST_CASE("every setting tells where it came from", "[config]") {
    const config::Settings settings =
        config::load_text(
            "[server]\nhostname = \"r.example.org\"\n[smarthost]\nhost = "
            "\"smtp.example.com\"\nport = 2525\n",
            "relay.toml")
            .settings;
    CHECK(line(settings, "server.hostname").source == "relay.toml:2");
    CHECK(line(settings, "server.hostname").value == "\"r.example.org\"");
    CHECK(line(settings, "smarthost.port").source == "relay.toml:5");
    CHECK(line(settings, "smarthost.port").value == "2525");
    CHECK(line(settings, "smarthost.tls").source == "default");
    CHECK(line(settings, "smarthost.helo").value == "\"r.example.org\"");
    CHECK(line(settings, "delivery.max_age").value == "\"5d\"");
    CHECK(line(settings, "delivery.retry").value == R"(["30s", "2m", "5m", "15m", "30m", "1h"])");

    const config::Settings several = load_good("everything.toml");
    CHECK(line(several, "smarthost[1].port").value == "\"auto\"");
    CHECK(line(several, "smarthost[2].host").value == "\"2001:db8::25\"");
    CHECK(line(several, "smarthost[3].password").value == "***");
    CHECK(line(several, "smarthost[3].password").source == "password_command");
}

TEST_CASE("signing in opens the listener to clients from anywhere", "[config]") {
    const test::TemporaryDirectory directory;
    static_cast<void>(directory.write("users", "x"));
    const auto file =
        directory.write("relay.toml", fmt::format("[server]\nlisten = [\"0.0.0.0:25\"]\n"
                                                  "auth = \"required\"\n"
                                                  "users_file = \"users\"\n{}",
                                                  plain_smarthost));
    const config::LoadResult result = config::load_file(file);
    REQUIRE(result.ok());
    CHECK(result.settings.listener.allow_clients == std::vector<std::string>{"0.0.0.0/0", "::/0"});
    REQUIRE(result.settings.warnings.size() == 1);
    CHECK(contains(result.settings.warnings[0].message, "are offered SCRAM-SHA-256 alone"));
}

TEST_CASE("what is allowed but unwise is remarked", "[config]") {
    struct Case {
        std::string_view text, warning;
    };
    const Case c = GENERATE(values<Case>({
        // RFC 5321 section 4.5.3.1.8
        {"[server]\nmax_recipients = 99\n",
         "2:18: server.max_recipients: RFC 5321 expects at least 100"},
        {"[server]\nmax_recipients = 100\n", ""},
        {"[server]\nhostname = \"mail\"\n", "2:12: server.hostname: has no dot"},
        {"[server]\nhostname = \"mail.example.com\"\n", ""},
        {"[delivery]\nbounce_to = \"none\"\n", "delivery.bounce_to: senders will not hear"},
        {"[delivery]\nmax_age = \"4h\"\nwarn_after = \"4h\"\n",
         "3:14: delivery.warn_after: comes no sooner than max_age (4h)"},
        {"[delivery]\nmax_age = \"5h\"\nwarn_after = \"4h\"\n", ""},
        {"[spool]\ndurability = \"none\"\n", "spool.durability: \"none\" loses accepted mail"},
        {"[spool]\nmax_size = \"1MiB\"\n", "spool.max_size: smaller than server.max_message_size"},
        {"[admin]\ntoken = \"123456789012345\"\n", "admin.token: shorter than 16 characters"},
        {"[admin]\ntoken = \"1234567890123456\"\n", ""},
    }));
    const std::string warnings = warnings_of(std::string{c.text} + std::string{plain_smarthost});
    CAPTURE(c.text, warnings);
    CHECK(warnings.empty() == c.warning.empty());
    CHECK(contains(warnings, c.warning));
}

TEST_CASE("what is unwise about a smarthost is remarked", "[config]") {
    struct Case {
        std::string_view keys, warning;
    };
    const Case c = GENERATE(values<Case>({
        // RFC 5321 section 4.5.3.2.6: ten minutes
        {"final_timeout = \"599s\"\n", "recipients get it twice"},
        {"final_timeout = \"10m\"\n", ""},
        {"verify = false\n", "can read the mail"},
        {"verify = false\nfingerprint = "
         "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"\n",
         ""},
        {"tls = \"starttls\"\nport = 465\n", "port 465 is TLS from the first byte"},
        {"port = 465\n", ""},
        {"port = 25\ntls = \"none\"\n", "sends all mail over the network unencrypted"},
    }));
    const std::string warnings = warnings_of(std::string{plain_smarthost} + std::string{c.keys});
    CAPTURE(c.keys, warnings);
    CHECK(warnings.empty() == c.warning.empty());
    CHECK(contains(warnings, c.warning));
}

TEST_CASE("a file that cannot be read is one clear problem", "[config]") {
    const test::TemporaryDirectory directory;
    const config::LoadResult missing = config::load_file(directory.path() / "none.toml");
    REQUIRE(missing.problems.size() == 1);
    CHECK(contains(missing.problems[0].text(),
                   "none.toml: cannot be read: no such file or directory"));
    const config::LoadResult folder = config::load_file(directory.path());
    REQUIRE(folder.problems.size() == 1);
    CHECK(contains(folder.problems[0].text(), "is a folder, not a file"));
    const config::LoadResult large =
        config::load_file(directory.write("large.toml", std::string((1 << 20) + 1, '\n')));
    REQUIRE(large.problems.size() == 1);
    CHECK(contains(large.problems[0].text(), "larger than 1 MiB"));
    CHECK(config::load_file(directory.write("latin1.toml", "[smarthost]\nhost = \"\xE9\"\n"))
              .problems.at(0)
              .message == "the file is not UTF-8 text: save it as UTF-8");
}

TEST_CASE("the example shown to newcomers is itself sound", "[config]") {
    const config::LoadResult result = config::load_text(config::minimal_example(), "example");
    for (const config::Problem& problem : result.problems) {
        CHECK(contains(problem.message, "/etc/relay/password cannot be read"));
    }
}

TEST_CASE("a problem's text leaves out what is not known", "[config]") {
    CHECK(config::Problem{"relay.toml", 3, 8, "wrong", {}}.text() == "relay.toml:3:8: wrong");
    CHECK(config::Problem{"relay.toml", 0, 0, "wrong", {}}.text() == "relay.toml: wrong");
    CHECK(config::Problem{"", 0, 0, "wrong", {}}.text() == "wrong");
}
