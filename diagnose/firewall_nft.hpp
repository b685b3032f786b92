#pragma once

#include <string>

#include "base/result.hpp"
#include "diagnose/firewall_model.hpp"

namespace diagnose {

// Reads `nft -j list ruleset` (libnftables-json(5)); the text of `nft -a list ruleset`, which may
// be "", gives each rule the words it is quoted by.
[[nodiscard]] base::Result<FirewallRules> parse_nft(const std::string& json,
                                                    const std::string& text);

}  // namespace diagnose
