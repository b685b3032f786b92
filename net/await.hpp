#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace net {
namespace detail {

// A coroutine that waits: resumed by the first result, destroyed when no result can come any more.
template <class T, class Handler>
class PendingCall {
 public:
    explicit PendingCall(Handler handler)
        : work_(boost::asio::make_work_guard(handler)), handler_(std::move(handler)) {}

    // Posted, for the callback may run inside the very call that started it, or on another thread.
    void complete(std::exception_ptr problem, std::optional<T> result) {
        if (!handler_) return;
        auto resume = [handler = std::move(*handler_), problem = std::move(problem),
                       value = std::move(result)]() mutable {
            std::move(handler)(std::move(problem), std::move(value));
        };
        handler_.reset();
        boost::asio::post(work_.get_executor(), std::move(resume));
        work_.reset();
    }

 private:
    using Executor = boost::asio::associated_executor_t<Handler>;
    boost::asio::executor_work_guard<Executor> work_;
    std::optional<Handler> handler_;
};

}  // namespace detail

// co_await for an interface with callbacks: calls start(done), a std::function<void(T)>, and
// resumes on the coroutine's own executor with what done is given first. done may be called at
// once, later, or never: when its last copy goes, so does the coroutine, which must happen before
// the loop itself goes. What start() throws is thrown here: asio would let it end the loop. T need
// not be default constructible. Because of g++ 12, name `start` before the co_await when it
// captures by value.
template <class T, class Start>
[[nodiscard]] boost::asio::awaitable<T> await_callback(Start start) {
    auto initiate = [start = std::move(start)](auto handler) mutable {
        using Call = detail::PendingCall<T, decltype(handler)>;
        auto call = std::make_shared<Call>(std::move(handler));
        try {
            start(std::function<void(T)>{
                [call](T value) { call->complete(nullptr, std::move(value)); }});
        } catch (...) {
            call->complete(std::current_exception(), std::nullopt);
        }
    };
    using Signature = void(std::exception_ptr, std::optional<T>);
    std::optional<T> result =
        co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, Signature>(
            std::move(initiate), boost::asio::use_awaitable);
    co_return *std::move(result);
}

}  // namespace net
