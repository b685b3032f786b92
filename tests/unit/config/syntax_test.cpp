// The forms of names, addresses and endpoints.

#include "config/syntax.hpp"

#include "config/url.hpp"
#include "tests/support/catch.hpp"

namespace {

struct Case {
    std::string text;
    std::string result;  // "" when it is refused
};

void check_rule(base::Result<std::string> (*rule)(const std::string&), const Case& c) {
    const auto result = rule(c.text);
    CAPTURE(c.text);
    CHECK(result.has_value() == !c.result.empty());
    if (result) CHECK(*result == c.result);
    if (!result) CHECK_FALSE(result.error().message.empty());
}

const std::string label63(63, 'a');

}  // namespace

TEST_CASE("host names", "[config]") {
    check_rule(config::hostname_rule,
               GENERATE(values<Case>({{"mx.example.com", "mx.example.com"},
                                      {"localhost", "localhost"},
                                      {"under_score.example", "under_score.example"},
                                      {"1and1.com", "1and1.com"},
                                      {label63 + ".example", label63 + ".example"},
                                      {label63 + "a.example", ""},
                                      {"", ""},
                                      {"a..b", ""},
                                      {".a", ""},
                                      {"a.", ""},
                                      {"-a.example", ""},
                                      {"a-.example", ""},
                                      {"a b", ""},
                                      {"1.2.3.4", ""},
                                      {"[1.2.3.4]", ""},
                                      {"bücher.example", ""}})));
    CHECK_FALSE(config::is_host_name(label63 + "." + label63 + "." + label63 + "." + label63));
}

TEST_CASE("smarthosts", "[config]") {
    check_rule(config::peer_rule, GENERATE(values<Case>({{"smtp.example.com", "smtp.example.com"},
                                                         {"192.0.2.1", "192.0.2.1"},
                                                         {"2001:db8::1", "2001:db8::1"},
                                                         {"[2001:db8::1]", "2001:db8::1"},
                                                         {"unix:/run/smtp", "unix:/run/smtp"},
                                                         {"unix:/", ""},
                                                         {"unix:run/smtp", ""},
                                                         {"unix:/" + std::string(107, 'a'), ""},
                                                         {"smtp.example.com:25", ""},
                                                         {"[2001:db8::1]:25", ""},
                                                         {"https://example.com", ""}})));
}

TEST_CASE("listening addresses", "[config]") {
    check_rule(
        config::listen_rule,
        GENERATE(values<Case>({{"127.0.0.1:2525", "127.0.0.1:2525"},
                               {"127.0.0.1:0", "127.0.0.1:0"},
                               {"[::1]:2525", "[::1]:2525"},
                               {"localhost:25", "localhost:25"},
                               {"unix:/run/relay", "unix:/run/relay"},
                               {"unix:/" + std::string(106, 'a'), "unix:/" + std::string(106, 'a')},
                               {"unix:/" + std::string(107, 'a'), ""},
                               {"systemd", "systemd"},
                               {"Systemd", ""},
                               {"*:25", ""},
                               {":25", ""},
                               {"25", ""},
                               {"::1:25", ""},
                               {"127.0.0.1", ""},
                               {"127.0.0.1:65536", ""},
                               {"127.0.0.1:-1", ""},
                               {"127.0.0.1:25x", ""},
                               {"", ""}})));
}

TEST_CASE("a URL pasted for a host is told apart into keys, without its password", "[config]") {
    struct Case {
        std::string_view text, shown, keys;
    };
    const Case c = GENERATE(values<Case>({
        {"smtp.example.com", "smtp.example.com", ""},
        {"me@example.com", "me@example.com", ""},
        {"mailto:me@example.com", "mailto:me@example.com", ""},
        {"[::1]:587", "[::1]:587", ""},
        {"smtp://smtp.example.com", "smtp://smtp.example.com", "host = \"smtp.example.com\""},
        {"smtps://smtp.example.com/", "smtps://smtp.example.com/",
         "host = \"smtp.example.com\", port = 465"},
        {"smtp://app%40x.example:hunter2@smtp.example.com:587?auth=login&token=hunter2",
         "smtp://***@smtp.example.com:587?***",
         "host = \"smtp.example.com\", port = 587, username = \"app@x.example\""},
        {"smtp://app:hun@t/er2@[::1]:25", "smtp://***@[::1]:25",
         "host = \"::1\", port = 25, username = \"app\""},
        {"app:hunter2@127.0.0.1", "***@127.0.0.1", "host = \"127.0.0.1\", username = \"app\""},
        {"sendgrid+smtp://hunter2@default", "sendgrid+smtp://***@default", "host = \"default\""},
        {"smtp://app:hunter2", "smtp://app:***", ""},
    }));
    CAPTURE(c.text);
    CHECK(config::without_credentials(c.text) == c.shown);
    CHECK(config::keys_of_url(c.text) == c.keys);
}

