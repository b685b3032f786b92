#pragma once

#include <future>
#include <memory>
#include <utility>

#include "spool/spool.hpp"

namespace spool {

// For programs without an event loop, whose Post runs a batch at once:
//   auto found = spool::wait<Details>([&](auto done) { spool->show(id, std::move(done)); });
// Blocks until the answer is there; so it must not be called from within a completion.
template <class T = void, class Start>
[[nodiscard]] Outcome<T> wait(Start&& start) {
    auto answer = std::make_shared<std::promise<Outcome<T>>>();
    std::future<Outcome<T>> result = answer->get_future();
    std::forward<Start>(start)(
        Done<T>{[answer](Outcome<T> outcome) { answer->set_value(std::move(outcome)); }});
    return result.get();
}

// The Post of such a program.
inline void run_at_once(const std::function<void()>& batch) { batch(); }

}  // namespace spool
