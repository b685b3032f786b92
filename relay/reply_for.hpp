#pragma once

#include "smtp/reply.hpp"
#include "spool/spool.hpp"

namespace relay {

// The only place where an error of ours becomes SMTP. A fault of ours is 4yz, never 5yz: the client
// keeps the mail. Texts name no path, host or library; the log does.
[[nodiscard]] smtp::Reply reply_for(spool::Problem problem);

[[nodiscard]] smtp::Reply shutting_down();
[[nodiscard]] smtp::Reply idle_too_long();
[[nodiscard]] smtp::Reply no_end_of_content();
[[nodiscard]] smtp::Reply mail_loop();
[[nodiscard]] smtp::Reply too_many_connections();
[[nodiscard]] smtp::Reply client_not_allowed();
[[nodiscard]] smtp::Reply client_unknown();  // by the proxy in front
[[nodiscard]] smtp::Reply proxy_header_missing();

}  // namespace relay
