#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string_view>

#include "diagnose/observations.hpp"

namespace diagnose {

// The value of a TcpExt counter in the text of /proc/net/netstat; none when it is not there.
[[nodiscard]] std::optional<long> tcp_counter(std::string_view netstat, std::string_view name);

// One silent connect to port 25, long enough for two SYNs to be sent again, between two looks at
// the kernel's counter; then the packet filter's rules, when they may be read. About 4 s.
[[nodiscard]] boost::asio::awaitable<LocalSigns> look_at_this_host(
    boost::asio::any_io_executor executor, boost::asio::ip::address silent_address,
    std::uint16_t port);

}  // namespace diagnose
