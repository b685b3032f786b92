#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>

#include "net/resolver.hpp"

namespace diagnose {

// Asks the well-known plain pages of targets.toml and says what answers in their place: "" when
// they answer as they should, or nothing answers at all. About 3 s at most.
[[nodiscard]] boost::asio::awaitable<std::string> find_portal(boost::asio::any_io_executor executor,
                                                              net::Resolver& resolver);

}  // namespace diagnose
