#include "relay/named_config.hpp"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace relay {
namespace {

// Those that look at a configuration's smarthosts.
bool reads_config(std::string_view command) {
    const bool named = command.find("relay diagnose") != std::string_view::npos ||
                       command.find("relay check") != std::string_view::npos;
    const bool other = command.find("--config") != std::string_view::npos ||
                       command.find("--inbound") != std::string_view::npos;
    return named && !other;
}

// Commands stand between backticks.
std::string with_option(const std::string& text, const std::string& option) {
    std::string result;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t begin = text.find('`', at);
        const std::size_t end = begin == std::string::npos ? begin : text.find('`', begin + 1);
        if (end == std::string::npos) break;
        result += text.substr(at, end - at);
        if (reads_config(std::string_view{text}.substr(begin, end - begin))) result += option;
        result += '`';
        at = end + 1;
    }
    return result + text.substr(at);
}

}  // namespace

std::string shell_quoted(const std::string& word) {
    const bool plain = std::all_of(word.begin(), word.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 ||
               std::string_view{"@%+=:,./-_"}.find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (plain) return word;
    std::string text = "'";
    for (const char c : word) {
        if (c == '\'') text += "'\\'";
        text += c;
    }
    return text + "'";
}

void name_config(diagnose::Report& report, const std::string& file) {
    if (file.empty()) return;
    const std::string option = " --config " + shell_quoted(file);
    for (diagnose::Fix& fix : report.fixes) {
        for (std::string& step : fix.steps) step = with_option(step, option);
    }
    for (diagnose::Finding& finding : report.findings) {
        finding.summary = with_option(finding.summary, option);
    }
}

}  // namespace relay
