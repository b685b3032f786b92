#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace admin {

// A request target taken apart: path segments and query parameters, percent-decoded.
struct Target {
    std::vector<std::string> segments;  // "/api/v1/status" is {"api", "v1", "status"}, "/" is {}
    std::vector<std::pair<std::string, std::string>> parameters;  // in their order

    [[nodiscard]] std::optional<std::string> find(std::string_view name) const;  // the first one
};

// The origin form only (RFC 9112 section 3.2.1): "/path?query".
[[nodiscard]] base::Result<Target> parse_target(std::string_view text);

// For the other direction: what is not unreserved (RFC 3986 section 2.3) becomes %XX.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace admin
