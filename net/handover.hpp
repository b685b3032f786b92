#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "base/result.hpp"

namespace net {

// Runs on a loop what other threads hand over, in their order. asio::post() would do, but it wakes
// a sleeping loop under the lock that the loop takes first: where both share a processor, the two
// then change places four times instead of twice.
class Handover {
 public:
    // Fails where the process may open no more files.
    [[nodiscard]] static base::Result<std::unique_ptr<Handover>> open(
        boost::asio::io_context& loop);
    ~Handover();  // on the loop's thread, and before the loop; what waits is dropped
    Handover(const Handover&) = delete;
    Handover& operator=(const Handover&) = delete;

    // Any thread; on the loop's own it is asio::post(). Never runs the work before it returns. Work
    // that throws ends run(), as it would there, and takes along what was handed over with it.
    void post(std::function<void()> work);

 private:
    struct State;
    explicit Handover(std::shared_ptr<State> state);

    std::shared_ptr<State> state_;
};

}  // namespace net
