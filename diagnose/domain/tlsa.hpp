#pragma once

#include <string>

#include "net/resolver.hpp"

namespace diagnose {

// Why mail servers pass over a TLSA record (RFC 7672 section 3.1), "" when they use it.
[[nodiscard]] std::string tlsa_problem(const net::TlsaRecord& record);

}  // namespace diagnose
