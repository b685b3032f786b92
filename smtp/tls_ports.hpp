#pragma once

#include <cstdint>

namespace smtp {

// Whether TLS begins with the first byte on this port (RFC 8314 section 3.3, and the alternates of
// providers); STARTTLS is for all the others.
[[nodiscard]] constexpr bool implicit_tls(std::uint16_t port) {
    return port == 465 || port == 2465 || port == 8465;
}

}  // namespace smtp
