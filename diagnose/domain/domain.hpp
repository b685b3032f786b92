#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"

namespace diagnose {

// A smarthost through which the domain's mail goes.
struct DomainSmarthost {
    DomainSmarthost() = default;
    std::string name, host;
    std::string provider;  // the preset's id; "": told by the host
};

struct DomainAsk {
    DomainAsk() = default;
    std::string domain;    // of the From address
    std::string selector;  // DKIM; "": the smarthosts' usual ones
    std::vector<DomainSmarthost> smarthosts;
    std::vector<std::string> public_addresses;  // ours; empty: what needs them is skipped
    std::string hostname;
    base::Duration timeout = std::chrono::seconds{15};
    Progress progress;
};

// The mail DNS of one domain: MX, SPF, DKIM, DMARC, MTA-STS, TLS-RPT, DANE, and PTR and block lists
// of our addresses, side by side. Asks DNS servers and, for MTA-STS, one web server. Report::good:
// no check failed; what could not be tested is skipped and never counts as passed.
[[nodiscard]] boost::asio::awaitable<Report> diagnose_domain(boost::asio::any_io_executor executor,
                                                             net::Resolver& resolver,
                                                             DomainAsk ask);

}  // namespace diagnose
