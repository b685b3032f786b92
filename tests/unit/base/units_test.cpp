#include "base/units.hpp"

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;

TEST_CASE("durations are read in the documented units", "[base]") {
    struct Case {
        std::string_view text;
        base::Duration value;
    };
    const Case c = GENERATE(values<Case>({{"500ms", 500ms},
                                          {"30s", 30s},
                                          {"5m", 5min},
                                          {"4h", 4h},
                                          {"5d", 120h},
                                          {"0s", 0s},
                                          {"5 m", 5min},
                                          {"5M", 5min},
                                          {"3650d", 24h * 3650}}));
    CAPTURE(c.text);
    const auto parsed = base::parse_duration(c.text);
    REQUIRE(parsed.has_value());
    CHECK(*parsed == c.value);
}

TEST_CASE("what is no duration is refused with an example", "[base]") {
    const std::string_view text = GENERATE(values<std::string_view>(
        {"", "5", "m", "-5m", "+5m", "1.5h", "5w", "5mm", " 5m", "99999999999999999999s"}));
    CAPTURE(text);
    const auto parsed = base::parse_duration(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().message.find("\"30s\"") != std::string::npos);
}

TEST_CASE("durations stop at ten years", "[base]") {
    CHECK_FALSE(base::parse_duration("3651d").has_value());
    CHECK_FALSE(base::parse_duration("18446744073709551615d").has_value());
}

TEST_CASE("sizes are read in powers of 1024 and of 1000", "[base]") {
    struct Case {
        std::string_view text;
        std::uint64_t value;
    };
    const Case c = GENERATE(values<Case>({{"4096", 4096},
                                          {"0", 0},
                                          {"7B", 7},
                                          {"512KB", 512'000},
                                          {"512KiB", 524'288},
                                          {"25MiB", 26'214'400},
                                          {"25 MiB", 26'214'400},
                                          {"25mib", 26'214'400},
                                          {"2MB", 2'000'000},
                                          {"1GB", 1'000'000'000},
                                          {"1GiB", 1ULL << 30},
                                          {"9223372036854775807", 9223372036854775807ULL}}));
    CAPTURE(c.text);
    const auto parsed = base::parse_size(c.text);
    REQUIRE(parsed.has_value());
    CHECK(*parsed == c.value);
}

TEST_CASE("what is no size is refused", "[base]") {
    const std::string_view text = GENERATE(values<std::string_view>(
        {"", "MiB", "-1", "1.5MiB", "1TiB", "1M", "9223372036854775808", "8589934592GiB"}));
    CAPTURE(text);
    CHECK_FALSE(base::parse_size(text).has_value());
}

TEST_CASE("rates are a count over a unit of time", "[base]") {
    CHECK(base::parse_rate("14/s").value() == base::Rate{14, 1s});
    CHECK(base::parse_rate("30/m").value() == base::Rate{30, 1min});
    CHECK(base::parse_rate("500/h").value() == base::Rate{500, 1h});
    CHECK(base::parse_rate("2000/d").value() == base::Rate{2000, 24h});
    for (const char* text : {"", "14", "0/s", "14/", "14/ms", "14/w", "/s", "4294967296/s"}) {
        CAPTURE(text);
        CHECK_FALSE(base::parse_rate(text).has_value());
    }
}

TEST_CASE("what is formatted is read back the same", "[base]") {
    for (const base::Duration value : {0ms, 1ms, 1500ms, 90'000ms, 3'600'000ms, 86'400'000ms}) {
        CHECK(base::parse_duration(base::format_duration(value)).value() == value);
    }
    for (const std::uint64_t value : {0ULL, 1ULL, 1000ULL, 1024ULL, 1025ULL, 50ULL << 20}) {
        CHECK(base::parse_size(base::format_size(value)).value() == value);
    }
    for (const char* text : {"14/s", "30/m", "500/h", "2000/d"}) {
        CHECK(base::format_rate(base::parse_rate(text).value()) == text);
    }
    CHECK(base::format_duration(5min) == "5m");
    CHECK(base::format_duration(90s) == "90s");
    CHECK(base::format_size(50 << 20) == "50MiB");
}

TEST_CASE("people read durations and sizes in two parts", "[base]") {
    CHECK(base::human_duration(-2h) == "0ms");
    CHECK(base::human_duration(0ms) == "0ms");
    CHECK(base::human_duration(999ms) == "999ms");
    CHECK(base::human_duration(3'250ms) == "3.2s");
    CHECK(base::human_duration(200s) == "3m 20s");
    CHECK(base::human_duration(24h + 61min + 5s) == "1d 1h");
    CHECK(base::uptime_words(999ms) == "just started");
    CHECK(base::uptime_words(200s) == "up 3m 20s");
    CHECK(base::human_size(1023) == "1023 bytes");
    CHECK(base::human_size(1'468'006) == "1.4 MiB");
}
