#include "base/log.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "base/text.hpp"

namespace base {
namespace {

constexpr std::size_t longest_value = 2048;

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
    return value.empty() || value.find_first_of(" \"=") != std::string_view::npos;
}

void append_quoted(std::string& line, std::string_view value) {
    line += '"';
    for (const char c : value) {
        if (c == '"' || c == '\\') line += '\\';
        line += c;
    }
    line += '"';
}

std::string text_line(LogLevel level, std::string_view message,
                      std::initializer_list<LogField> fields) {
    std::string line = fmt::format("{} {:<7} {}", format_iso8601(SystemClock{}.now()),
                                   level_name(level), printable(message, longest_value));
    for (const LogField& field : fields) {
        const std::string value = printable(field.value, longest_value);
        line += fmt::format(" {}=", field.name);
        if (!field.bare && needs_quotes(value)) {
            append_quoted(line, value);
        } else {
            line += value;
        }
    }
    return line;
}

std::string json_line(LogLevel level, std::string_view message,
                      std::initializer_list<LogField> fields) {
    // printable() leaves valid UTF-8 without control characters: quotes and backslashes remain.
    std::string line = fmt::format(R"({{"time":"{}","level":"{}","message":)",
                                   format_iso8601(SystemClock{}.now()), level_name(level));
    append_quoted(line, printable(message, longest_value));
    for (const LogField& field : fields) {
        line += fmt::format(",\"{}\":", field.name);
        if (field.bare) {
            line += field.value;
        } else {
            append_quoted(line, printable(field.value, longest_value));
        }
    }
    line += '}';
    return line;
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

}  // namespace

Result<void> open_log(const LogOptions& options) {
    auto log = std::make_shared<Log>();
    log->format = options.format;
    try {
        spdlog::sink_ptr sink;
        if (options.file.empty()) {
            sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        } else {
            sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
        }
        log->logger = std::make_shared<spdlog::logger>("relay", std::move(sink));
    } catch (const spdlog::spdlog_ex&) {
        return error(
            fmt::format("the log file {} cannot be opened for writing: check that its folder "
                        "exists and that relay may write there",
                        options.file));
    }
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
    const std::string line = log->format == LogFormat::json ? json_line(level, message, fields)
                                                            : text_line(level, message, fields);
    log->logger->log(spdlog_level(level), "{}", line);
}

}  // namespace base
