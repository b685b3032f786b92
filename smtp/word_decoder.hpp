#pragma once

#include <string>
#include <string_view>

namespace smtp {

// A header value with its encoded words (RFC 2047) written out in UTF-8, never longer than it was.
// Words in a charset other than UTF-8, US-ASCII, ISO-8859-1 and Windows-1252, and words that hide
// control characters or marks that turn a line, stay as they are.
[[nodiscard]] std::string decode_words(std::string_view value);

}  // namespace smtp
