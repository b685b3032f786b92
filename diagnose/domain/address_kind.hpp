#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>

namespace diagnose {

// As net::scope_name(): "loopback", "private", "documentation", ...; "" for an address of the
// public Internet.
[[nodiscard]] std::string_view address_kind(const boost::asio::ip::address& address);

// "4.3.2.1" of 1.2.3.4, or the nibbles of an IPv6 address, as zones of block lists want them (RFC
// 5782 sections 2.1 and 2.4).
[[nodiscard]] std::string reversed_address(const boost::asio::ip::address& address);

}  // namespace diagnose
