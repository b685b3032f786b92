#include "base/text.hpp"

#include "base/hidden_characters.hpp"

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

TEST_CASE("characters that nobody sees are shown, their neighbours are text", "[base]") {
    const auto byte = [](char32_t value) { return static_cast<char>(value); };
    const auto tail = [&](char32_t c, int shift) { return byte(0x80 | (c >> shift & 0x3F)); };
    const auto utf8 = [&](char32_t c) -> std::string {
        if (c < 0x80) return {byte(c)};
        if (c < 0x800) return {byte(0xC0 | c >> 6), tail(c, 0)};
        if (c < 0x10000) return {byte(0xE0 | c >> 12), tail(c, 6), tail(c, 0)};
        return {byte(0xF0 | c >> 18), tail(c, 12), tail(c, 6), tail(c, 0)};
    };
    const std::u32string seen =
        U"\u00A0\u00AC\u00AE\u061B\u061D\u1161\u180D\u180F\u200A\u200C\u200D\u2010\u2027"
        U"\u202F\u205F\u2070\u3163\u3165\uFE0F\uFEFE\uFF00\uFF9F\uFFA1\uFFFC\uFFFD"
        U"\U0001F600\U000E0100\U0010FFFD";
    const std::u32string unseen =
        U"\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180E\u200B\u200E\u200F\u2028\u2029"
        U"\u202A\u202B\u202C\u202D\u202E\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068"
        U"\u2069\u206A\u206B\u206C\u206D\u206E\u206F\u3164\uFEFF\uFFA0\uFFF9\uFFFA\uFFFB"
        U"\U0001BCA0\U0001D173\U0001D17A\U000E0001\U000E0020\U000E007F";
    for (const char32_t c : seen) {
        CAPTURE(static_cast<unsigned>(c));
        CHECK(base::printable(utf8(c)) == utf8(c));
        CHECK_FALSE(base::has_hidden_characters("a" + utf8(c) + "b"));
    }
    for (const char32_t c : unseen) {
        CAPTURE(static_cast<unsigned>(c));
        CHECK(base::printable("a" + utf8(c) + "b").starts_with("a\\x"));
        CHECK(base::has_hidden_characters("a" + utf8(c) + "b"));
        CHECK(base::has_hidden_characters(utf8(c)));
    }
    CHECK_FALSE(base::has_hidden_characters("\xC2"));  // no UTF-8, and nothing behind it is read
    CHECK(base::has_hidden_characters("\xC2\x9B"));
}

TEST_CASE("a JSON text says what is hidden in it, and keeps its value", "[base]") {
    using base::json_without_hidden_characters;
    CHECK(json_without_hidden_characters("{\"a\":\"b\\n\u00e9\u20ac\U0001F600\"}\n") ==
          "{\"a\":\"b\\n\u00e9\u20ac\U0001F600\"}\n");
    CHECK(json_without_hidden_characters("[\"\u009b31m\x7f\"]") == "[\"\\u009b31m\\u007f\"]");
    CHECK(json_without_hidden_characters("\"\u202e\u200b.\u2066\"") ==
          "\"\\u202e\\u200b.\\u2066\"");
    CHECK(json_without_hidden_characters("\"\U000E0041\"") == "\"\\udb40\\udc41\"");
    CHECK(json_without_hidden_characters("\"\xC2").size() == 2);  // no UTF-8
    CHECK(json_without_hidden_characters("\"a\xE2\x81\",\"b\"") == "\"a\xE2\x81\",\"b\"");
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
    for (std::size_t i = 0; i < 100; ++i) {
        std::string text(100, 'x');
        CHECK(base::is_ascii(text));
        text[i] = '\x80';
        CHECK_FALSE(base::is_ascii(text));
    }
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
