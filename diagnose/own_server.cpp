#include "diagnose/own_server.hpp"

#include <boost/asio/ip/address.hpp>

#include "base/text.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/dialogue.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

std::string_view name_in(std::string_view banner) {
    const auto words = base::split(banner, ' ');
    return words.size() > 1 ? words[1] : std::string_view{};
}

// Every second host calls itself that.
bool says_nothing(std::string_view name) {
    return name.find('.') == name.npos || base::starts_with_ignoring_case(name, "localhost");
}

}  // namespace

asio::awaitable<std::string> own_greeting(asio::any_io_executor executor) {
    const asio::ip::address loopbacks[] = {asio::ip::make_address("127.0.0.1"),
                                           asio::ip::make_address("::1")};
    for (const asio::ip::address& address : loopbacks) {
        const ConnectAsk ask{address, 25, std::chrono::seconds{1}};
        ConnectOutcome outcome = co_await connect_once(executor, ask);
        if (!outcome.stream) continue;
        GreetingAsk look;
        look.ehlo = false;
        look.starttls = false;
        look.timeout = std::chrono::seconds{3};
        const Greeting greeting = co_await look_at_server(*outcome.stream, look);
        if (!greeting.raw.empty()) co_return greeting.raw;
    }
    co_return std::string{};
}

bool same_server(std::string_view own, std::string_view other) {
    if (!own.starts_with("220") || !other.starts_with("220")) return false;
    const std::string_view name = name_in(own);
    return !says_nothing(name) && base::equals_ignoring_case(name, name_in(other));
}

}  // namespace diagnose
