#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <vector>

#include "base/clock.hpp"

namespace diagnose {

// Runs the tasks side by side and returns when all have ended, or at the deadline: then those still
// running go on alone, so whatever they refer to must be kept alive by them.
[[nodiscard]] boost::asio::awaitable<void> run_together(
    boost::asio::any_io_executor executor, std::vector<boost::asio::awaitable<void>> tasks,
    base::Duration limit);

}  // namespace diagnose
