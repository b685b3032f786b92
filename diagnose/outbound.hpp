#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "diagnose/options.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"
#include "smtp/client_session.hpp"
#include "tls/options.hpp"

namespace diagnose {

// One configured smarthost, as far as a diagnosis needs to know it.
struct SmarthostAsk {
    SmarthostAsk() = default;
    struct Port {
        std::uint16_t port;
        smtp::ClientTls tls;
    };
    std::string name, host;
    std::string provider;     // the preset's id, "" when not known
    std::vector<Port> ports;  // in the order to try
    tls::ClientOptions verification;
    std::string username;
    base::Secret password;
    bool password_missing = false;  // one is configured, and not to be had here: no sign-in
    smtp::AuthMechanism auth = smtp::AuthMechanism::automatic;
    std::string helo;
    std::string sender;  // asked about with MAIL FROM; "": the user name where it is an address
    bool allow_plaintext_auth = false;
};

struct OutboundAsk {
    OutboundAsk() = default;
    ProbeOptions probe;
    std::vector<SmarthostAsk> smarthosts;
    std::string hostname;       // for EHLO
    bool direct_path = false;   // delivery.path lets mail go directly
    bool about_direct = false;  // the headline is that of port 25, whatever the smarthosts do
    bool quick = false;         // no look at the path where all the operators answer
    base::Duration timeout = std::chrono::seconds{15};
    Progress progress;
};

// The whole outbound diagnosis: checks side by side, never longer than the time-out. One sign-in
// attempt per smarthost, and no message is sent.
[[nodiscard]] boost::asio::awaitable<Report> diagnose_outbound(
    boost::asio::any_io_executor executor, net::Resolver& resolver, OutboundAsk ask);

}  // namespace diagnose
