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
    // The result is in the coroutine, which lives as long as its handler.
    PendingCall(Handler handler, std::optional<T>& result)
        : work_(boost::asio::make_work_guard(handler)),
          handler_(std::move(handler)),
          result_(result) {}

    // Posted, for the callback may run inside the very call that started it, or on another thread.
    void complete(T value) {
        if (!handler_) return;
        result_.emplace(std::move(value));
        resume(nullptr);
    }
    void fail(std::exception_ptr problem) {
        if (handler_) resume(std::move(problem));
    }

 private:
    void resume(std::exception_ptr problem) {
        auto call = [handler = std::move(*handler_), problem = std::move(problem)]() mutable {
            std::move(handler)(std::move(problem));
        };
        handler_.reset();
        boost::asio::post(work_.get_executor(), std::move(call));
        work_.reset();
    }

    using Executor = boost::asio::associated_executor_t<Handler>;
    boost::asio::executor_work_guard<Executor> work_;
    std::optional<Handler> handler_;
    std::optional<T>& result_;
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
    std::optional<T> result;
    auto initiate = [start = std::move(start), &result](auto handler) mutable {
        using Call = detail::PendingCall<T, decltype(handler)>;
        auto call = std::make_shared<Call>(std::move(handler), result);
        try {
            start(std::function<void(T)>{[call](T value) { call->complete(std::move(value)); }});
        } catch (...) {
            call->fail(std::current_exception());
        }
    };
    using Signature = void(std::exception_ptr);
    co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, Signature>(
        std::move(initiate), boost::asio::use_awaitable);
    co_return *std::move(result);
}

}  // namespace net
