#include "net/handover.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace net {
namespace {

namespace asio = boost::asio;
using Works = std::vector<std::function<void()>>;

}  // namespace

struct Handover::State : std::enable_shared_from_this<State> {
    State(asio::io_context& its_loop, int descriptor)
        : loop(its_loop), bell(its_loop, descriptor) {}

    void listen();
    void run_waiting();

    asio::io_context& loop;
    asio::posix::stream_descriptor bell;  // an eventfd
    std::array<char, sizeof(std::uint64_t)> rung{};
    std::mutex mutex;
    Works waiting;
};

void Handover::State::listen() {
    bell.async_read_some(
        asio::buffer(rung),
        [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
            if (error || !self->bell.is_open()) return;
            self->listen();
            self->run_waiting();
        });
}

void Handover::State::run_waiting() {
    Works works;
    {
        const std::lock_guard lock{mutex};
        works.swap(waiting);
    }
    for (const std::function<void()>& work : works) work();
}

base::Result<std::unique_ptr<Handover>> Handover::open(asio::io_context& loop) {
    const int descriptor = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (descriptor < 0) {
        return base::error(fmt::format("cannot open what wakes the network's thread: {}",
                                       base::errno_text(errno)));
    }
    auto state = std::make_shared<State>(loop, descriptor);
    state->listen();
    return std::unique_ptr<Handover>{new Handover{std::move(state)}};
}

Handover::Handover(std::shared_ptr<State> state) : state_(std::move(state)) {}

Handover::~Handover() {
    boost::system::error_code ignored;
    state_->bell.close(ignored);
}

void Handover::post(std::function<void()> work) {
    if (state_->loop.get_executor().running_in_this_thread()) {
        asio::post(state_->loop, std::move(work));
        return;
    }
    bool first = false;
    {
        const std::lock_guard lock{state_->mutex};
        first = state_->waiting.empty();
        state_->waiting.push_back(std::move(work));
    }
    if (!first) return;  // the loop has been told
    const std::uint64_t one = 1;
    // Cannot fail: the count is far from full.
    [[maybe_unused]] const ssize_t told = ::write(state_->bell.native_handle(), &one, sizeof one);
}

}  // namespace net
