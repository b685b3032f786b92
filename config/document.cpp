#include "config/document.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/text.hpp"

namespace config {
namespace {

Place place_of(const toml::source_region& region) {
    return {static_cast<unsigned>(region.begin.line), static_cast<unsigned>(region.begin.column)};
}

Value convert(const toml::node& node);

Table convert_table(const toml::table& table) {
    Table members;
    members.reserve(table.size());
    for (const auto& [key, node] : table) {
        members.push_back({std::string{key.str()}, place_of(key.source()), convert(node)});
    }
    return members;
}

List convert_list(const toml::array& array) {
    List values;
    values.reserve(array.size());
    for (const toml::node& node : array) values.push_back(convert(node));
    return values;
}

Value convert(const toml::node& node) {
    Value value{place_of(node.source()), DateTime{}};
    if (const auto* text = node.as_string()) value.data = text->get();
    if (const auto* number = node.as_integer()) value.data = number->get();
    if (const auto* number = node.as_floating_point()) value.data = number->get();
    if (const auto* flag = node.as_boolean()) value.data = flag->get();
    if (const auto* array = node.as_array()) value.data = convert_list(*array);
    if (const auto* table = node.as_table()) value.data = convert_table(*table);
    return value;
}

}  // namespace

std::string_view Value::kind() const {
    constexpr std::string_view names[] = {"a date or time", "a string",      "a whole number",
                                          "a fraction",     "true or false", "a list",
                                          "a table"};
    return names[data.index()];
}

base::Result<Table, SyntaxFault> parse_document(std::string_view text) {
    try {
        return convert_table(toml::parse(text));
    } catch (const toml::parse_error& error) {
        const Place place = place_of(error.source());
        return SyntaxFault{place, syntax_message(text, place, error.description())};
    }
}

std::string in_quotes(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            result += '\\';
            result += c;
        } else if (byte < 0x20 || byte == 0x7F) {
            result += fmt::format("\\u{:04x}", byte);
        } else {
            result += c;
        }
    }
    return result + '"';
}

std::string_view line_of(std::string_view text, unsigned number) {
    for (unsigned line = 1; number > 0; ++line) {
        const std::size_t end = text.find('\n');
        if (line == number) {
            const std::string_view found = text.substr(0, end);
            return found.ends_with('\r') ? found.substr(0, found.size() - 1) : found;
        }
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return {};
}

}  // namespace config
