#pragma once

#include <string>
#include <string_view>

#include "smtp/mime_entity.hpp"

namespace smtp {

// A header field in ASCII: what its grammar allows becomes encoded words (RFC 2047) or the extended
// values of RFC 2231, anything else loses its 8-bit bytes.
[[nodiscard]] std::string encode_field(const HeaderField& field);

// With a question mark in the place of each byte that is not ASCII.
[[nodiscard]] std::string ascii_only(std::string_view text);

}  // namespace smtp
