#include "relay/check_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string_view>

namespace relay {
namespace {

constexpr std::size_t widest_value = 48;  // longer values push their own remark to the right only

struct Style {
    bool color = false;

    [[nodiscard]] std::string paint(std::string_view code, std::string_view text) const {
        return color ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string{text};
    }
    [[nodiscard]] std::string bold(std::string_view text) const { return paint("1", text); }
    [[nodiscard]] std::string red(std::string_view text) const { return paint("1;31", text); }
    [[nodiscard]] std::string yellow(std::string_view text) const { return paint("1;33", text); }
    [[nodiscard]] std::string green(std::string_view text) const { return paint("1;32", text); }
    [[nodiscard]] std::string dim(std::string_view text) const { return paint("2", text); }
};

bool continuation_byte(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Characters, which is how columns are counted; an East Asian one counts as one as well.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return !continuation_byte(c); }));
}

std::string place_of(const config::Problem& problem) {
    if (problem.file.empty()) return {};
    if (problem.line == 0) return problem.file + ": ";
    return fmt::format("{}:{}:{}: ", problem.file, problem.line, problem.column);
}

// The line with a caret under its column. Tabs became one printable character each in the excerpt.
std::string quotation(const config::Problem& problem, const Style& style) {
    if (problem.excerpt.empty()) return {};
    const std::string number = fmt::format("{:>5}", problem.line);
    const std::size_t column =
        std::clamp<std::size_t>(problem.column, 1, width(problem.excerpt) + 1);
    return fmt::format("{} {} {}\n{} {} {}{}\n", style.dim(number), style.dim("|"), problem.excerpt,
                       std::string(number.size(), ' '), style.dim("|"),
                       std::string(column - 1, ' '), style.green("^"));
}

std::string describe(const config::Problem& problem, std::string_view kind, const Style& style) {
    return fmt::format("{}{} {}\n{}", style.bold(place_of(problem)), kind, problem.message,
                       quotation(problem, style));
}

std::string settings_table(const config::Settings& settings, const Style& style) {
    std::size_t key_width = 0, value_width = 0;
    for (const config::SettingLine& line : settings.effective) {
        key_width = std::max(key_width, width(line.key));
        if (width(line.value) <= widest_value)
            value_width = std::max(value_width, width(line.value));
    }
    std::string text, section;
    for (const config::SettingLine& line : settings.effective) {
        const std::string next = line.key.substr(0, line.key.rfind('.'));
        if (!section.empty() && next != section) text += '\n';
        section = next;
        const std::size_t gap =
            value_width > width(line.value) ? value_width - width(line.value) : 0;
        text += fmt::format("{}{} = {}{}  {}\n", line.key,
                            std::string(key_width - width(line.key), ' '), line.value,
                            std::string(gap, ' '), style.dim("# " + line.source));
    }
    return text;
}

std::string count(std::size_t number, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", number, number == 1 ? one : many);
}

boost::json::array problems_json(const std::vector<config::Problem>& problems) {
    boost::json::array array;
    for (const config::Problem& problem : problems) {
        array.push_back(boost::json::object{{"file", problem.file},
                                            {"line", problem.line},
                                            {"column", problem.column},
                                            {"message", problem.message}});
    }
    return array;
}

}  // namespace

std::string check_text(const config::LoadResult& result, bool color) {
    const Style style{color};
    const config::Settings& settings = result.settings;
    std::string text;
    for (const config::Problem& problem : result.problems) {
        text += describe(problem, style.red("error:"), style);
    }
    for (const config::Problem& problem : settings.warnings) {
        text += describe(problem, style.yellow("warning:"), style);
    }
    if (!result.ok()) {
        return text + fmt::format("{} has {}\n", settings.file.string(),
                                  count(result.problems.size(), "error", "errors"));
    }
    if (!text.empty()) text += '\n';
    text += settings_table(settings, style);
    text += fmt::format("\n{} {}", settings.file.string(), style.green("is fine"));
    if (!settings.warnings.empty()) {
        text += fmt::format(" ({})", count(settings.warnings.size(), "warning", "warnings"));
    }
    return text + '\n';
}

std::string check_json(const config::LoadResult& result) {
    boost::json::array lines;
    if (result.ok()) {
        for (const config::SettingLine& line : result.settings.effective) {
            lines.push_back(boost::json::object{
                {"key", line.key}, {"value", line.value}, {"source", line.source}});
        }
    }
    boost::json::object report;
    report["ok"] = result.ok();
    report["file"] = result.settings.file.string();
    report["problems"] = problems_json(result.problems);
    report["warnings"] = problems_json(result.settings.warnings);
    report["settings"] = std::move(lines);
    return boost::json::serialize(report) + '\n';
}

}  // namespace relay
