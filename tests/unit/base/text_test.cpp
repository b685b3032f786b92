#include "base/text.hpp"

#include "tests/support/catch.hpp"

TEST_CASE("globs match whole texts without regard to case", "[base]") {
    struct Case {
        std::string_view pattern, text;
        bool match;
    };
    const Case c = GENERATE(values<Case>({{"*", "", true},
                                          {"*", "anything", true},
                                          {"", "", true},
                                          {"", "a", false},
                                          {"a?c", "abc", true},
                                          {"a?c", "ac", false},
                                          {"*@example.com", "App@EXAMPLE.com", true},
                                          {"*@example.com", "app@example.com.evil", false},
                                          {"*a*b", "xaxxb", true},
                                          {"*a*b", "xaxxbx", false},
                                          {"a**b", "ab", true},
                                          {"*.example.*", "mx.example.org", true}}));
    CAPTURE(c.pattern, c.text);
    CHECK(base::glob_match(c.pattern, c.text) == c.match);
}

TEST_CASE("a glob of many stars is no trap", "[base]") {
    std::string pattern;
    for (int i = 0; i < 100; ++i) pattern += "*a";
    CHECK_FALSE(base::glob_match(pattern + "b", std::string(20'000, 'a')));
}

TEST_CASE("the nearest candidate is the one a slip away", "[base]") {
    const std::vector<std::string> keys{"host",     "port",    "username",
                                        "password", "max_age", "password_file"};
    struct Case {
        std::string_view word, near;
    };
    const Case c = GENERATE(values<Case>({{"hots", "host"},  // two neighbours swapped
                                          {"hst", "host"},
                                          {"HOST", "host"},
                                          {"pasword", "password"},
                                          {"user_name", "username"},
                                          {"maxage", "max_age"},
                                          {"password_fiel", "password_file"},
                                          {"colour", ""},
                                          {"", ""},
                                          {"x", ""}}));
    CAPTURE(c.word);
    CHECK(base::nearest(c.word, keys) == c.near);
    CHECK(base::nearest(c.word, {}).empty());
}

TEST_CASE("text for terminals holds nothing that a terminal obeys", "[base]") {
    struct Case {
        std::string_view text, shown;
    };
    const Case c = GENERATE(values<Case>({
        {"plain", "plain"},
        {"a\x1b[2J", "a\\x1b[2J"},
        {"a\r\nb", "a\\x0d\\x0ab"},
        {"tab\there", "tab\\x09here"},
        {"\x7f", "\\x7f"},
        {"käse", "käse"},
        {"\xC2\x9B", "\\xc2\\x9b"},           // CSI as a C1 control
        {"\xFF", "\\xff"},                    // never UTF-8
        {"\xC0\xAF", "\\xc0\\xaf"},           // overlong
        {"\xED\xA0\x80", "\\xed\\xa0\\x80"},  // a surrogate
        {"a\u2028b", "a\\xe2\\x80\\xa8b"},    // LINE SEPARATOR
        {"a\u202Eb", "a\\xe2\\x80\\xaeb"},    // RIGHT-TO-LEFT OVERRIDE
    }));
    CHECK(base::printable(c.text) == c.shown);
}

TEST_CASE("separators of lines and marks of direction are shown, their neighbours are text",
          "[base]") {
    const auto in = [](int c, int first, int last) { return c >= first && c <= last; };
    for (int c = 0x2000; c < 0x2080; ++c) {
        const std::string text{'\xE2', static_cast<char>(0x80 | (c >> 6 & 0x3F)),
                               static_cast<char>(0x80 | (c & 0x3F))};
        const bool hidden = in(c, 0x200E, 0x200F) || in(c, 0x2028, 0x202E) || in(c, 0x2066, 0x2069);
        CAPTURE(c);
        CHECK((base::printable(text) != text) == hidden);
    }
}

TEST_CASE("text for terminals is cut at the limit and says so", "[base]") {
    CHECK(base::printable("12345", 5) == "12345");
    CHECK(base::printable("123456", 5) == "12345...");
    CHECK(base::printable("1234é6", 5) == "1234é...");  // never inside a character
}

TEST_CASE("UTF-8 is judged as RFC 3629 does", "[base]") {
    for (const char* text : {"", "a", "é", "€", "😀", "\xF4\x8F\xBF\xBF"}) {
        CHECK(base::is_valid_utf8(text));
    }
    for (const char* text : {"\x80", "\xC3", "\xE2\x82", "\xC0\x80", "\xF4\x90\x80\x80",
                             "\xF8\x88\x80\x80\x80", "\xED\xBF\xBF", "\xE0\x80\x80"}) {
        CHECK_FALSE(base::is_valid_utf8(text));
    }
    CHECK(base::is_ascii("abc\x7f"));
    CHECK_FALSE(base::is_ascii("é"));
}

TEST_CASE("case, trimming, splitting and joining", "[base]") {
    CHECK(base::to_lower("EhLo-É") == "ehlo-É");  // ASCII only
    CHECK(base::to_upper("ehlo") == "EHLO");
    CHECK(base::equals_ignoring_case("StartTLS", "STARTTLS"));
    CHECK_FALSE(base::equals_ignoring_case("START", "STARTTLS"));
    CHECK(base::starts_with_ignoring_case("mail from:<>", "MAIL FROM:"));
    CHECK_FALSE(base::starts_with_ignoring_case("mail", "MAIL FROM:"));
    CHECK(base::trim(" \t a b\r\n") == "a b");
    CHECK(base::trim(" \r\n").empty());
    CHECK(base::split("a,,b", ',') == std::vector<std::string_view>{"a", "", "b"});
    CHECK(base::split("", ',') == std::vector<std::string_view>{""});
    CHECK(base::join({"a", "b"}, ", ") == "a, b");
    CHECK(base::join({}, ", ").empty());
}
