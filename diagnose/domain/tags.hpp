#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diagnose {

// "v=DMARC1; p=none" as its tags, names in lower case, in order; the form of DKIM, DMARC, MTA-STS
// and TLS-RPT records. What has no '=' is left out.
using Tags = std::vector<std::pair<std::string, std::string>>;

[[nodiscard]] Tags parse_tags(std::string_view text);
// The first of that name, nullptr when there is none.
[[nodiscard]] const std::string* find_tag(const Tags& tags, std::string_view name);

}  // namespace diagnose
