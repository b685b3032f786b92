#include "relay/progress_lines.hpp"

#include "tests/support/catch.hpp"

using namespace relay;
using namespace std::chrono_literals;

namespace {

Terminal plain(std::size_t width) {
    Terminal terminal;
    terminal.interactive = true;
    terminal.width = width;
    return terminal;
}

diagnose::Check ended(const char* title, diagnose::CheckStatus status) {
    diagnose::Check check;
    check.title = title;
    check.status = status;
    return check;
}

}  // namespace

TEST_CASE("running checks take a line each, at the same place, and go", "[relay]") {
    ProgressLines lines{plain(40), 24};
    const ProgressLines::Clock::time_point start{};
    CHECK(lines.draw(start).empty());
    CHECK(lines.clear().empty());
    lines.began("Names", start);
    lines.began("Port 25 of unrelated mail operators", start + 1s);
    CHECK(lines.draw(start + 3s) ==
          "3 s             Names\n"
          "2 s             Port 25 of unrelated m…\n");
    lines.ended(ended("Names", diagnose::CheckStatus::ok));
    CHECK(lines.draw(start + 4s) ==
          "\x1b[2A\x1b[J"
          "ok              Names\n"
          "3 s             Port 25 of unrelated m…\n");
    CHECK(lines.clear() == "\x1b[2A\x1b[J");
    CHECK(lines.clear().empty());
}

TEST_CASE("no more lines are drawn than the terminal has", "[relay]") {
    ProgressLines lines{plain(40), 3};
    const ProgressLines::Clock::time_point start{};
    for (const char* title : {"one", "two", "three", "four"}) lines.began(title, start);
    CHECK(lines.draw(start) ==
          "0 s             three\n"
          "0 s             four\n");
}

TEST_CASE("a title is a stranger's text too", "[relay]") {
    ProgressLines lines{plain(80), 24};
    lines.began("Smarthost \x1b[31m", {});
    lines.ended(ended("Smarthost \x1b[31m", diagnose::CheckStatus::fail));
    CHECK(lines.draw({}) == "FAIL            Smarthost \\x1b[31m\n");
}

TEST_CASE("a check that goes on after it had ended keeps its one line", "[relay]") {
    ProgressLines lines{plain(80), 24};
    const ProgressLines::Clock::time_point start{};
    lines.began("Where this host stands", start);
    lines.ended(ended("Where this host stands", diagnose::CheckStatus::ok));
    lines.began("Where this host stands", start + 1s);
    CHECK(lines.draw(start + 2s) == "2 s             Where this host stands\n");
    lines.ended(ended("Where this host stands", diagnose::CheckStatus::ok));
    CHECK_THAT(lines.draw(start + 2s), Catch::EndsWith("ok              Where this host stands\n"));
}
