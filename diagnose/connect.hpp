#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"
#include "tls/stream.hpp"

namespace diagnose {

// How a TCP connect ended. What the network did and what this host did are kept apart.
enum class ConnectResult : std::uint8_t {
    open,
    dropped,      // silence until the time was over
    refused,      // RST, or ICMP "port unreachable"
    prohibited,   // ICMP "administratively prohibited" and its kin: an explicit filter
    unreachable,  // ICMP net or host unreachable; the gateway does not answer
    expired,      // ICMP time exceeded: the TTL ran out on the way
    denied,       // this host's own policy: EPERM, EACCES, a blackhole route
    no_route,     // this host has no route or no address of the family
    failed        // anything else; error_number says what
};

// "open", "dropped", "rejected" (refused, prohibited, denied), "unreachable", "expired", "failed"
[[nodiscard]] std::string_view connect_result_name(ConnectResult result);

// The reading of errno and of the error queue, apart from sockets. error_number 0 and no ICMP error
// means silence. errno alone cannot tell a filter from a dead host or a spent TTL; ICMP can.
[[nodiscard]] ConnectResult classify_connect(int error_number,
                                             const std::optional<IcmpError>& icmp);

struct ConnectAsk {
    ConnectAsk(boost::asio::ip::address to, std::uint16_t to_port, base::Duration limit)
        : address(std::move(to)), port(to_port), timeout(limit) {}
    boost::asio::ip::address address;
    std::uint16_t port;
    base::Duration timeout;
    int ttl = 0;      // 0: the system's
    int min_ttl = 0;  // answers that arrive with less are not heard (IP_MINTTL); 0: all are
};

struct ConnectOutcome {
    ConnectOutcome() = default;
    ConnectResult result = ConnectResult::failed;
    int error_number = 0;
    std::optional<IcmpError> icmp;
    bool own_address = false;      // the ICMP error came from this very host
    unsigned retransmissions = 0;  // SYNs sent again
    bool last_left = false;        // the last of these got out of this host
    base::Duration took{};
    std::string local_address;
    std::optional<tls::Stream> stream;  // when open
};

// Whether this host has a route to the address. Asks the kernel, sends nothing.
[[nodiscard]] bool route_exists(boost::asio::any_io_executor executor,
                                const boost::asio::ip::address& address);

// Whether it has one to the world in this family.
[[nodiscard]] bool has_route(boost::asio::any_io_executor executor, net::Family family);

// One connect, unprivileged, with the evidence of the error queue (IP_RECVERR). The socket is
// closed when the time is over, so that one probe is few SYNs.
[[nodiscard]] boost::asio::awaitable<ConnectOutcome> connect_once(
    boost::asio::any_io_executor executor, ConnectAsk ask);

}  // namespace diagnose
