#pragma once

#include <cstdint>
#include <string_view>

namespace smtp {

// Where in a delivery something happened; the reply catalogue uses the same words.
enum class Stage : std::uint8_t {
    dns,
    connect,
    greeting,
    ehlo,
    starttls,
    tls,
    auth,
    mail,
    rcpt,
    data,
    body,
    final_dot,
    quit
};

[[nodiscard]] std::string_view stage_name(Stage stage);  // "dns", "connect", ... "final-dot"

}  // namespace smtp
