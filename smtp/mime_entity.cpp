#include "smtp/mime_entity.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace smtp {
namespace {

// The first line of text with its line end.
std::string_view first_line(std::string_view text) {
    const std::size_t end = text.find('\n');
    return end == std::string_view::npos ? text : text.substr(0, end + 1);
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// A field with the lines that continue it.
std::string_view first_field(std::string_view text) {
    std::size_t length = first_line(text).size();
    while (length < text.size() && is_blank(text[length])) {
        length += first_line(text.substr(length)).size();
    }
    return text.substr(0, length);
}

HeaderField make_field(std::string_view raw) {
    HeaderField field{raw, {}, {}};
    const std::size_t colon = raw.find(':');
    if (colon == std::string_view::npos) return field;
    const std::string_view name = base::trim(raw.substr(0, colon));
    const bool valid = !name.empty() && std::ranges::all_of(name, [](char c) {
        return static_cast<unsigned char>(c) > ' ' && c != 0x7f;
    });
    if (!valid) return field;
    field.name = name;
    field.value = raw.substr(colon + 1);
    while (field.value.ends_with('\n') || field.value.ends_with('\r')) {
        field.value.remove_suffix(1);
    }
    return field;
}

// Where the first `wanted` is, outside of quoted strings; the length of text without one.
std::size_t find_unquoted(std::string_view text, char wanted) {
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && quoted) {
            ++i;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (text[i] == wanted && !quoted) {
            return i;
        }
    }
    return text.size();
}

std::string unquote(std::string_view text) {
    text = base::trim(text);
    if (!text.starts_with('"')) return std::string{text};
    std::string result;
    for (std::size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        result += text[i];
    }
    return result;
}

}  // namespace

MimeEntity split_entity(std::string_view text) {
    MimeEntity entity;
    while (!text.empty()) {
        const std::string_view line = first_line(text);
        if (line == "\r\n" || line == "\n") {
            entity.separator = line;
            entity.body = text.substr(line.size());
            return entity;
        }
        const std::string_view field = first_field(text);
        entity.fields.push_back(make_field(field));
        text.remove_prefix(field.size());
    }
    return entity;
}

const HeaderField* find_field(const MimeEntity& entity, std::string_view name) {
    const auto found = std::ranges::find_if(entity.fields, [&](const HeaderField& field) {
        return base::equals_ignoring_case(field.name, name);
    });
    return found == entity.fields.end() ? nullptr : &*found;
}

ParameterizedValue split_parameters(std::string_view field_value) {
    ParameterizedValue result;
    std::size_t end = find_unquoted(field_value, ';');
    result.value = base::trim(field_value.substr(0, end));
    while (end < field_value.size()) {
        field_value.remove_prefix(end + 1);
        end = find_unquoted(field_value, ';');
        const std::string_view parameter = field_value.substr(0, end);
        const std::size_t equals = parameter.find('=');
        if (equals == std::string_view::npos) continue;
        result.parameters.emplace_back(base::trim(parameter.substr(0, equals)),
                                       unquote(parameter.substr(equals + 1)));
    }
    return result;
}

std::string unfold(std::string_view value) {
    std::string result;
    result.reserve(value.size());
    for (const char c : value) {
        if (c != '\r' && c != '\n') result += c;
    }
    return result;
}

Delimiter delimiter_kind(std::string_view line, std::string_view boundary) {
    if (!line.starts_with("--") || !line.substr(2).starts_with(boundary)) return Delimiter::none;
    std::string_view rest = line.substr(2 + boundary.size());
    const bool close = rest.starts_with("--");
    if (close) rest.remove_prefix(2);
    if (!base::trim(rest).empty()) return Delimiter::none;
    return close ? Delimiter::close : Delimiter::part;
}

}  // namespace smtp
