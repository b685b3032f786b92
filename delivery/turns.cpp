#include "delivery/turns.hpp"

#include <utility>

#include "net/await.hpp"

namespace delivery {

boost::asio::awaitable<Turns::Turn> Turns::take() {
    if (free_ > 0) {
        --free_;
    } else {
        std::function<void(std::function<void(bool)>)> wait =
            [this](std::function<void(bool)> done) { waiting_.push_back(std::move(done)); };
        static_cast<void>(co_await net::await_callback<bool>(std::move(wait)));
    }
    const auto end = [self = shared_from_this()](void*) { self->give_back(); };
    co_return Turn(nullptr, end);
}

void Turns::give_back() {
    if (waiting_.empty()) {
        ++free_;
        return;
    }
    const std::function<void(bool)> next = std::move(waiting_.front());
    waiting_.pop_front();
    next(true);
}

}  // namespace delivery
