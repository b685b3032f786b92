#pragma once

#include <string>

namespace relay {

// The IPv4 address of this host's default gateway as text, "" when there is none.
[[nodiscard]] std::string default_gateway();

}  // namespace relay
