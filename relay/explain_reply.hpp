#pragma once

#include <string>

#include "smtp/reply.hpp"
#include "smtp/stage.hpp"

namespace relay {

// What a server's reply means and what to do about it, "" when the catalogue knows nothing.
[[nodiscard]] std::string explain_reply(const smtp::Reply& reply, smtp::Stage stage,
                                        std::string_view host);

}  // namespace relay
