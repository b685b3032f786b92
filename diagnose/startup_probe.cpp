#include "diagnose/startup_probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

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
    for (const PortEvidence& item : evidence) {
        const bool named = item.role == ProbeRole::smarthost && item.host == smarthost.host &&
                           item.operator_name == smarthost.name;
        if (!named || (item.port != port && item.attempted())) continue;
        const auto found = std::find(order.begin(), order.end(), item.result);
        best = std::min(best, static_cast<std::size_t>(found - order.begin()));
    }
    return best == order.size() ? "dropped" : std::string{order[best]};
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
        for (const std::uint16_t port : smarthost_ports(smarthost)) {
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
    std::vector<PortEvidence> evidence = co_await survey_ports(executor, resolver, ask);
    StartupVerdict verdict = judge(std::move(evidence), options);
    verdict.smarthosts = smarthost_results(verdict.evidence, smarthosts);
    verdict.summary += smarthost_words(verdict.smarthosts);
    verdict.at = at;
    verdict.took = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - began);
    co_return verdict;
}

}  // namespace diagnose
