#pragma once

#include <string_view>

namespace base {

// 127.0.0.0/8 and ::1, also as an IPv4-mapped address; false for a name.
[[nodiscard]] bool is_loopback_address(std::string_view address);

// localhost, a loopback address and a unix socket ("unix:/run/x"): what does not leave this host,
// so that credentials may go there in clear.
[[nodiscard]] bool is_this_host(std::string_view host);

}  // namespace base
