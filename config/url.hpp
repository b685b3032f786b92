#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// People paste the URL of a mail server, MAILER_DSN and the like, where a host name belongs; it
// carries a password.
namespace config {

// The text with "***" for whatever may be credentials: all between "://" and "@", what stands
// before the "@" when there is a colon in it, a port that is no number, and a query.
[[nodiscard]] std::string without_credentials(std::string_view text);

// What the URL says for the keys of [smarthost]: `host = "h", port = 587, username = "u"`, as far
// as it says something fit for them; "" when it is neither a URL nor user:password@host. The
// password is not among it.
[[nodiscard]] std::string keys_of_url(std::string_view text);

}  // namespace config
