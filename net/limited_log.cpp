#include "net/limited_log.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/log_limit.hpp"
#include "base/uptime.hpp"

namespace net {

struct LimitedLog::State : std::enable_shared_from_this<State> {
    struct Kind {
        std::string message;
        base::LogLimit limit;
    };

    explicit State(boost::asio::any_io_executor executor) : timer(std::move(executor)) {}

    static void tell(std::string_view kind, const std::string& message, std::uint64_t left_out) {
        if (left_out == 0) return;
        base::log_warning("more lines of a kind were left out of the log",
                          {{"line", message}, {"kind", kind}, {"left_out", left_out}});
    }

    void tell_of_past_minutes(base::Duration now) {
        for (auto& [kind, each] : kinds) tell(kind, each.message, each.limit.take_left_out(now));
    }

    void wait_until(base::Duration over, base::Duration now) {
        if (std::exchange(waiting, true)) return;
        timer.expires_after(std::max(over - now, base::Duration{1}));
        timer.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
            const std::shared_ptr<State> state = weak.lock();
            if (!state || ec) return;
            state->waiting = false;
            const base::Duration woken = base::uptime();
            state->tell_of_past_minutes(woken);
            state->wait_again(woken);
        });
    }

    // For the kinds whose minute goes on; the first one to end.
    void wait_again(base::Duration now) {
        std::optional<base::Duration> first;
        for (const auto& [kind, each] : kinds) {
            if (each.limit.left_out() == 0) continue;
            first = std::min(first.value_or(each.limit.over()), each.limit.over());
        }
        if (first) wait_until(*first, now);
    }

    boost::asio::steady_timer timer;
    bool waiting = false;
    std::map<std::string_view, Kind> kinds;
};

LimitedLog::LimitedLog(boost::asio::any_io_executor executor)
    : state_(std::make_shared<State>(std::move(executor))) {}

LimitedLog::~LimitedLog() {
    for (auto& [kind, each] : state_->kinds) {
        State::tell(kind, each.message, each.limit.take_left_out());
    }
}

void LimitedLog::warning(std::string_view kind, std::string_view message,
                         std::initializer_list<base::LogField> fields) {
    State::Kind& found = state_->kinds[kind];
    if (found.message.empty()) found.message = message;
    const base::Duration now = base::uptime();
    State::tell(kind, found.message, found.limit.take_left_out(now));
    if (found.limit.may_write(now)) return base::log_warning(message, fields);
    state_->wait_until(found.limit.over(), now);
}

}  // namespace net
