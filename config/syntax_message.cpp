#include <fmt/format.h>

#include <cctype>

#include "base/text.hpp"
#include "config/document.hpp"

// The parser's sentences are about code points it expected. People who edit a configuration by
// hand make about eight mistakes; each gets a sentence of its own. No sentence repeats a value:
// it may be a password.
namespace config {
namespace {

constexpr std::string_view key_characters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.\"' ";

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

struct Parts {
    std::string_view key, value;  // value is empty without '='
    bool assignment = false;
};

Parts split_line(std::string_view line) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return {base::trim(line), {}, false};
    return {base::trim(line.substr(0, equals)), base::trim(line.substr(equals + 1)), true};
}

// key = value with a value that begins like a word: the quotes were forgotten.
bool unquoted_text(std::string_view value) {
    if (value.empty() || has("\"'[{#", value.substr(0, 1))) return false;
    const std::string_view word = value.substr(0, value.find_first_of(" \t#,"));
    return word != "true" && word != "false" &&
           word.find_first_not_of("+-.:_0123456789TZtzeE") != std::string_view::npos;
}

std::string about_value(std::string_view key, std::string_view value) {
    if (value.empty() || value.front() == '#') {
        return fmt::format("{} has no value: write it as {} = \"...\"", key, key);
    }
    const std::string lowered = base::to_lower(value.substr(0, value.find_first_of(" \t#")));
    if (lowered == "yes" || lowered == "on") return fmt::format("{}: write true instead", key);
    if (lowered == "no" || lowered == "off") return fmt::format("{}: write false instead", key);
    if ((lowered == "true" || lowered == "false") && !value.starts_with(lowered)) {
        return fmt::format("{}: write {} in lower case", key, lowered);
    }
    if (unquoted_text(value)) {
        return fmt::format("{}: text stands in double quotes: {} = \"...\"", key, key);
    }
    return {};
}

std::string about_string(std::string_view key, std::string_view reason) {
    if (has(reason, "escape sequence") || has(reason, "hex digit")) {
        return fmt::format(
            "{}: a backslash in \"...\" starts an escape such as \\n: write \\\\, or put the text "
            "in single quotes",
            key);
    }
    if (has(reason, "parsing") && has(reason, "string") &&
        (has(reason, "end-of-file") || has(reason, "newline") || has(reason, "line break") ||
         has(reason, "control"))) {
        return fmt::format("{}: the closing quote is missing", key);
    }
    return {};
}

std::string about_header(std::string_view line) {
    const bool list = line.starts_with("[[");
    if (!has(line, list ? "]]" : "]")) {
        return fmt::format("the section's name lacks its closing {}", list ? "]]" : "]");
    }
    return "a section is written as [name] or [[name]], alone on its line";
}

std::string about_section_twice(std::string_view line) {
    const std::size_t begin = line.find_first_not_of('[');
    const std::string_view name = line.substr(begin, line.find(']') - begin);
    const std::string_view remedy = name == "smarthost" || name == "route"
                                        ? ", or make both [[{0}]] if you mean two of them"
                                        : "";
    return fmt::format("the section [{0}] is written twice: join the two{1}", name,
                       fmt::format(fmt::runtime(remedy), name));
}

}  // namespace

std::string syntax_message(std::string_view text, Place place, std::string_view reason) {
    if (!base::is_valid_utf8(text)) return "the file is not UTF-8 text: save it as UTF-8";
    const std::string_view line = base::trim(line_of(text, place.line));
    const Parts parts = split_line(line);
    const bool plain_key =
        !parts.key.empty() && parts.key.find_first_not_of(key_characters) == std::string_view::npos;

    if (has(reason, "redefine existing") || has(reason, "cannot insert")) {
        if (line.starts_with('[')) return about_section_twice(line);
        return fmt::format("{} is given twice: remove one", plain_key ? parts.key : "this key");
    }
    if (line.starts_with('[') && !parts.assignment) return about_header(line);
    if (parts.assignment && plain_key) {
        if (std::string message = about_string(parts.key, reason); !message.empty()) return message;
        if (std::string message = about_value(parts.key, parts.value); !message.empty()) {
            return message;
        }
        if (has(reason, "comment or whitespace")) {
            return fmt::format("{}: only a # comment may follow the value", parts.key);
        }
        if (has(reason, "comma")) {
            return fmt::format("{}: the values of a list are parted by commas and end with ]",
                               parts.key);
        }
    }
    if (!parts.assignment && plain_key && has(reason, "'='")) {
        return "a \"=\" is missing: lines are written as key = value";
    }
    if (has(reason, "comma") || has(reason, "array")) {
        return "this list is not well formed: its values are parted by commas and end with ]";
    }
    return "this is not TOML: lines are key = value, [section] or # comment, text in double quotes";
}

}  // namespace config
