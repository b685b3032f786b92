#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "net/resolver.hpp"
#include "tls/context.hpp"

// The client of `relay vantage`.
namespace diagnose {

struct VantagePort {
    std::uint16_t port = 0;
    std::string result;  // "open", "dropped", "rejected", "unreachable", "failed"
    int error_number = 0;
    std::string banner;
    base::Duration took{};
};

// What the vantage saw of us in one family.
struct VantageView {
    net::Family family = net::Family::ipv4;
    std::string address;  // ours, as the vantage sees it
    std::vector<VantagePort> ports;
    std::string problem;  // why there is no answer; "" when there is one

    [[nodiscard]] const VantagePort* port(std::uint16_t number) const;
};

struct VantageAsk {
    VantageAsk() = default;
    // "http://vantage.example:2580/#TOKEN", as `relay vantage` prints it; the token may instead
    // stand in `token`. It is sent as a header, never as part of the URL.
    std::string url;
    base::Secret token;
    base::Duration timeout = std::chrono::seconds{12};
    std::optional<tls::ClientContext> trust;  // for https; none: the system's trust store
};

// Asks over IPv4 and over IPv6, side by side. A family in which the vantage cannot be reached has
// a problem. The URL without its token is all that problems show.
[[nodiscard]] boost::asio::awaitable<std::vector<VantageView>> ask_vantage(
    boost::asio::any_io_executor executor, net::Resolver& resolver, VantageAsk ask);

// The body of an answer. Pure.
[[nodiscard]] base::Result<VantageView> parse_vantage_answer(std::string_view body);

// URL without token and path, and token. Pure; an error names what is wrong with the URL.
[[nodiscard]] base::Result<VantageAsk> split_vantage_url(VantageAsk ask);

}  // namespace diagnose
