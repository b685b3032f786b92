#pragma once

#include <cstdint>
#include <string_view>

namespace smtp {

// RFC 5321 section 4.5.3.1, in octets.
// The RFC's 64 for a local part is what every server must take; VERP senders need more, and get it.
inline constexpr std::size_t longest_local_part = 128;
inline constexpr std::size_t longest_domain = 255;
inline constexpr std::size_t longest_path = 256;  // with its angle brackets

enum class PathFault : std::uint8_t { none, syntax, local_part_too_long, too_long };

struct ParsedPath {
    PathFault fault = PathFault::none;
    std::string_view address;  // inside the parsed text, without brackets and source route
    std::string_view rest;     // what follows the path
    bool ascii = true;         // false: legal only with SMTPUTF8 (RFC 6531 section 3.3)
};

// The path at the front of text (RFC 5321 section 4.1.2). Source routes are dropped, as its
// appendix C asks. Taken although the grammar forbids it, because real programs send it: no angle
// brackets, dots at odd places of the local part, an underscore in a domain, and a local part alone
// ("root"), which is for the caller to complete or refuse. "<>" gives an empty address.
[[nodiscard]] ParsedPath parse_path(std::string_view text);

// UTF-8 that shows what it is: no control characters beyond ASCII's, no line separators, nothing
// that turns the direction of what follows.
[[nodiscard]] bool is_clean_utf8(std::string_view text);

}  // namespace smtp
