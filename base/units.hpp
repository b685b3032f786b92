#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace base {

// "500ms", "30s", "5m", "4h", "5d". The error says what a duration looks like.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
// "25MiB", "512KB", "4096". KiB, MiB, GiB are powers of 1024; KB, MB, GB of 1000.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

struct Rate {
    std::uint32_t count = 0;
    Duration per{};
    friend bool operator==(const Rate&, const Rate&) = default;
};
// "14/s", "30/m", "500/h", "2000/d"
[[nodiscard]] Result<Rate> parse_rate(std::string_view text);

// The shortest text that parse_*() reads back as the same value.
[[nodiscard]] std::string format_duration(Duration duration);
[[nodiscard]] std::string format_size(std::uint64_t bytes);
[[nodiscard]] std::string format_rate(const Rate& rate);

// For people: "3m 20s", "1.4 MiB". An age by a clock that was set back is none, and not negative.
[[nodiscard]] std::string human_duration(Duration duration);
[[nodiscard]] std::string uptime_words(Duration up);  // "up 3m 20s", or "just started"
[[nodiscard]] std::string human_size(std::uint64_t bytes);

}  // namespace base
