#include "base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace base {
namespace {

template <class Value>
struct Unit {
    std::string_view name;
    Value factor;
};

constexpr std::array<Unit<std::int64_t>, 5> duration_units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

constexpr std::array<Unit<std::uint64_t>, 8> size_units{{{"GiB", 1ULL << 30},
                                                         {"MiB", 1ULL << 20},
                                                         {"KiB", 1ULL << 10},
                                                         {"GB", 1'000'000'000},
                                                         {"MB", 1'000'000},
                                                         {"KB", 1000},
                                                         {"B", 1},
                                                         {"", 1}}};

// Splits "25MiB" into 25 and "MiB"; nullopt when no digits lead or they overflow.
std::optional<std::pair<std::uint64_t, std::string_view>> split_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    return std::pair{number, trim(text.substr(static_cast<std::size_t>(end - text.data())))};
}

template <class Units>
auto find_unit(const Units& units, std::string_view name) -> decltype(units.data()) {
    for (const auto& unit : units) {
        if (equals_ignoring_case(unit.name, name)) return &unit;
    }
    return nullptr;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    const auto parts = split_number(text);
    const auto* unit = parts ? find_unit(duration_units, parts->second) : nullptr;
    if (unit == nullptr) {
        return error(
            fmt::format("\"{}\" is not a duration: write it as \"500ms\", \"30s\", \"5m\", "
                        "\"4h\" or \"5d\"",
                        printable(text, 40)));
    }
    constexpr std::uint64_t ten_years = 3650ULL * 86'400'000;
    if (parts->first > ten_years / static_cast<std::uint64_t>(unit->factor)) {
        return error(fmt::format("the duration \"{}\" is longer than ten years", text));
    }
    return Duration{static_cast<std::int64_t>(parts->first) * unit->factor};
}

Result<std::uint64_t> parse_size(std::string_view text) {
    const auto parts = split_number(text);
    const auto* unit = parts ? find_unit(size_units, parts->second) : nullptr;
    if (unit == nullptr) {
        return error(
            fmt::format("\"{}\" is not a size: write it as \"25MiB\", \"512KB\" or a number "
                        "of bytes",
                        printable(text, 40)));
    }
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (parts->first > largest / unit->factor) {
        return error(fmt::format("the size \"{}\" is too large", text));
    }
    return parts->first * unit->factor;
}

Result<Rate> parse_rate(std::string_view text) {
    const auto parts = split_number(text);
    if (parts && parts->first > 0 && parts->first <= std::numeric_limits<std::uint32_t>::max() &&
        parts->second.size() == 2 && parts->second[0] == '/') {
        const auto* unit = find_unit(duration_units, parts->second.substr(1));
        if (unit != nullptr) {
            return Rate{static_cast<std::uint32_t>(parts->first), Duration{unit->factor}};
        }
    }
    return error(
        fmt::format("\"{}\" is not a rate: write it as \"14/s\", \"30/m\", \"500/h\" or "
                    "\"2000/d\"",
                    printable(text, 40)));
}

std::string format_duration(Duration duration) {
    for (const auto& unit : duration_units) {
        if (duration.count() != 0 && duration.count() % unit.factor == 0) {
            return fmt::format("{}{}", duration.count() / unit.factor, unit.name);
        }
    }
    return "0s";
}

std::string format_size(std::uint64_t bytes) {
    for (const auto& unit : size_units) {
        if (bytes != 0 && unit.factor > 1 && bytes % unit.factor == 0) {
            return fmt::format("{}{}", bytes / unit.factor, unit.name);
        }
    }
    return std::to_string(bytes);
}

std::string format_rate(const Rate& rate) {
    for (const auto& unit : duration_units) {
        if (rate.per.count() == unit.factor) return fmt::format("{}/{}", rate.count, unit.name);
    }
    return fmt::format("{}/{}ms", rate.count, rate.per.count());
}

std::string human_duration(Duration duration) {
    const auto total = std::max<std::int64_t>(duration.count(), 0);
    if (total < 1000) return fmt::format("{}ms", total);
    if (total < 10'000) return fmt::format("{:.1f}s", static_cast<double>(total) / 1000);
    std::string text;
    int parts = 0;
    std::int64_t rest = total;
    for (const auto& unit : duration_units) {
        if (unit.factor == 1 || rest < unit.factor) continue;
        if (parts++ == 2) break;
        if (!text.empty()) text += ' ';
        text += fmt::format("{}{}", rest / unit.factor, unit.name);
        rest %= unit.factor;
    }
    return text;
}

std::string uptime_words(Duration up) {
    return up < std::chrono::seconds{1} ? "just started" : "up " + human_duration(up);
}

std::string human_size(std::uint64_t bytes) {
    for (const auto& unit : size_units) {
        if (unit.name.ends_with("iB") && bytes >= unit.factor) {
            return fmt::format("{:.1f} {}",
                               static_cast<double>(bytes) / static_cast<double>(unit.factor),
                               unit.name);
        }
    }
    return fmt::format("{} bytes", bytes);
}

}  // namespace base
