#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/options.hpp"
#include "diagnose/verdict.hpp"
#include "net/resolver.hpp"

namespace diagnose {

// What a connect is evidence of: port 25 (or what stands for it), the same operator's other ports,
// or a smarthost.
enum class ProbeRole : std::uint8_t { direct, control, smarthost };

// One connect, as evidence.
struct PortEvidence {
    ProbeRole role = ProbeRole::direct;
    std::string operator_name;  // "Google", or the smarthost's name
    std::string host, address;
    std::uint16_t port = 0;
    net::Family family = net::Family::ipv4;
    // "open", "dropped" (silence), "rejected" (refused, or denied by this host), "unreachable" (no
    // route, or a router said so), "dns" (no answer about the name), "no-name" (no such name)
    std::string result;
    std::string banner;    // the first line that an open port 25 said
    bool genuine = false;  // and it is a greeting of the operator asked
    base::Duration took{};
};

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

struct SmarthostTarget {
    std::string name, host;
    std::vector<std::uint16_t> ports;
};

// The vote, apart from the sockets: a pure function of the evidence.
[[nodiscard]] StartupVerdict judge(std::vector<PortEvidence> evidence, const ProbeOptions& options);

// Port 25 of a quorum of unrelated operators against their other ports, and the smarthosts' ports,
// all side by side; ends within about twice options.timeout. Sends nothing but QUIT.
[[nodiscard]] boost::asio::awaitable<StartupVerdict> run_startup_probe(
    boost::asio::any_io_executor executor, net::Resolver& resolver, ProbeOptions options,
    std::vector<SmarthostTarget> smarthosts);

}  // namespace diagnose
