#pragma once

#include <boost/asio/ip/address.hpp>
#include <string_view>

namespace diagnose {

// Whether a reverse name looks as if made for an end user: it holds the address's own numbers, or a
// word such as "dynamic" or "dsl" (config/data/isps.toml). Receivers turn such names away.
[[nodiscard]] bool generic_ptr(std::string_view name, const boost::asio::ip::address& address);

}  // namespace diagnose
