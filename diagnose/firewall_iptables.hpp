#pragma once

#include <string>

#include "base/result.hpp"
#include "diagnose/firewall_model.hpp"

namespace diagnose {

// Reads what iptables-save -c (v6: ip6tables-save -c) prints, of the legacy and the nft flavour.
[[nodiscard]] base::Result<FirewallRules> parse_iptables(const std::string& listing, bool v6);

}  // namespace diagnose
