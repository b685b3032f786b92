#pragma once

#include <string>
#include <string_view>

namespace smtp {

// RFC 2045 section 6.7, of text with CRLF lines: at most 76 characters on a line.
[[nodiscard]] std::string quoted_printable(std::string_view text);
// RFC 2045 section 6.8: base64 in lines of 76, each with CRLF.
[[nodiscard]] std::string base64_lines(std::string_view bytes);
// Base64 that came in lines of any length, in lines of 76.
[[nodiscard]] std::string rewrap_base64(std::string_view text);
// Quoted-printable that breaks its rules: 8-bit bytes written out, over-long lines broken softly.
[[nodiscard]] std::string repair_quoted_printable(std::string_view text);

}  // namespace smtp
