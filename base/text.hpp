#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace base {

[[nodiscard]] std::string to_lower(
    std::string_view text);  // ASCII only, like all of SMTP's keywords
[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);
[[nodiscard]] std::string_view trim(std::string_view text);  // blanks, tabs, CR, LF at both ends
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

// For log lines and terminals: control characters and invalid UTF-8 become "\x1b"; cut at limit
// bytes.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 512);
void append_printable(std::string& out, std::string_view text, std::size_t limit);

[[nodiscard]] bool is_ascii(std::string_view text);
// Bytes of the UTF-8 sequence that text, which is not empty, begins with; 0 when it is none
// (RFC 3629 section 4: no overlong forms, no surrogates).
[[nodiscard]] std::size_t utf8_length(std::string_view text);
[[nodiscard]] bool is_valid_utf8(std::string_view text);

// '*' stands for any run of characters, '?' for one; case is ignored.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);

// The candidate with the fewest edits from word, or "" when none is near.
[[nodiscard]] std::string nearest(std::string_view word,
                                  const std::vector<std::string>& candidates);

}  // namespace base
