#pragma once

#include <string_view>

namespace diagnose {

// What a block to paste says where no smarthost, or nobody's account there, is known; `relay
// diagnose --write` asks for it.
inline constexpr std::string_view sample_host = "smtp.example.com";
inline constexpr std::string_view sample_hint = "  # your provider's submission server";
inline constexpr std::string_view sample_user = "app@example.com";
inline constexpr std::string_view sample_password_file = "/etc/relay/password";

}  // namespace diagnose
