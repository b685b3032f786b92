#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace diagnose {

// RFC 8461 section 3.2.
struct StsPolicy {
    bool valid = false;
    std::string mode;             // "enforce", "testing", "none"
    std::vector<std::string> mx;  // patterns: "*.example.com" stands for one label
    unsigned long max_age = 0;    // seconds
    std::string problem;
};

[[nodiscard]] StsPolicy parse_sts_policy(std::string_view text);
[[nodiscard]] bool sts_allows(const StsPolicy& policy, std::string_view host);

}  // namespace diagnose
