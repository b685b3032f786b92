#include "base/this_host.hpp"

#include <arpa/inet.h>

#include <string>

#include "base/text.hpp"

namespace base {

bool is_loopback_address(std::string_view address) {
    if (address.find('\0') != std::string_view::npos) return false;
    const std::string text{address};
    in_addr v4{};
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return text.starts_with("127.");
    in6_addr v6{};
    if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6);
    return (mapped && v6.s6_addr[12] == 127) || IN6_IS_ADDR_LOOPBACK(&v6);
}

bool is_this_host(std::string_view host) {
    return host.starts_with("unix:") || equals_ignoring_case(host, "localhost") ||
           is_loopback_address(host);
}

}  // namespace base
