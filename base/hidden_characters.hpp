#pragma once

#include <string>
#include <string_view>

namespace base {

// Characters that are not seen, or that make others be seen elsewhere: controls, separators of
// lines, marks that turn the direction of what follows, and what Unicode calls ignorable by
// default. No address and no name needs one, and each makes a text look like another or like the
// end of a line. The joiners U+200C and U+200D and the variation selectors are none of them: words
// of many scripts, and emoji, are spelt with those.

// Of one character, in valid UTF-8.
[[nodiscard]] bool is_hidden_character(std::string_view character);
[[nodiscard]] bool has_hidden_characters(std::string_view text);

// A JSON text with each of them that is not ASCII, and DEL, as \uXXXX: it has the same value, and a
// terminal shows what is there. Those of ASCII a JSON text has between its values only.
[[nodiscard]] std::string json_without_hidden_characters(std::string_view json);

}  // namespace base
