#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <type_traits>

#include "base/bug.hpp"
#include "base/result.hpp"

namespace net {

// Does the work there, on a thread that may wait, and comes home with its Result. An exception
// becomes an error: it would go on on that thread in coroutines that are at home on another.
// Because of g++ 12, name the work before the co_await.
template <class Work>
[[nodiscard]] boost::asio::awaitable<std::invoke_result_t<Work&>> run_on(
    boost::asio::any_io_executor there, Work work) {
    const boost::asio::any_io_executor home = co_await boost::asio::this_coro::executor;
    std::invoke_result_t<Work&> answer = base::error("an internal error of relay");
    co_await boost::asio::post(boost::asio::bind_executor(there, boost::asio::use_awaitable));
    try {
        answer = work();
    } catch (...) {
        base::log_bug("work on another thread ended by an internal error",
                      std::current_exception());
    }
    co_await boost::asio::post(boost::asio::bind_executor(home, boost::asio::use_awaitable));
    co_return answer;
}

}  // namespace net
