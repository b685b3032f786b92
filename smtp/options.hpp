#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"

namespace smtp {

enum class AuthPolicy : std::uint8_t { none, accept_any, required };
enum class BareNewline : std::uint8_t { normalize, reject };

// What the server half says and allows. [server] in the configuration.
struct ServerOptions {
    std::string hostname;
    std::uint64_t max_message_size = 50ULL << 20;
    std::uint32_t max_recipients = 1000;
    AuthPolicy auth = AuthPolicy::none;
    BareNewline bare_newline = BareNewline::normalize;
};

}  // namespace smtp
