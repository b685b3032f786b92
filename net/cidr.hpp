#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace net {

// A block of addresses: "127.0.0.0/8", "::1/128", "192.0.2.7". IPv4-mapped IPv6 counts as IPv4.
class Cidr {
 public:
    [[nodiscard]] static base::Result<Cidr> parse(std::string_view text);
    [[nodiscard]] bool contains(std::string_view address) const;  // false for what is no address
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool loopback() const;  // lies within 127.0.0.0/8 or is ::1

 private:
    std::array<std::uint8_t, 16> bits_{};  // IPv4 as ::ffff:a.b.c.d
    unsigned prefix_ = 0;
};

[[nodiscard]] bool any_contains(const std::vector<Cidr>& blocks, std::string_view address);
[[nodiscard]] bool is_loopback_address(std::string_view address);

}  // namespace net
