#pragma once

#include <string_view>

#include "smtp/envelope.hpp"

namespace smtp {

[[nodiscard]] std::string_view body_name(BodyType body);  // "8BITMIME"
[[nodiscard]] std::string_view ret_name(Ret ret);         // "HDRS", "" when unset

}  // namespace smtp
