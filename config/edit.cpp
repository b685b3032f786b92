#include "config/edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"
#include "config/document.hpp"

namespace config {
namespace {

// Whoever set one of these chose how to sign in: a fix for the network does not touch it.
constexpr std::array<std::string_view, 8> sign_in_keys{
    "username",         "password", "password_file",       "password_env",
    "password_command", "auth",     "password_credential", "oauth2"};

bool is_sign_in(std::string_view key) {
    return std::find(sign_in_keys.begin(), sign_in_keys.end(), key) != sign_in_keys.end();
}

const Member* find(const Table& table, std::string_view key) {
    for (const Member& member : table) {
        if (member.key == key) return &member;
    }
    return nullptr;
}

std::string string_of(const Table& table, std::string_view key) {
    const Member* member = find(table, key);
    const auto* text = member == nullptr ? nullptr : std::get_if<std::string>(&member->value.data);
    return text == nullptr ? "" : *text;
}

// A section of the file: its header's line and its keys.
struct Section {
    unsigned line = 0;
    const Table* keys = nullptr;
};

// How many bytes the value at the start of text takes on its line; none when it is not a plain
// value on one line.
std::optional<std::size_t> value_length(std::string_view text) {
    if (text.empty() || text.front() == '[' || text.front() == '{') return std::nullopt;
    const char quote = text.front();
    if (quote != '"' && quote != '\'') return std::min(text.find_first_of(" \t\r#"), text.size());
    if (text.substr(0, 3) == std::string(3, quote)) return std::nullopt;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (quote == '"' && text[i] == '\\') {
            ++i;
        } else if (text[i] == quote) {
            return i + 1;
        }
    }
    return std::nullopt;
}

// Where the value begins on a line "key = value"; none when the line has another form.
std::optional<std::size_t> value_start(std::string_view line, std::string_view key) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos || !line.substr(begin).starts_with(key))
        return std::nullopt;
    const std::size_t equals = line.find_first_not_of(" \t", begin + key.size());
    if (equals == std::string_view::npos || line[equals] != '=') return std::nullopt;
    const std::size_t start = line.find_first_not_of(" \t", equals + 1);
    if (start == std::string_view::npos) return std::nullopt;
    return start;
}

bool same_value(const Value& a, const Value& b) {
    if (const auto* text = std::get_if<std::string>(&a.data)) {
        const auto* other = std::get_if<std::string>(&b.data);
        return other != nullptr && *text == *other;
    }
    const auto* number = std::get_if<std::int64_t>(&a.data);
    const auto* other = std::get_if<std::int64_t>(&b.data);
    return number != nullptr && other != nullptr && *number == *other;
}

class Editor {
 public:
    Editor(std::string_view text, const Table& root) : root_(root) {
        for (const std::string_view line : base::split(text, '\n')) lines_.emplace_back(line);
        if (lines_.back().empty()) lines_.pop_back();
        crlf_ = !lines_.empty() && lines_.front().ends_with('\r');
    }

    base::Result<> put_section(std::string_view name, const Table& keys, std::string_view block) {
        const Member* found = find(root_, name);
        if (found == nullptr) {
            append_section(name, keys, block);
            return {};
        }
        const base::Result<Section> section = choose(*found, keys);
        if (!section) return section.error();
        return put_keys(*section, keys, block);
    }

