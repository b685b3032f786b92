#include "relay/write_fix.hpp"

#include "tests/support/catch.hpp"

using relay::BlockAnswers;
using relay::fill_block;
using relay::why_not_to_ask;

namespace {

const std::string sample =
    "[smarthost]\nhost = \"smtp.example.com\"  # your provider's submission server\n"
    "port = 587            # STARTTLS\nusername = \"app@example.com\"\n"
    "password_file = \"/etc/relay/password\"\n";

}  // namespace

TEST_CASE("the samples of a block give way to what was answered", "[diagnose]") {
    const auto filled = fill_block(sample, {"mail.host.example", "ada", "/home/ada/password"});
    REQUIRE(filled.has_value());
    CHECK(*filled ==
          "[smarthost]\nhost = \"mail.host.example\"\nport = 587            # STARTTLS\n"
          "username = \"ada\"\npassword_file = \"/home/ada/password\"\n");
}

TEST_CASE("a block without samples is left as it is", "[diagnose]") {
    const std::string block = "[smarthost]\nhost = \"mail.host.example\"\nport = 465\n";
    CHECK(fill_block(block, {}).value() == block);
}

TEST_CASE("what is no answer writes nothing", "[diagnose]") {
    struct Case {
        std::string host, user, problem;
    };
    const Case c = GENERATE(values<Case>({
        {"", "ada", "no host was given"},
        {"mail.host.example", "", "no user name was given"},
        {"mail host", "ada", "is no host"},
        {"mail.host.example\"\nport = 1", "ada", "is no host"},
        {"smtp.example.com", "ada", "is no host"},
        {"mail.host.example", "a\\da", "is no user name"},
    }));
    const auto filled = fill_block(sample, {c.host, c.user, "/etc/relay/password"});
    REQUIRE_FALSE(filled.has_value());
    CHECK_THAT(filled.error().message, Catch::Contains(c.problem));
}

TEST_CASE("nobody is asked for what could not be written", "[diagnose]") {
    const std::string known =
        "[smarthost]\nhost = \"mail.host.example\"\nport = 587\nusername = \"app@example.com\"\n";
    struct Case {
        std::string text, block, reason;
    };
    const Case c = GENERATE_COPY(values<Case>({
        {"", sample, ""},
        {"hostname = \"box.example\"\n", sample, ""},
        {"[smarthost]\nhost = \"mail.host.example\"\n", sample, "has a [smarthost] already"},
        {"[[smarthost]]\nhost = \"a.example\"\n[[smarthost]]\nhost = \"b.example\"\n", sample,
         "has a [smarthost] already"},
        {"[smarthost\n", sample, "line 1"},
        {"[smarthost]\nhost = \"mail.host.example\"\n", known, ""},
        {"[smarthost]\nhost = \"another.example\"\n", known, "by hand"},
    }));
    CAPTURE(c.text);
    const std::string why = why_not_to_ask(c.text, c.block);
    CHECK(why.empty() == c.reason.empty());
    CHECK_THAT(why, Catch::Contains(c.reason));
}
