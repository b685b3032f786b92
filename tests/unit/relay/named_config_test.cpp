#include "relay/named_config.hpp"

#include "tests/support/catch.hpp"

namespace {

std::string named(std::string step, const std::string& file = "/tmp/relay.toml") {
    diagnose::Report report;
    report.fixes.push_back({"Look again", {std::move(step)}, ""});
    relay::name_config(report, file);
    return report.fixes.front().steps.front();
}

}  // namespace

TEST_CASE("advised commands look at the configuration of this run", "[relay]") {
    struct Case {
        std::string step, result;
    };
    const Case c = GENERATE(values<Case>({
        {"Run `relay diagnose --timeout 60s`",
         "Run `relay diagnose --timeout 60s --config /tmp/relay.toml`"},
        {"`sudo relay diagnose`, or `relay check --online` then",
         "`sudo relay diagnose --config /tmp/relay.toml`, or `relay check --online --config "
         "/tmp/relay.toml` then"},
        {"See `ip route`", "See `ip route`"},
        {"No command: relay diagnose", "No command: relay diagnose"},
        {"an odd ` relay diagnose", "an odd ` relay diagnose"},
        {"`relay diagnose --config other.toml`", "`relay diagnose --config other.toml`"},
        {"begins with `relay diagnose --inbound --vantage`",
         "begins with `relay diagnose --inbound --vantage`"},
    }));
    CHECK(named(c.step) == c.result);
    CHECK(named(c.step, "") == c.step);
}

TEST_CASE("a file's name is one word for the shell", "[relay]") {
    CHECK(named("`relay diagnose`", "my relay.toml") ==
          "`relay diagnose --config 'my relay.toml'`");
    CHECK(relay::shell_quoted("it's") == "'it'\\''s'");
}
