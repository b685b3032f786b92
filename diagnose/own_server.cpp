#include "diagnose/own_server.hpp"

#include <boost/asio/ip/address.hpp>

#include "base/text.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/dialogue.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

// Every second host calls itself that.
bool says_nothing(std::string_view name) {
    return name.find('.') == name.npos || base::starts_with_ignoring_case(name, "localhost");
}

}  // namespace

// RFC 5321 section 4.2: three digits, a blank or (more lines follow) a hyphen, and the name first.
std::string_view name_in_greeting(std::string_view line) {
    constexpr std::size_t code = 3;
    if (line.size() <= code || (line[code] != ' ' && line[code] != '-')) return {};
    line.remove_prefix(code + 1);
    while (line.starts_with(' ')) line.remove_prefix(1);
    return line.substr(0, line.find_first_of(" \t\r\n"));
}

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
    const std::string_view name = name_in_greeting(own);
    return !says_nothing(name) && base::equals_ignoring_case(name, name_in_greeting(other));
}

bool other_server(std::string_view own, std::string_view other) {
    if (!own.starts_with("220") || !other.starts_with("220")) return false;
    const std::string_view ours = name_in_greeting(own), theirs = name_in_greeting(other);
    return !says_nothing(ours) && !says_nothing(theirs) &&
           !base::equals_ignoring_case(ours, theirs);
}

}  // namespace diagnose
