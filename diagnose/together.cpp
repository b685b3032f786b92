#include "diagnose/together.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

namespace diagnose {

namespace asio = boost::asio;

asio::awaitable<void> run_together(asio::any_io_executor executor,
                                   std::vector<asio::awaitable<void>> tasks, base::Duration limit) {
    if (tasks.empty()) co_return;
    auto over = std::make_shared<asio::steady_timer>(executor, limit);
    auto left = std::make_shared<std::size_t>(tasks.size());
    for (asio::awaitable<void>& task : tasks) {
        // A task that threw has left its result as it was: not tested.
        asio::co_spawn(executor, std::move(task), [over, left](std::exception_ptr) {
            if (--*left == 0) over->cancel();
        });
    }
    if (*left == 0) co_return;
    boost::system::error_code cancelled;
    co_await over->async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

}  // namespace diagnose
