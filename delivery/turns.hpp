#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>

namespace delivery {

// So many coroutines of one thread do something at once; the others wait in the order of their
// coming.
class Turns : public std::enable_shared_from_this<Turns> {
 public:
    explicit Turns(std::size_t most) : free_(most) {}

    // Given back when the last copy goes. This must live while one is waited for.
    using Turn = std::shared_ptr<void>;
    [[nodiscard]] boost::asio::awaitable<Turn> take();

 private:
    void give_back();

    std::size_t free_;
    std::deque<std::function<void(bool)>> waiting_;
};

}  // namespace delivery
