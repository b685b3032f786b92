#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/message_id.hpp"
#include "base/result.hpp"

namespace base {

enum class LogLevel { debug, info, warning, error };
enum class LogFormat { text, json };

struct LogOptions {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
    std::string file;  // empty: stderr
};

// One named value of a log line. Holds its text; a number stays a number in JSON.
struct LogField {
    LogField(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
    LogField(std::string_view field_name, const std::string& text)
        : name(field_name), value(text) {}
    LogField(std::string_view field_name, const char* text) : name(field_name), value(text) {}
    LogField(std::string_view field_name, MessageId id) : name(field_name), value(id.text()) {}
    LogField(std::string_view field_name, bool flag)
        : name(field_name), value(flag ? "true" : "false"), bare(true) {}
    LogField(std::string_view field_name, std::integral auto number)
        : name(field_name), value(std::to_string(number)), bare(true) {}

    std::string_view name;
    std::string value;
    bool bare = false;  // a number or truth value: JSON writes it without quotes
};

// Opens the log for the process. Safe to call again (a reload); the old log stays on failure.
[[nodiscard]] Result<void> open_log(const LogOptions& options);

// Writes one line: time, level, message, then name=value pairs (text) or members
// (JSON). Any thread. Values are made printable; callers never pass secrets.
//   2026-11-24T11:12:13.123Z INFO  delivered id=0h3k… smarthost=example reply="250 2.0.0 Ok"
void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
inline void log_debug(std::string_view m, std::initializer_list<LogField> f = {}) {
    log(LogLevel::debug, m, f);
}
inline void log_info(std::string_view m, std::initializer_list<LogField> f = {}) {
    log(LogLevel::info, m, f);
}
inline void log_warning(std::string_view m, std::initializer_list<LogField> f = {}) {
    log(LogLevel::warning, m, f);
}
inline void log_error(std::string_view m, std::initializer_list<LogField> f = {}) {
    log(LogLevel::error, m, f);
}
[[nodiscard]] bool log_enabled(LogLevel level);  // skip building fields nobody reads

}  // namespace base
