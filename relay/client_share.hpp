#pragma once

#include <string>

namespace relay {

// Whose connections are counted together with those of this address. One host may have as many
// addresses of an IPv6 network of 64 bits as it likes (RFC 8981), so the network counts:
// "2001:db8:1:2::/64".
[[nodiscard]] std::string share_of(const std::string& client);

}  // namespace relay
