#pragma once

#include <string>

namespace diagnose {

// The web proxy that the environment names, as curl and most programs take it; of its URL the host
// and port only, for it may hold a password. "" when there is none.
[[nodiscard]] std::string web_proxy();

}  // namespace diagnose
