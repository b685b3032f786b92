#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "diagnose/observations.hpp"

// Over which family a port is open, where that is one of two. Pure.
namespace diagnose {

// The only family over which a port of the smarthost is open, while others open over the one that
// closes it; none: there is no such difference.
[[nodiscard]] std::optional<net::Family> only_family(const Observations& seen,
                                                     std::string_view smarthost,
                                                     std::uint16_t port);

// " over IPv6 only"; "" for none.
[[nodiscard]] std::string_view only_words(std::optional<net::Family> family);

}  // namespace diagnose
