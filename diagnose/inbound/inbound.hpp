#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "diagnose/host.hpp"
#include "diagnose/inbound/vantage_client.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"

namespace diagnose {

struct InboundAsk {
    InboundAsk() = default;
    std::string domain;    // "": that of hostname
    std::string hostname;  // server.hostname
    HostIdentity host;     // as identify_host() found it; its public addresses are believed
    std::optional<VantageAsk> vantage;
    base::Duration timeout = std::chrono::seconds{15};
    Progress progress;
};

// Can the world deliver mail for the domain to this host? Reads /proc, the packet filter (as root),
// DNS, this host's own port 25, and what a vantage sees from outside. Connects to nothing else.
[[nodiscard]] boost::asio::awaitable<Report> diagnose_inbound(boost::asio::any_io_executor executor,
                                                              net::Resolver& resolver,
                                                              InboundAsk ask);

// "mail.example.com" -> "example.com", "example.com" -> itself, "box" -> "".
[[nodiscard]] std::string domain_of_host(std::string_view hostname);

}  // namespace diagnose
