#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/evidence.hpp"
#include "diagnose/options.hpp"
#include "diagnose/survey.hpp"
#include "diagnose/verdict.hpp"
#include "net/resolver.hpp"

namespace diagnose {

struct SmarthostPorts {
    std::string name, host;
    struct Port {
        std::uint16_t port;
        std::string result;
    };
    std::vector<Port> ports;  // the configured ones first, then the other usual ones
};

struct StartupVerdict {
    VerdictCode code = VerdictCode::inconclusive;
    std::string summary;                    // one sentence for the log and for status
    std::optional<VerdictCode> ipv4, ipv6;  // voted apart; none: family absent or switched off
    std::vector<SmarthostPorts> smarthosts;
    std::vector<PortEvidence> evidence;
    base::Time at{};
    base::Duration took{};
};

// The vote, apart from the sockets: a pure function of the evidence.
[[nodiscard]] StartupVerdict judge(std::vector<PortEvidence> evidence, const ProbeOptions& options);

// By smarthost and port, the best result of any of its addresses.
[[nodiscard]] std::vector<SmarthostPorts> smarthost_results(
    const std::vector<PortEvidence>& evidence, const std::vector<SmarthostTarget>& smarthosts);

// The short form of the diagnosis: survey_ports() and the vote. Sends nothing but QUIT.
[[nodiscard]] boost::asio::awaitable<StartupVerdict> run_startup_probe(
    boost::asio::any_io_executor executor, net::Resolver& resolver, ProbeOptions options,
    std::vector<SmarthostTarget> smarthosts);

}  // namespace diagnose
