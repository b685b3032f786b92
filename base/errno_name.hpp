#pragma once

#include <string>
#include <string_view>

namespace base {

// The name of an errno value, for programs ("ECONNREFUSED"); the number where it has none. And
// back; 0 where there is no such name.
[[nodiscard]] std::string errno_name(int number);
[[nodiscard]] int errno_of(std::string_view name);

}  // namespace base
