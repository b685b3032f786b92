#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smtp {

// One field of a header section, as views into the message.
struct HeaderField {
    std::string_view raw;    // whole, with folding and its last line end
    std::string_view name;   // "" for a line that is no field
    std::string_view value;  // behind the colon, folded as it came, without the last line end
};

// A message or a body part taken apart (RFC 5322 section 2.1, RFC 2045 section 2.4).
struct MimeEntity {
    std::vector<HeaderField> fields;
    std::string_view separator;  // the empty line, "" when there is none
    std::string_view body;
};
[[nodiscard]] MimeEntity split_entity(std::string_view text);
[[nodiscard]] const HeaderField* find_field(const MimeEntity& entity, std::string_view name);

// "text/plain; charset=utf-8": a value with its parameters, comments not looked at.
struct ParameterizedValue {
    std::string_view value;                                            // trimmed
    std::vector<std::pair<std::string_view, std::string>> parameters;  // values unquoted
};
[[nodiscard]] ParameterizedValue split_parameters(std::string_view field_value);

// The value on one line (RFC 5322 section 2.2.3).
[[nodiscard]] std::string unfold(std::string_view value);

// What a line is between the parts of a multipart (RFC 2046 section 5.1.1).
enum class Delimiter : std::uint8_t { none, part, close };
[[nodiscard]] Delimiter delimiter_kind(std::string_view line, std::string_view boundary);

}  // namespace smtp
