#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
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

// One named value of a log line. Refers to the text it is made from, so it lives no longer than the
// call it is made for; a number stays a number in JSON.
class LogField {
 public:
    LogField(std::string_view field_name, std::string_view text) : name(field_name), text_(text) {}
    LogField(std::string_view field_name, const std::string& text)
        : name(field_name), text_(text) {}
    LogField(std::string_view field_name, const char* text) : name(field_name), text_(text) {}
    LogField(std::string_view field_name, MessageId id) : name(field_name), own_(id.text()) {}
    LogField(std::string_view field_name, bool flag)
        : name(field_name), bare(true), text_(flag ? "true" : "false") {}
    LogField(std::string_view field_name, std::integral auto number)
        : name(field_name), bare(true), own_(std::to_string(number)) {}

    // Left out of the line when there is nothing to say.
    [[nodiscard]] static LogField unless_empty(std::string_view field_name,
                                               const std::string& text) {
        LogField field{field_name, text};
        field.left_out = text.empty();
        return field;
    }

    [[nodiscard]] std::string_view value() const {
        return own_.empty() ? text_ : std::string_view{own_};
    }

    std::string_view name;
    bool bare = false;  // a number or truth value: JSON writes it without quotes
    bool left_out = false;

 private:
    std::string_view text_;
    std::string own_;
};

// Opens the log for the process. Safe to call again (a reload); the old log stays on failure.
[[nodiscard]] Result<void> open_log(const LogOptions& options);

// From now on lines gather: `later` is given the work of writing them, once for all that come until
// it is done, and does it when the turn of whoever writes the log ends. Warnings and errors are
// written at once with what came before. nullptr writes what has gathered, and each line at once.
void gather_log(std::function<void(std::function<void()>)> later);

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
