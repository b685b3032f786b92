#include "diagnose/advice_port.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "diagnose/cause_provider.hpp"

namespace diagnose {
namespace {

std::string ask_router(const SmarthostReport& smarthost, const SmarthostBlame& blame) {
    const RejectingRouter& router = *blame.router;
    const std::string host = blame.only_this ? " of " + smarthost.host : "";
    if (is_gateway(router)) {
        return fmt::format(
            "Look in the firewall or \"mail protection\" settings of the router at {} for a rule "
            "that rejects port {}{}, or a list of allowed mail servers.",
            router.address, blame.port, host);
    }
    return fmt::format("Ask whoever runs {} to let port {}{} through.", router.address, blame.port,
                       host);
}

std::string ask_network(const Observations& seen, const SmarthostBlame& blame) {
    if (cloud_blocks(seen.host, blame.port)) {
        const CloudPolicy& cloud = *seen.host.cloud;
        if (cloud.lift == "never" || cloud.lift == "none-documented") {
            return fmt::format(
                "{} closes port {} by default, and no way to have it opened is known: take another "
                "port.",
                cloud.name, blame.port);
        }
        return fmt::format("Ask {}, which closes it by default, to let outbound port {} through.{}",
                           cloud.name, blame.port,
                           cloud.lift_url.empty() ? "" : " " + cloud.lift_url);
    }
    if (blame.mute) {
        return fmt::format(
            "Ask whoever runs this network (its router, firewall or proxy, or the provider of the "
            "line) what answers on port {} in the servers' place, and to let that port through "
            "untouched.",
            blame.port);
    }
    const std::string provider =
        seen.host.isp != nullptr ? seen.host.isp->name : std::string{"the provider of the line"};
    return fmt::format(
        "Ask whoever runs this network (its router or firewall, or {}) to let outbound port {} "
        "through.",
        provider, blame.port);
}

// Unrelated operators greet there, or at least open, over the family that the smarthost lacks.
std::string other_family_words(const Observations& seen, const SmarthostBlame& blame) {
    if (blame.family == net::Family::any) return {};
    const bool works =
        std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortEvidence& item) {
            const bool mute = item.greeting && item.greeting->banner.code == 0;
            return item.role == ProbeRole::control && item.port == blame.port && item.open() &&
                   !mute && item.family != blame.family;
        });
    if (!works) return {};
    const bool v4 = blame.family == net::Family::ipv4;
    return fmt::format(
        "Over {0} port {1} of others opens: a smarthost that has an {0} address can be used on it.",
        v4 ? "IPv6" : "IPv4", blame.port);
}

}  // namespace

void add_port_steps(const Observations& seen, const SmarthostReport& smarthost,
                    const SmarthostBlame& blame, Fix& fix) {
    fix.steps.push_back(blame.router ? ask_router(smarthost, blame) : ask_network(seen, blame));
    const std::string other = other_family_words(seen, blame);
    if (!other.empty()) fix.steps.push_back(other);
}

}  // namespace diagnose
