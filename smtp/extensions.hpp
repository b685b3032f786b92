#pragma once

#include <string_view>

#include "smtp/client_session.hpp"

namespace smtp {

// Reads the text of a reply to EHLO (lines parted by '\n', the first one is the greeting).
// Keywords nobody knows are kept in lines only.
[[nodiscard]] Extensions parse_extensions(std::string_view reply_text);

}  // namespace smtp
