#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"
#include "relay/output.hpp"

namespace relay {

// One diagnosis, ready to run on a loop.
using Diagnosis = std::function<boost::asio::awaitable<diagnose::Report>(
    boost::asio::any_io_executor executor, net::Resolver& resolver, diagnose::Progress progress)>;

// Runs it to its end on a loop of its own. With live, its checks are shown as they run, on
// standard error; nothing of that stays.
[[nodiscard]] base::Result<diagnose::Report> run_diagnosis(const Diagnosis& diagnosis, bool live,
                                                           std::string_view color);

// What is left of a time-out that began then; a moment, when it is over, so that whatever is known
// is still told.
[[nodiscard]] base::Duration time_left(base::Duration timeout,
                                       std::chrono::steady_clock::time_point began);

}  // namespace relay
