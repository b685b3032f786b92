#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "net/connect_error.hpp"
#include "net/resolver.hpp"
#include "tls/stream.hpp"

namespace net {

enum class DialResult {
    connected,
    dns,
    refused,
    prohibited,  // a filter on the way said so (ICMP)
    timeout,
    unreachable,
    local_denied,  // this host itself does not let it out
    other
};

// One attempt at one address, as evidence.
struct DialAttempt {
    std::string address;  // without port
    DialResult result = DialResult::other;
    int error_number = 0;
    std::string rejected_by;  // with prohibited: who said so
    base::Duration took{};
};

struct DialError {
    DialResult result = DialResult::other;
    std::string message;  // "smtp.example.com:587: connection refused (192.0.2.1, 2001:db8::1)"
    std::vector<DialAttempt> attempts;
};

struct DialTarget {
    DialTarget(std::string host_name, unsigned short port_number, base::Duration time_limit,
               Family families = Family::any)
        : host(std::move(host_name)), port(port_number), timeout(time_limit), family(families) {}
    std::string host;  // name, literal, or "unix:/path"
    unsigned short port;
    base::Duration timeout;
    Family family;
};

// Resolves and connects; addresses are raced a little apart (RFC 8305), the first to connect wins.
// TCP_NODELAY is set.
[[nodiscard]] boost::asio::awaitable<base::Result<tls::Stream, DialError>> dial(
    boost::asio::any_io_executor executor, Resolver& resolver, DialTarget target);

// How a connect failed. EACCES is this host's own policy, unless the ICMP error behind it came from
// another address; that of a filter on this very host is its own, too. Pure.
[[nodiscard]] DialResult dial_result_of(const ConnectError& error, std::string_view own_address);

[[nodiscard]] std::string_view dial_result_name(DialResult result);

}  // namespace net
