#include "base/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>

#include "base/text.hpp"

namespace base {
namespace {

constexpr std::size_t longest_value = 2048;
constexpr std::size_t most_gathered = 64 * 1024;

struct Log {
    std::shared_ptr<spdlog::logger> logger;
    LogFormat format = LogFormat::text;
};

// Replaced whole by open_log(); readers keep the one they loaded.
std::atomic<std::shared_ptr<const Log>> current_log;
std::atomic<LogLevel> current_level = LogLevel::info;

std::shared_ptr<const Log> active_log() {
    if (auto log = current_log.load()) return log;
    auto log = std::make_shared<Log>();
    log->logger = std::make_shared<spdlog::logger>(
        "relay", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    log->logger->set_pattern("%v");
    log->logger->set_level(spdlog::level::trace);
    log->logger->flush_on(spdlog::level::trace);
    std::shared_ptr<const Log> none;
    current_log.compare_exchange_strong(none, log);
    return current_log.load();
}

// Lines that wait to be written together.
struct Gathered {
    std::mutex mutex;
    std::function<void(std::function<void()>)> later;
    std::string lines;
    LogLevel level = LogLevel::debug;  // of the last line
    bool asked = false;                // `later` was called for them
};

Gathered& gathered() {
    static auto* const lines = new Gathered;  // never destroyed: the last words come late
    return *lines;
}

std::string_view level_name(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warning:
            return "warning";
        case LogLevel::error:
            return "error";
    }
    return "info";
}

bool needs_quotes(std::string_view value) {
    return value.empty() || std::any_of(value.begin(), value.end(),
                                        [](char c) { return c == ' ' || c == '"' || c == '='; });
}

// printable() leaves valid UTF-8 without control characters: quotes and backslashes remain.
void append_quoted(std::string& line, std::string_view value) {
    line += '"';
    const std::size_t start = line.size();
    append_printable(line, value, longest_value);
    for (std::size_t at = start;; at += 2) {
        at = line.find_first_of("\"\\", at);
        if (at == std::string::npos) break;
        line.insert(at, 1, '\\');
    }
    line += '"';
}

void append_text_line(std::string& line, LogLevel level, std::string_view message,
                      std::initializer_list<LogField> fields) {
    constexpr std::size_t level_width = 7;
    line += format_iso8601(SystemClock{}.now());
    line += ' ';
    line += level_name(level);
    line.append(level_width - level_name(level).size() + 1, ' ');
    append_printable(line, message, longest_value);
    for (const LogField& field : fields) {
        if (field.left_out) continue;
        line += ' ';
        line += field.name;
        line += '=';
        if (!field.bare && needs_quotes(field.value())) {
            append_quoted(line, field.value());
        } else {
            append_printable(line, field.value(), longest_value);
        }
    }
}

void append_json_line(std::string& line, LogLevel level, std::string_view message,
                      std::initializer_list<LogField> fields) {
    line += R"({"time":")";
    line += format_iso8601(SystemClock{}.now());
    line += R"(","level":")";
    line += level_name(level);
    line += R"(","message":)";
    append_quoted(line, message);
    for (const LogField& field : fields) {
        if (field.left_out) continue;
        line += ",\"";
        line += field.name;
        line += "\":";
        if (field.bare) {
            line += field.value();
        } else {
            append_quoted(line, field.value());
        }
    }
    line += '}';
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warning:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

// The mutex is held.
void write_out(Gathered& waiting, const Log& log) {
    if (waiting.lines.empty()) return;
    log.logger->log(spdlog_level(waiting.level), spdlog::string_view_t{waiting.lines});
    waiting.lines.clear();
}

// None when the file cannot be written. The folder must be there: spdlog would make it.
spdlog::sink_ptr open_sink(const std::string& file) {
    if (file.empty()) return std::make_shared<spdlog::sinks::stderr_sink_mt>();
    std::error_code failed;
    const std::filesystem::path folder = std::filesystem::absolute(file, failed).parent_path();
    if (!std::filesystem::is_directory(folder, failed)) return nullptr;
    // It holds addresses: a file that is not there yet is made for the owner and group alone.
    const int made =
        ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (made < 0) return nullptr;
    ::close(made);
    try {
        return std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    } catch (const spdlog::spdlog_ex&) {
        return nullptr;
    }
}

}  // namespace

void gather_log(std::function<void(std::function<void()>)> later) {
    Gathered& waiting = gathered();
    const std::shared_ptr<const Log> log = active_log();
    const std::lock_guard lock{waiting.mutex};
    write_out(waiting, *log);
    waiting.later = std::move(later);
    waiting.asked = false;
}

Result<void> open_log(const LogOptions& options) {
    spdlog::sink_ptr sink = open_sink(options.file);
    if (!sink) {
        return error(
            fmt::format("the log file {} cannot be opened for writing: check that its folder "
                        "exists and that relay may write there",
                        options.file));
    }
    auto log = std::make_shared<Log>();
    log->format = options.format;
    log->logger = std::make_shared<spdlog::logger>("relay", std::move(sink));
    log->logger->set_pattern("%v");
    log->logger->set_level(spdlog::level::trace);
    log->logger->flush_on(spdlog::level::trace);
    current_level = options.level;
    current_log = std::move(log);
    return {};
}

bool log_enabled(LogLevel level) { return level >= current_level.load(std::memory_order_relaxed); }

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    if (!log_enabled(level)) return;
    const std::shared_ptr<const Log> log = active_log();
    Gathered& waiting = gathered();
    const std::lock_guard lock{waiting.mutex};
    if (!waiting.lines.empty()) waiting.lines += '\n';
    waiting.level = level;
    if (log->format == LogFormat::json) {
        append_json_line(waiting.lines, level, message, fields);
    } else {
        append_text_line(waiting.lines, level, message, fields);
    }
    const bool gathers = waiting.later != nullptr && level < LogLevel::warning;
    if (!gathers || waiting.lines.size() >= most_gathered) return write_out(waiting, *log);
    if (std::exchange(waiting.asked, true)) return;
    waiting.later([] {
        Gathered& lines = gathered();
        const std::shared_ptr<const Log> current = active_log();
        const std::lock_guard held{lines.mutex};
        lines.asked = false;
        write_out(lines, *current);
    });
}

}  // namespace base
