#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace base {

// Has the last word on a file's new content, which lies under the name of draft by then, in the
// folder of the file, so that paths relative to it mean the same.
using Approval =
    std::function<Result<>(const std::string& draft, const std::filesystem::path& file)>;

// Makes text the content of a regular file, whole or not at all. Owner and mode stay; a new file is
// the user's alone (0600). A symbolic link stays one. The error names the file or its folder.
[[nodiscard]] Result<> replace_file(const std::filesystem::path& file, std::string_view text,
                                    const Approval& approve = {});

}  // namespace base
