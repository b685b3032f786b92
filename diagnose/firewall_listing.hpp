#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "diagnose/firewall_rules.hpp"

namespace diagnose {

struct FirewallReading {
    FirewallReading() = default;
    FirewallRules rules;
    bool readable = false;
    std::string why_not;  // what could not be listed and why; may be set when the rest could
    std::string tools;    // "nftables, iptables": what was listed
};

// Lists the packet filter of this network namespace with nft, iptables-save and ip6tables-save.
// Needs CAP_NET_ADMIN, else it says so without trying. At most about 3 s.
// The child processes run on a thread of its own; the caller's loop must outlive the call.
[[nodiscard]] boost::asio::awaitable<FirewallReading> read_firewall();

// The same, on the calling thread.
[[nodiscard]] FirewallReading read_firewall_now();

// The interface of the default route, from /proc/self/net/route or /proc/self/net/ipv6_route; ""
// without one.
[[nodiscard]] std::string default_interface(net::Family family);

}  // namespace diagnose
