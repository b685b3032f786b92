#include "relay/check_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string_view>

#include "admin/json.hpp"

namespace relay {
namespace {

constexpr std::size_t widest_value = 48;  // longer values push their own remark to the right only

std::string place_of(const config::Problem& problem) {
    if (problem.file.empty()) return {};
    if (problem.line == 0) return problem.file + ": ";
    return fmt::format("{}:{}:{}: ", problem.file, problem.line, problem.column);
}

// The line with a caret under its column. Tabs became one printable character each in the excerpt.
std::string quotation(const config::Problem& problem, const Terminal& terminal) {
    if (problem.excerpt.empty()) return {};
    const std::string number = fmt::format("{:>5}", problem.line);
    const std::size_t column =
        std::clamp<std::size_t>(problem.column, 1, display_width(problem.excerpt) + 1);
    return fmt::format("{} {} {}\n{} {} {}{}\n", styled(terminal, Style::dim, number),
                       styled(terminal, Style::dim, "|"), problem.excerpt,
                       std::string(number.size(), ' '), styled(terminal, Style::dim, "|"),
                       std::string(column - 1, ' '), styled(terminal, Style::good, "^"));
}

std::string describe(const config::Problem& problem, std::string_view kind,
                     const Terminal& terminal) {
    return fmt::format("{}{} {}\n{}", styled(terminal, Style::bold, place_of(problem)), kind,
                       problem.message, quotation(problem, terminal));
}

std::string settings_table(const config::Settings& settings, const Terminal& terminal) {
    std::size_t key_width = 0, value_width = 0;
    for (const config::SettingLine& line : settings.effective) {
        key_width = std::max(key_width, display_width(line.key));
        if (display_width(line.value) <= widest_value)
            value_width = std::max(value_width, display_width(line.value));
    }
    std::string text, section;
    for (const config::SettingLine& line : settings.effective) {
        const std::string next = line.key.substr(0, line.key.rfind('.'));
        if (!section.empty() && next != section) text += '\n';
        section = next;
        const std::size_t gap =
            value_width > display_width(line.value) ? value_width - display_width(line.value) : 0;
        text += fmt::format(
            "{}{} = {}{}  {}\n", line.key, std::string(key_width - display_width(line.key), ' '),
            line.value, std::string(gap, ' '), styled(terminal, Style::dim, "# " + line.source));
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

std::string check_text(const config::LoadResult& result, const Terminal& terminal) {
    const config::Settings& settings = result.settings;
    std::string text;
    for (const config::Problem& problem : result.problems) {
        text += describe(problem, styled(terminal, Style::bad, "error:"), terminal);
    }
    for (const config::Problem& problem : settings.warnings) {
        text += describe(problem, styled(terminal, Style::warning, "warning:"), terminal);
    }
    if (!result.ok()) {
        return text + fmt::format("{} has {}\n", settings.file.string(),
                                  count(result.problems.size(), "error", "errors"));
    }
    if (!text.empty()) text += '\n';
    text += settings_table(settings, terminal);
    text +=
        fmt::format("\n{} {}", settings.file.string(), styled(terminal, Style::good, "is fine"));
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
    return admin::json_line(report);
}

}  // namespace relay
