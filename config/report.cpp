#include "config/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/text.hpp"
#include "config/excerpt.hpp"

namespace config {
namespace {

constexpr std::string_view secret_words[] = {"password", "token", "client_secret"};

// password_file and password_env as well: a password typed there is a common mistake. Who holds the
// URL of a web hook may post to it.
bool secret_key(std::string_view key) {
    if (key.ends_with("_url")) return false;
    return key.ends_with("_webhook") ||
           std::any_of(std::begin(secret_words), std::end(secret_words),
                       [&](std::string_view word) { return key.starts_with(word); });
}

// The section's table: "smarthost" for "smarthost[2]".
std::string without_index(std::string_view section) {
    return std::string{section.substr(0, section.find('['))};
}

}  // namespace

Report::Report(std::string file, std::string_view text, std::filesystem::path folder)
    : file_(std::move(file)), text_(text), folder_(std::move(folder)) {}

void Report::fault(Place place, std::string message, std::string_view section) {
    const std::string_view outermost = section.substr(0, section.find('.'));
    problems_.push_back(
        {file_, place.line, place.column, std::move(message), {}, without_index(outermost)});
}

void Report::missing_secret(Place place, std::string message, std::string_view section) {
    fault(place, std::move(message), section);
    problems_.back().secret = true;
}

void Report::warn(Place place, std::string message) {
    warnings_.push_back({file_, place.line, place.column, std::move(message), {}});
}

void Report::show(std::string key, std::string value, std::string source, Place place) {
    effective_.push_back(
        {std::move(key), std::move(value), std::move(source), place.line, place.column});
}

std::vector<std::string>& Report::keys_of(std::string_view section) {
    const auto found = std::find_if(known_.begin(), known_.end(), [&](const SectionKeys& item) {
        return item.section == section;
    });
    if (found != known_.end()) return found->keys;
    return known_.emplace_back(SectionKeys{std::string{section}, {}}).keys;
}

void Report::know_section(std::string_view section) {
    static_cast<void>(keys_of(section));  // its keys follow one by one
}

void Report::know(const std::string& section, std::string_view key) {
    std::vector<std::string>& keys = keys_of(without_index(section));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.emplace_back(key);
}

void Report::unknown(const std::string& section, std::string_view key, Place place) {
    unknown_.push_back({without_index(section), std::string{key}, place});
}

void Report::unknown_section(std::string_view name, Place place,
                             const std::vector<std::string>& known) {
    const std::string near = base::nearest(name, known);
    fault(place, fmt::format("unknown section [{}]{}", base::printable(name, 60),
                             near.empty() ? ": known are " + base::join(known, ", ")
                                          : fmt::format("; did you mean [{}]?", near)));
}

std::string Report::source(Place place) const {
    return place.line == 0 ? file_ : fmt::format("{}:{}", file_, place.line);
}

std::string Report::other_home(const std::string& section, const std::string& key) const {
    for (const auto& [name, keys] : known_) {
        if (name == section) continue;
        if (std::find(keys.begin(), keys.end(), key) != keys.end()) return name;
    }
    return {};
}

std::string Report::unknown_message(const Unknown& unknown) {
    const std::string shown = base::printable(unknown.key, 60);
    const std::vector<std::string> keys = keys_of(unknown.section);
    const std::string home = other_home(unknown.section, unknown.key);
    const std::string near = base::nearest(unknown.key, keys);

    const std::string where =
        unknown.section.empty() ? "outside all sections" : fmt::format("in [{}]", unknown.section);
    std::string message = fmt::format("unknown key \"{}\" {}", shown, where);
    if (!home.empty()) return message + fmt::format(": it belongs into [{}]", home);
    if (!near.empty()) return message + fmt::format("; did you mean \"{}\"?", near);
    if (keys.empty()) return message;
    return message + ": known here are " + base::join(keys, ", ");
}

void Report::complete(std::vector<Problem>& problems) const {
    const auto harmless = [this](std::string_view key) {
        return !secret_key(key) &&
               std::any_of(known_.begin(), known_.end(), [&](const SectionKeys& item) {
                   return item.section == key ||
                          std::find(item.keys.begin(), item.keys.end(), key) != item.keys.end();
               });
    };
    for (Problem& problem : problems) {
        if (problem.line > 0) problem.excerpt = excerpt(text_, problem.line, harmless);
    }
    std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
        return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
}

void Report::finish(LoadResult& result) {
    for (const Unknown& unknown : unknown_) {
        fault(unknown.place, unknown_message(unknown), unknown.section);
    }
    complete(problems_);
    complete(warnings_);
    result.problems = std::move(problems_);
    result.settings.warnings = std::move(warnings_);
    result.settings.effective = std::move(effective_);
}

}  // namespace config
