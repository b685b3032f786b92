#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <utility>

#include "base/bug.hpp"
#include "base/result.hpp"

namespace relay {

// Runs one task to its end on a loop of its own, for a command that waits for it. An exception
// becomes an error: the Result that comes with one is made up by asio and looks like success.
template <class T>
[[nodiscard]] base::Result<T> run_alone(boost::asio::awaitable<base::Result<T>> task) {
    boost::asio::io_context loop{1};
    base::Result<T> result = base::error("an internal error of relay ended this");
    const auto ended = [&](const std::exception_ptr& problem, base::Result<T> answer) {
        base::log_bug("a command met an internal error", problem);
        if (!problem) result = std::move(answer);
        // A resolver keeps watching resolv.conf: the loop ends when the work does.
        loop.stop();
    };
    boost::asio::co_spawn(loop, std::move(task), ended);
    loop.run();
    return result;
}

}  // namespace relay
