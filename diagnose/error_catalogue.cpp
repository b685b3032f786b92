#include "diagnose/error_catalogue.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>

#include "config/data/data.hpp"
#include "diagnose/data_file.hpp"
#include "diagnose/text_words.hpp"

namespace diagnose {
namespace {

ErrorEntry read_error(const toml::table& table) {
    ErrorEntry entry;
    entry.id = text_of(table["id"]);
    entry.contains = texts_of(table["contains"]);
    entry.with = texts_of(table["with"]);
    entry.ports = ports_of(table["ports"]);
    entry.local = table["local"].value_or(false);
    entry.vague = table["vague"].value_or(false);
    entry.firm = table["firm"].value_or(false);
    entry.stage = text_of(table["stage"]);
    entry.verdict = text_of(table["verdict"]);
    entry.who_fixes = text_of(table["who_fixes"]);
    entry.retry = text_of(table["retry"]);
    entry.meaning = text_of(table["meaning"]);
    entry.fix = text_of(table["fix"]);
    return entry;
}

StandardEntry read_standard(const toml::table& table) {
    StandardEntry entry;
    const std::string code = text_of(table["code"]);
    std::from_chars(code.data(), code.data() + code.size(), entry.code);
    entry.enhanced = text_of(table["enhanced"]);
    entry.who_fixes = text_of(table["who_fixes"]);
    entry.retry = text_of(table["retry"]);
    entry.meaning = text_of(table["meaning"]);
    entry.fix = text_of(table["fix"]);
    return entry;
}

bool any_part(const std::vector<std::string>& parts, const std::string& folded) {
    return std::any_of(parts.begin(), parts.end(), [&](const std::string& part) {
        return folded.find(part) != std::string::npos;
    });
}

bool any_port(const ErrorEntry& entry, const TextFacts& facts) {
    return std::any_of(entry.ports.begin(), entry.ports.end(), [&](std::uint16_t port) {
        return std::find(facts.ports.begin(), facts.ports.end(), port) != facts.ports.end();
    });
}

}  // namespace

base::Result<ErrorCatalogue> ErrorCatalogue::parse(std::string_view toml_text) {
    ErrorCatalogue catalogue;
    try {
        const toml::table document = toml::parse(toml_text);
        if (const toml::array* errors = document["error"].as_array()) {
            for (const toml::node& node : *errors) {
                catalogue.entries_.push_back(read_error(*node.as_table()));
            }
        }
        if (const toml::array* standards = document["standard"].as_array()) {
            for (const toml::node& node : *standards) {
                catalogue.standards_.push_back(read_standard(*node.as_table()));
            }
        }
    } catch (const toml::parse_error& problem) {
        return base::error(fmt::format("error catalogue, line {}: {}", problem.source().begin.line,
                                       problem.description()));
    }
    return catalogue;
}

const ErrorCatalogue& ErrorCatalogue::built_in() {
    static const ErrorCatalogue catalogue = [] {
        base::Result<ErrorCatalogue> parsed = parse(config::data::errors_toml());
        // A fault in the built-in file is a bug, and the schema test finds it.
        if (parsed.has_error()) throw std::logic_error(parsed.error().message);
        return std::move(*parsed);
    }();
    return catalogue;
}

ErrorMatch ErrorCatalogue::find(const TextFacts& facts) const {
    ErrorMatch best;
    std::size_t best_score = 0;
    for (const ErrorEntry& entry : entries_) {
        const std::string_view found = longest_part(entry.contains, facts.folded);
        if (found.empty() || (entry.local && !facts.local)) continue;
        if (!entry.with.empty() && !any_part(entry.with, facts.folded)) continue;
        if (!entry.ports.empty() && !any_port(entry, facts)) continue;
        const std::size_t score = (entry.firm ? 200'000 : 0) + (entry.vague ? 0 : 100'000) +
                                  (entry.local ? 40'000 : 0) + (entry.ports.empty() ? 0 : 20'000) +
                                  (entry.with.empty() ? 0 : 10'000) + found.size();
        if (score > best_score) {
            best_score = score;
            best = {&entry, find_part(facts.folded, found), std::string(found)};
        }
    }
    return best;
}

const StandardEntry* ErrorCatalogue::by_enhanced(std::string_view enhanced) const {
    const std::string any_class = "x" + std::string(enhanced.substr(1));
    const std::string subject = any_class.substr(0, any_class.rfind('.'));
    for (const std::string& wanted : {any_class, subject}) {
        const auto found =
            std::find_if(standards_.begin(), standards_.end(),
                         [&](const StandardEntry& entry) { return entry.enhanced == wanted; });
        if (found != standards_.end()) return &*found;
    }
    return nullptr;
}

const StandardEntry* ErrorCatalogue::standard(int code, std::string_view enhanced) const {
    // 2.x.y adds nothing to a success and is one alone, and x.0.0 adds nothing to a code.
    if (code == 0 && enhanced.starts_with('2')) code = 250;
    const bool telling = !enhanced.empty() && enhanced[0] != '2' && !enhanced.ends_with(".0.0");
    if (telling || (code == 0 && !enhanced.empty())) {
        if (const StandardEntry* entry = by_enhanced(enhanced)) return entry;
    }
    const auto by_code =
        std::find_if(standards_.begin(), standards_.end(),
                     [&](const StandardEntry& entry) { return entry.code == code && code != 0; });
    return by_code == standards_.end() ? nullptr : &*by_code;
}

}  // namespace diagnose
