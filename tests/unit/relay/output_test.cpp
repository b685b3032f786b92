#include "relay/output.hpp"

#include "base/text.hpp"
#include "tests/support/catch.hpp"

using namespace relay;

namespace {

Terminal person(std::size_t width, bool color = false) {
    Terminal terminal;
    terminal.interactive = true;
    terminal.color = color;
    terminal.width = width;
    return terminal;
}

Table sample() {
    Table table{{{"ID"}, {"SIZE", true}, {"FROM", false, true}, {"REPLY", false, true}}};
    table.add({"one", "5 KiB", "a@example.org", "250 Ok"});
    table.add({"three", "12 MiB", "somebody.with.a.long.name@example.com",
               "550 5.1.1 There is no such person here, and there never was one"});
    return table;
}

}  // namespace

TEST_CASE("a table for people is aligned, titled and fits the terminal", "[relay]") {
    CHECK(sample().text(person(60)) ==
          "ID       SIZE  FROM                   REPLY\n"
          "one     5 KiB  a@example.org          250 Ok\n"
          "three  12 MiB  somebody.with.a.long…  550 5.1.1 There is no…\n");
    const std::size_t width = GENERATE(30u, 40u, 80u, 200u);
    const std::string text = sample().text(person(width));
    for (const std::string_view line : base::split(text, '\n')) {
        // The fixed columns and two cut ones need 33.
        CHECK(display_width(line) <= std::max<std::size_t>(width, 33));
    }
}

TEST_CASE("a table in a pipe has no title and loses nothing", "[relay]") {
    const std::string text = sample().text(Terminal{});
    CHECK(base::split(text, '\n').size() == 3);
    CHECK_THAT(text, Catch::Contains("and there never was one\n"));
    CHECK(text.find('\t') == std::string::npos);
    CHECK(text.starts_with("one     5 KiB  a@example.org"));
}

TEST_CASE("colours stand around the text and do not disturb the columns", "[relay]") {
    Table table{{{"STATE"}, {"TO"}}};
    table.add({{"held", Style::warning}, "a"});
    table.add({"queued", "b"});
    CHECK(table.text(person(80, true)) ==
          "\x1b[2mSTATE\x1b[0m   \x1b[2mTO\x1b[0m\n"
          "\x1b[33mheld\x1b[0m    a\n"
          "queued  b\n");
}

TEST_CASE("a stranger's escape sequences do not reach the terminal", "[relay]") {
    Table table{{{"SUBJECT"}}};
    table.add({std::string("\x1b]0;owned\x07 \xff\n")});
    const std::string text = table.text(person(80));
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find('\x07') == std::string::npos);
    CHECK(base::split(text, '\n').size() == 3);
}

TEST_CASE("colour is what was asked for, else what the environment says", "[relay]") {
    ::setenv("NO_COLOR", "1", 1);
    CHECK(standard_output("always").color);
    CHECK_FALSE(standard_output("never").color);
    CHECK_FALSE(standard_output("auto").color);
    ::unsetenv("NO_COLOR");
}
