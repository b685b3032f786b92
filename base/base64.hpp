#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace base {

// RFC 4648 section 4, with padding and without line breaks.
[[nodiscard]] std::string base64_encode(std::string_view bytes);
// nullopt for anything that is not exactly such a text.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

}  // namespace base
