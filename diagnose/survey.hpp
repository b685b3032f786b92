#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "diagnose/evidence.hpp"
#include "diagnose/options.hpp"
#include "net/resolver.hpp"
#include "tls/context.hpp"

namespace diagnose {

struct SmarthostTarget {
    std::string name, host;
    std::vector<std::uint16_t> ports;
};

struct SurveyAsk {
    SurveyAsk() = default;
    ProbeOptions options;
    std::vector<SmarthostTarget> smarthosts;
    // Beyond the greeting: EHLO, STARTTLS and the certificate, the echo of our address, every
    // alternate port, and literal addresses. Needs an observer.
    bool thorough = false;
    const tls::ClientContext* observer = nullptr;  // with ClientOptions::observe; outlives the run
    std::string helo = "localhost";
    // So long a server that has taken the connection may take to say something, from the start; at
    // least twice options.timeout.
    base::Duration greeting_limit{};
    bool trust_store = true;  // this host has one, so that an unknown issuer means something
};

// Port 25 of a quorum of unrelated operators against their other ports, and the smarthosts' ports,
// all side by side; ends within about twice options.timeout, or greeting_limit where servers are
// slow. Sends no MAIL. What was still being
// looked up at the end is in the answer, with the result "dns".
[[nodiscard]] boost::asio::awaitable<std::vector<PortEvidence>> survey_ports(
    boost::asio::any_io_executor executor, net::Resolver& resolver, SurveyAsk ask);

// The configured ports first, then the other usual ones; none for a unix socket.
[[nodiscard]] std::vector<std::uint16_t> smarthost_ports(const SmarthostTarget& smarthost);

}  // namespace diagnose