TEST_CASE("mail addresses", "[config]") {
    check_rule(config::address_rule,
               GENERATE(values<Case>(
                   {{"a@example.com", "a@example.com"},
                    {"a+b.c@example.com", "a+b.c@example.com"},
                    {"\"a b\"@example.com", "\"a b\"@example.com"},
                    {"a@[192.0.2.1]", "a@[192.0.2.1]"},
                    {"a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"},
                    {"käse@bücher.example", "käse@bücher.example"},
                    {std::string(64, 'a') + "@b.example", std::string(64, 'a') + "@b.example"},
                    {std::string(65, 'a') + "@b.example", ""},
                    {"a", ""},
                    {"@example.com", ""},
                    {"a@", ""},
                    {"a..b@example.com", ""},
                    {".a@example.com", ""},
                    {"a b@example.com", ""},
                    {"a@example.com\r\n", ""},
                    {"<a@example.com>", ""}})));
}

TEST_CASE("key pins in the spellings of OpenSSL, curl and browsers", "[config]") {
    const std::string pin = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const std::string hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    check_rule(config::fingerprint_rule, GENERATE_COPY(values<Case>({{pin, pin},
                                                                     {"sha256//" + pin, pin},
                                                                     {"SHA256:" + pin, pin},
                                                                     {hex, pin},
                                                                     {"sha256:" + hex, pin},
                                                                     {hex.substr(2), ""},
                                                                     {"zz" + hex.substr(2), ""},
                                                                     {pin.substr(4), ""},
                                                                     {"", ""}})));
}

TEST_CASE("blocks of addresses", "[config]") {
    struct BlockCase {
        std::string_view text;
        bool sound, loopback, open;
    };
    const BlockCase c = GENERATE(values<BlockCase>({{"127.0.0.0/8", true, true, false},
                                                    {"127.0.0.0/7", true, false, true},
                                                    {"::1", true, true, false},
                                                    {"::1/128", true, true, false},
                                                    {"::1/127", true, false, false},
                                                    {"10.0.0.0/8", true, false, false},
                                                    {"0.0.0.0/0", true, false, true},
                                                    {"64.0.0.0/7", true, false, true},
                                                    {"fc00::/7", true, false, false},
                                                    {"2000::/3", true, false, true},
                                                    {"::/0", true, false, true},
                                                    {"::ffff:0.0.0.0/96", true, false, true},
                                                    {"::ffff:10.0.0.0/104", true, false, false},
                                                    {"192.0.2.7", true, false, false},
                                                    {"10.0.0.0/33", false, false, false},
                                                    {"fc00::/129", false, false, false},
                                                    {"10.0.0.0/", false, false, false},
                                                    {"10.0.0/8", false, false, false},
                                                    {"example.com", false, false, false}}));
    CAPTURE(c.text);
    const auto block = config::parse_block(c.text);
    REQUIRE(block.has_value() == c.sound);
    if (block) CHECK(block->loopback == c.loopback);
    if (block) CHECK(block->open_to_all() == c.open);
}

TEST_CASE("probe targets", "[config]") {
    check_rule(config::target_rule,
               GENERATE(values<Case>({{"example.com", "example.com"},
                                      {"mx.example.com:25", "mx.example.com:25"},
                                      {"[2001:db8::1]:25", "[2001:db8::1]:25"},
                                      {"mx.example.com:0", ""},
                                      {"unix:/run/x", ""},
                                      {"systemd", ""},
                                      {"localhost", ""},
                                      {"192.0.2.1", ""},  // an address is no domain
                                      {"2001:db8::1", ""},
                                      {"192.0.2.1:25", "192.0.2.1:25"},
                                      {"*:25", ""},
                                      {"a@example.com", ""},
                                      {"", ""}})));
}
