#include "base/clock.hpp"

#include <fmt/format.h>

#include <array>
#include <ctime>

namespace base {
namespace {

constexpr std::array day_names{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array month_names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::time_t seconds_of(Time time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

Time SystemClock::now() const {
    return std::chrono::floor<Duration>(std::chrono::system_clock::now());
}

std::string format_iso8601(Time time) {
    const std::time_t seconds = seconds_of(time);
    const auto millis = (time.time_since_epoch().count() % 1000 + 1000) % 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       millis);
}

std::string format_rfc5322(Time time) {
    const std::time_t seconds = seconds_of(time);
    std::tm parts{};
    localtime_r(&seconds, &parts);
    const long offset = parts.tm_gmtoff / 60;
    const long distance = offset < 0 ? -offset : offset;
    // Not strftime: its names follow the locale, these are fixed by the RFC.
    return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} {}{:02}{:02}",
                       day_names[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                       month_names[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                       parts.tm_hour, parts.tm_min, parts.tm_sec, offset < 0 ? '-' : '+',
                       distance / 60, distance % 60);
}

}  // namespace base
