#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace relay {

// The addresses of this host's default gateways, of both families, as text.
[[nodiscard]] std::vector<std::string> default_gateways();

// The same from the kernel's tables, in the forms of /proc/self/net/route and
// /proc/self/net/ipv6_route.
void add_ipv4_gateways(std::istream& routes, std::vector<std::string>& gateways);
void add_ipv6_gateways(std::istream& routes, std::vector<std::string>& gateways);

}  // namespace relay
