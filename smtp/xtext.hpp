#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace smtp {

// RFC 3461 section 4: how ENVID, ORCPT and AUTH write what a parameter could not hold.
// nullopt when the text is not xtext.
[[nodiscard]] std::optional<std::string> xtext_decode(std::string_view text);

}  // namespace smtp
