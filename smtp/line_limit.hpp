#pragma once

#include <cstddef>

namespace smtp {

// RFC 5322 section 2.1.1 and RFC 5321 section 4.5.3.1.6: a line's octets, without its CRLF.
inline constexpr std::size_t longest_text_line = 998;

}  // namespace smtp