    Edit finish() && {
        Edit edit;
        edit.changes = std::move(changes_);
        std::vector<std::string> all;
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            all.push_back(std::move(lines_[i]));
            for (const auto& [after, line] : inserted_) {
                if (after == i + 1) all.push_back(ended(line));
            }
        }
        for (const std::string& line : appended_) all.push_back(ended(line));
        edit.text = base::join(all, "\n") + "\n";
        return edit;
    }

 private:
    [[nodiscard]] std::string ended(const std::string& line) const {
        return crlf_ ? line + "\r" : line;
    }

    [[nodiscard]] base::Result<Section> choose(const Member& found, const Table& keys) const {
        const std::string host = string_of(keys, "host");
        std::vector<Section> sections;
        if (const auto* table = std::get_if<Table>(&found.value.data)) {
            sections.push_back({found.value.place.line, table});
        } else if (const auto* list = std::get_if<List>(&found.value.data)) {
            for (const Value& item : *list) {
                if (const auto* item_table = std::get_if<Table>(&item.data)) {
                    sections.push_back({item.place.line, item_table});
                }
            }
        }
        std::erase_if(sections, [&](const Section& section) {
            const std::string theirs = string_of(*section.keys, "host");
            return !host.empty() && !base::equals_ignoring_case(host, theirs);
        });
        if (sections.size() == 1) return check_form(sections.front(), found.key);
        const std::string which =
            host.empty() ? std::string{} : fmt::format(" with host = \"{}\"", host);
        return base::error(fmt::format("the file has {} [{}] section{}: change it by hand",
                                       sections.empty() ? "no" : "more than one", found.key,
                                       which));
    }

    [[nodiscard]] base::Result<Section> check_form(const Section& section,
                                                   const std::string& name) const {
        const bool there = section.line >= 1 && section.line <= lines_.size();
        if (there && base::trim(lines_[section.line - 1]).starts_with('[')) return section;
        return base::error(
            fmt::format("{} is not written as a [{}] section with a key on each line: change it by "
                        "hand",
                        name, name));
    }

    base::Result<> put_keys(const Section& section, const Table& keys, std::string_view block) {
        const bool signs_in = std::any_of(section.keys->begin(), section.keys->end(),
                                          [](const Member& key) { return is_sign_in(key.key); });
        unsigned after = section.line;
        for (const Member& key : keys) {
            if (signs_in && is_sign_in(key.key)) continue;
            const std::string line{base::trim(line_of(block, key.place.line))};
            const Member* old = find(*section.keys, key.key);
            if (old == nullptr) {
                insert(after, line);
                continue;
            }
            if (same_value(old->value, key.value)) continue;
            const base::Result<> replaced = replace(*old, line);
            if (!replaced) return replaced;
        }
        return keep_tls_fitting(section, keys);
    }

    // The kind of TLS belongs to the old port.
    base::Result<> keep_tls_fitting(const Section& section, const Table& keys) {
        const std::string old = string_of(*section.keys, "tls");
        if (find(keys, "port") == nullptr || find(keys, "tls") != nullptr) return {};
        if (old != "starttls" && old != "implicit") return {};
        return replace(*find(*section.keys, "tls"), "tls = \"auto\"");
    }

    // Only the value changes, so that a comment behind it stays.
    base::Result<> replace(const Member& old, std::string_view line) {
        std::string& present = lines_[old.place.line - 1];
        const std::optional<std::size_t> start = value_start(present, old.key);
        const std::optional<std::size_t> length =
            start ? value_length(std::string_view{present}.substr(*start)) : std::nullopt;
        const std::optional<std::size_t> new_start = value_start(line, old.key);
        const std::optional<std::size_t> new_length =
            new_start ? value_length(line.substr(*new_start)) : std::nullopt;
        if (!length || !new_length) {
            return base::error(
                fmt::format("line {}: {} is not written as a plain value on one line: change it by "
                            "hand to {}",
                            old.place.line, old.key, line));
        }
        const std::string_view value = line.substr(*new_start, *new_length);
        const std::string before{base::trim(present)};
        present.replace(*start, *length, value);
        changes_.push_back(
            fmt::format("line {}: {} -> {}", old.place.line, before, base::trim(present)));
        return {};
    }

    void insert(unsigned after, const std::string& line) {
        inserted_.emplace_back(after, line);
        changes_.push_back(fmt::format("line {}: + {}", after + 1, line));
    }

    void append_section(std::string_view name, const Table& keys, std::string_view block) {
        if (!lines_.empty()) appended_.emplace_back("");
        appended_.push_back(fmt::format("[{}]", name));
        for (const Member& key : keys) {
            appended_.emplace_back(base::trim(line_of(block, key.place.line)));
        }
        changes_.push_back(fmt::format("at the end: + [{}] and {} keys", name, keys.size()));
    }

    const Table& root_;
    bool crlf_ = false;
    std::vector<std::string> lines_;
    std::vector<std::pair<std::size_t, std::string>> inserted_;  // after line (from 1), text
    std::vector<std::string> appended_;
    std::vector<std::string> changes_;
};

Table in_file_order(Table keys) {
    std::sort(keys.begin(), keys.end(),
              [](const Member& a, const Member& b) { return a.place < b.place; });
    return keys;
}

base::Error syntax_error(std::string_view what, const SyntaxFault& fault) {
    return base::error(fmt::format("{}, line {}: {}", what, fault.place.line, fault.message));
}

}  // namespace

bool has_section(std::string_view text, std::string_view name) {
    const base::Result<Table, SyntaxFault> root = parse_document(text);
    return root.has_value() && find(*root, name) != nullptr;
}

base::Result<Edit> put_in(std::string_view text, std::string_view block) {
    const base::Result<Table, SyntaxFault> root = parse_document(text);
    if (!root) return syntax_error("the file", root.error());
    const base::Result<Table, SyntaxFault> wanted = parse_document(block);
    if (!wanted) return syntax_error("the fix", wanted.error());
    Editor editor{text, *root};
    for (const Member& section : *wanted) {
        const auto* keys = std::get_if<Table>(&section.value.data);
        if (keys == nullptr) return base::error("the fix is no section of single keys");
        const base::Result<> put = editor.put_section(section.key, in_file_order(*keys), block);
        if (!put) return put.error();
    }
    return std::move(editor).finish();
}

}  // namespace config
