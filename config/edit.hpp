#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace config {

struct Edit {
    std::string text;                  // the whole file afterwards
    std::vector<std::string> changes;  // "line 3: port = 587 -> port = 465"; empty: nothing to do
};

// The configuration text with the keys of block put in. A value that is there is replaced where it
// stands, a new key comes first in its section, a new section last in the file; all else, comments
// included, stays byte for byte. Credentials that are there stay, and a smarthost is known by its
// host. The error says what has to be done by hand.
[[nodiscard]] base::Result<Edit> put_in(std::string_view text, std::string_view block);

// Whether the text has a section, or a list of sections, with this name. False for a text that
// cannot be read.
[[nodiscard]] bool has_section(std::string_view text, std::string_view name);

// Makes text the content of the file, whole or not at all, once it has been read as a
// configuration without fault. Mode and owner stay; a new file is the user's alone (0600). A
// symbolic link stays one. The error names the file and the first fault.
[[nodiscard]] base::Result<> replace_file(const std::filesystem::path& file, std::string_view text);

}  // namespace config
