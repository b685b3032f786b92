#include "base/columns.hpp"

#include "tests/support/catch.hpp"

using namespace base;

TEST_CASE("widths count columns, not bytes", "[base]") {
    struct Case {
        const char* text;
        std::size_t width;
    };
    const Case c = GENERATE(values<Case>({
        {"", 0}, {"plain", 5}, {"Grüße", 5}, {"日本", 4}, {"📧", 2}, {"e\u0301", 1},  // combining
    }));
    CAPTURE(c.text);
    CHECK(display_width(c.text) == c.width);
}

TEST_CASE("text is cut to columns and says so", "[base]") {
    struct Case {
        const char* text;
        std::size_t width;
        const char* cut;
    };
    const Case c = GENERATE(values<Case>({
        {"plain", 5, "plain"},
        {"plain", 4, "pla…"},
        {"plain", 1, "…"},
        {"plain", 0, ""},
        {"日本語", 5, "日本…"},
        {"日本語", 4, "日…"},  // no half of a wide one
    }));
    CAPTURE(c.text, c.width);
    CHECK(truncated(c.text, c.width) == c.cut);
}

TEST_CASE("text is folded at blanks and long words stay whole", "[base]") {
    using Lines = std::vector<std::string>;
    CHECK(folded("one two three", 7) == Lines{"one two", "three"});
    CHECK(folded("one  two ", 80) == Lines{"one two"});
    CHECK(folded("see https://example.org/a/long/one now", 10) ==
          Lines{"see", "https://example.org/a/long/one", "now"});
    CHECK(folded("日本 日本", 8) == Lines{"日本", "日本"});
    CHECK(folded("one\ntwo three", 0) == Lines{"one", "two three"});
    CHECK(folded("", 10) == Lines{""});
}
