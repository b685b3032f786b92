#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "net/ares_channel.hpp"
#include "net/resolver.hpp"

namespace net {

using Addresses = std::vector<boost::asio::ip::address>;

// c-ares's status and what came with it.
template <class Value>
struct Reply {
    Reply(int number, Value content) : status(number), value(std::move(content)) {}
    int status;
    Value value;
};

// All that a question needs: the resolver may be gone when the answer comes.
struct Asking {
    std::shared_ptr<AresChannel> channel;  // nullptr: it could not be opened
    boost::asio::any_io_executor executor;
    base::Duration limit{};
};

// Passes on the first of the answer and the deadline; c-ares's own timeouts add up over servers.
template <class Value>
std::function<void(int, Value)> with_deadline(const boost::asio::any_io_executor& executor,
                                              base::Duration limit,
                                              std::function<void(Reply<Value>)> done) {
    auto timer = std::make_shared<boost::asio::steady_timer>(executor, limit);
    timer->async_wait([done, timer](boost::system::error_code cancelled) {
        if (!cancelled) done(Reply<Value>{ARES_ETIMEOUT, Value{}});
    });
    return [done, timer](int status, Value value) {
        timer->cancel();
        done(Reply<Value>{status, std::move(value)});
    };
}

// Addresses that need no question: literals, and localhost (RFC 6761 section 6.3).
[[nodiscard]] Addresses known_addresses(const std::string& host);

[[nodiscard]] Addresses of_family(const Addresses& addresses, Family family);

// "IPv4 address"
[[nodiscard]] std::string_view address_words(Family family);

// As getaddrinfo would: hosts file, search domains. A server that never answers about one family,
// as some home routers do about AAAA, does not hide the other one.
[[nodiscard]] boost::asio::awaitable<Reply<Addresses>> ask_addresses(Asking asking,
                                                                     std::string host,
                                                                     Family family);

}  // namespace net
