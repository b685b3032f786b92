#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace config {

// Line number of a configuration file, fit to be shown beside a fault: whatever might be a secret
// is replaced by ***. harmless tells the keys whose values may be shown; a value whose key is
// misspelt may be a password just as well, and is not.
[[nodiscard]] std::string excerpt(std::string_view text, unsigned number,
                                  const std::function<bool(std::string_view key)>& harmless);

}  // namespace config
