#include "diagnose/startup_probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "diagnose/local_signs.hpp"
#include "net/cidr.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

// The best that any address of the smarthost showed on this port.
std::string best_result(const std::vector<PortEvidence>& evidence, const SmarthostTarget& smarthost,
                        std::uint16_t port) {
    constexpr std::array<std::string_view, 6> order{"open",        "rejected", "dropped",
                                                    "unreachable", "dns",      "no-name"};
    std::size_t best = order.size();
    std::string other = "not tried";  // nothing is known, or what the list does not have
    for (const PortEvidence& item : evidence) {
        const bool named = item.role == ProbeRole::smarthost && item.host == smarthost.host &&
                           item.operator_name == smarthost.name;
        if (!named || (item.port != port && item.attempted())) continue;
        const auto found = std::find(order.begin(), order.end(), item.result);
        if (found == order.end()) other = item.result;
        best = std::min(best, static_cast<std::size_t>(found - order.begin()));
    }
    return best == order.size() ? other : std::string{order[best]};
}

bool is_here(const PortEvidence& item) { return net::is_loopback_address(item.address); }

// A smarthost on this host: its other ports may be anybody's, relay's own among them.
bool is_here(const std::vector<PortEvidence>& evidence, const SmarthostTarget& smarthost) {
    return std::any_of(evidence.begin(), evidence.end(), [&](const PortEvidence& item) {
        return item.role == ProbeRole::smarthost && item.host == smarthost.host && is_here(item);
    });
}

// Names that are known to exist do not: a resolver that knows nothing.
bool no_name_known(const std::vector<PortEvidence>& evidence, const ProbeOptions& options) {
    if (!options.targets.empty() || evidence.empty()) return false;
    return std::all_of(evidence.begin(), evidence.end(), [](const PortEvidence& item) {
        return item.role != ProbeRole::direct || item.result == "no-name";
    });
}

// What tells of the network outside. A smarthost on this host does not, unless all is on this host
// for a test.
std::vector<PortEvidence> of_the_network(const std::vector<PortEvidence>& evidence,
                                         const ProbeOptions& options) {
    const bool local_lab = std::all_of(
        evidence.begin(), evidence.end(),
        [](const PortEvidence& item) { return item.role != ProbeRole::direct || is_here(item); });
    const bool dns_at_fault = no_name_known(evidence, options);
    std::vector<PortEvidence> telling;
    for (const PortEvidence& item : evidence) {
        if (item.role == ProbeRole::smarthost && is_here(item) && !local_lab) continue;
        telling.push_back(item);
        if (dns_at_fault && !item.attempted()) telling.back().result = "dns";
    }
    return telling;
}

// "; smarthost smtp.example.com: 587 open, 465 dropped"
std::string smarthost_words(const std::vector<SmarthostPorts>& smarthosts) {
    std::string words;
    for (const SmarthostPorts& smarthost : smarthosts) {
        words += fmt::format("; smarthost {}: ", smarthost.name);
        for (const SmarthostPorts::Port& port : smarthost.ports) {
            words +=
                fmt::format("{}{} {}", words.ends_with(": ") ? "" : ", ", port.port, port.result);
        }
    }
    return words;
}

}  // namespace

std::vector<SmarthostPorts> smarthost_results(const std::vector<PortEvidence>& evidence,
                                              const std::vector<SmarthostTarget>& smarthosts) {
    std::vector<SmarthostPorts> results;
    for (const SmarthostTarget& smarthost : smarthosts) {
        SmarthostPorts result{smarthost.name, smarthost.host, {}};
        const bool here = is_here(evidence, smarthost);
        for (const std::uint16_t port : here ? smarthost.ports : smarthost_ports(smarthost)) {
            result.ports.push_back({port, best_result(evidence, smarthost, port)});
        }
        results.push_back(std::move(result));
    }
    return results;
}

asio::awaitable<StartupVerdict> run_startup_probe(asio::any_io_executor executor,
                                                  net::Resolver& resolver, ProbeOptions options,
                                                  std::vector<SmarthostTarget> smarthosts) {
    const base::Time at = base::SystemClock{}.now();
    const SteadyClock::time_point began = SteadyClock::now();
    SurveyAsk ask;
    ask.options = options;
    ask.smarthosts = smarthosts;
    const std::optional<long> failed_before = failed_retransmissions();
    std::vector<PortEvidence> evidence = co_await survey_ports(executor, resolver, ask);
    const std::optional<long> failed_after = failed_retransmissions();
    if (failed_before && failed_after) judge_silence(evidence, *failed_after - *failed_before);
    StartupVerdict verdict = judge(of_the_network(evidence, options), options);
    verdict.evidence = std::move(evidence);
    verdict.smarthosts = smarthost_results(verdict.evidence, smarthosts);
    verdict.summary += smarthost_words(verdict.smarthosts);
    verdict.at = at;
    verdict.took = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - began);
    co_return verdict;
}

}  // namespace diagnose
