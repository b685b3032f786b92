#pragma once

#include <cstdint>
#include <vector>

namespace diagnose {

// Whether TLS begins with the first byte on this port (RFC 8314 section 3.3, and the alternates of
// providers); STARTTLS is for all the others.
[[nodiscard]] bool implicit_tls(std::uint16_t port);

// Puts ports in the order to try them: 587, 465, 2525, then the others.
void sort_by_preference(std::vector<std::uint16_t>& ports);

}  // namespace diagnose
