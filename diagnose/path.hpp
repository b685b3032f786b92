#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/report.hpp"

namespace diagnose {

// What TTL-limited connects to one port of one address brought, hop by hop (index 0 is TTL 1).
struct Trace {
    struct Hop {
        bool asked = false;
        ConnectResult result = ConnectResult::dropped;  // of the last try
        std::optional<IcmpError> icmp;
        base::Duration took{};
    };
    std::uint16_t port = 0;
    std::vector<Hop> hops;

    // The largest TTL whose router answered "time exceeded"; 0: none did.
    [[nodiscard]] int last_router() const;
    // The smallest TTL at which the far end, or somebody in its name, answered.
    [[nodiscard]] std::optional<int> reached() const;
    // The first ICMP error that is no time-out of the TTL: an explicit filter, with its TTL.
    [[nodiscard]] const Hop* filter() const;
};

// The way to one host for the port under test, against a control port of the same host.
struct PathTrace {
    std::string target, address;
    net::Family family = net::Family::ipv4;
    Trace direct, control;
};

// What a pair of traces proves.
enum class PathFinding : std::uint8_t {
    hidden,      // no router answers for any port: nothing can be said
    clear,       // both ports get equally far, and the port under test is answered
    stops_here,  // the control leaves this host, the port under test does not get past it
    stops_at,    // it gets as far as hop N and no further; the filter is at N or the next
    stops_late,  // it gets as far as the control does, and is not answered
    rejected,    // an ICMP error or RST from a box on the way, or from the far end
    reset_here,  // this host itself resets: the answer came before a single hop
    intercepted  // somebody nearer than the host answers in its name
};

struct PathReading {
    PathFinding finding = PathFinding::hidden;
    std::optional<int> hop;         // how far SYNs for the port under test demonstrably get
    std::string hop_address;        // of that router, or of the box that rejects
    std::string next_address;       // of the hop behind it, seen on the control port
    std::optional<int> hops;        // length of the path, on an open or refused port
    std::optional<IcmpError> icmp;  // by which the box rejects
};

// Pure: L and D of both ports, compared. A router decrements the TTL before it filters, so a
// dropping router still answers for itself: the filter is at hop N or at the entrance of N+1.
[[nodiscard]] PathReading read_path(const PathTrace& path);

[[nodiscard]] PathPicture picture_of(const PathTrace& path);

struct TraceAsk {
    TraceAsk() = default;
    std::string target;
    boost::asio::ip::address address;
    std::uint16_t port = 25, control_port = 443;
    int most_hops = 30;
    base::Duration probe_timeout{800};  // below a second: one probe is one SYN
    base::Duration timeout{6000};       // of the whole
};

// Both ports side by side, a window of TTLs at a time, silent hops asked again; no privileges. At
// most a window's worth of connections reach the host.
[[nodiscard]] boost::asio::awaitable<PathTrace> trace_path(boost::asio::any_io_executor executor,
                                                           TraceAsk ask);

}  // namespace diagnose
