#pragma once

#include <ares.h>

#include <string>
#include <string_view>

#include "net/resolver.hpp"

namespace net {

[[nodiscard]] DnsStatus status_of(int ares_status);

// Of a message's response code, RFC 1035 section 4.1.1.
[[nodiscard]] DnsStatus status_of_code(unsigned response_code, bool has_records);

// What was asked, for messages: "example.com has no mail servers (MX)".
[[nodiscard]] std::string problem_of(DnsStatus status, std::string_view what,
                                     const std::string& name, int ares_status = ARES_SUCCESS);

}  // namespace net
