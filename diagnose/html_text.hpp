#pragma once

#include <string>
#include <string_view>

namespace diagnose {

// For element content and quoted attributes: control characters and invalid UTF-8 are made visible,
// and & < > " ' cannot mean anything.
[[nodiscard]] std::string html_escaped(std::string_view text);

// The same for a sentence of ours: `commands` become <code>, web addresses become links.
[[nodiscard]] std::string html_sentence(std::string_view text);

}  // namespace diagnose
