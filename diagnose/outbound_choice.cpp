#include "diagnose/outbound_choice.hpp"

#include <algorithm>

#include "diagnose/provider_catalogue.hpp"
#include "net/cidr.hpp"

namespace diagnose {
namespace {

// A known provider's own submission ports; relaying on 25 is for servers, and 443 is no mail port.
void add_known_ports(SmarthostTarget& target) {
    const ProviderFacts* facts = provider_of_smarthost(target.host);
    if (facts == nullptr) return;
    for (const std::uint16_t port : facts->ports) {
        const bool known = std::count(target.ports.begin(), target.ports.end(), port) > 0;
        if (!known && port != 25 && port != 443) target.ports.push_back(port);
    }
}

bool closed(const PortEvidence& item) {
    return item.attempted() && !item.open() && item.connect != ConnectResult::no_route &&
           !item.address.empty();
}

// The configured port of a smarthost that opened at no address of its.
std::optional<Suspect> suspect_of(const Observations& seen, const SmarthostAsk& smarthost,
                                  std::size_t index) {
    if (smarthost.ports.empty()) return std::nullopt;
    std::optional<Suspect> suspect;
    for (const PortEvidence& item : seen.ports) {
        const bool its = item.role == ProbeRole::smarthost &&
                         item.operator_name == smarthost.name &&
                         item.port == smarthost.ports.front().port;
        if (its && item.open()) return std::nullopt;
        if (its && closed(item) && !suspect) suspect = Suspect{item, index};
    }
    return suspect;
}

}  // namespace

std::vector<SmarthostTarget> targets_of(const OutboundAsk& ask) {
    std::vector<SmarthostTarget> targets;
    for (const SmarthostAsk& smarthost : ask.smarthosts) {
        SmarthostTarget target{smarthost.name, smarthost.host, {}};
        for (const SmarthostAsk::Port& port : smarthost.ports) target.ports.push_back(port.port);
        add_known_ports(target);
        targets.push_back(std::move(target));
    }
    return targets;
}

const PortEvidence* to_trace(const Observations& seen, net::Family family) {
    const PortEvidence* best = nullptr;
    const auto rank = [](const PortEvidence& item) {
        return item.genuine ? 0 : item.open() ? 1 : 2;
    };
    for (const PortEvidence& item : seen.ports) {
        const bool candidate = item.role == ProbeRole::direct && item.family == family &&
                               item.attempted() && item.connect != ConnectResult::no_route &&
                               !item.address.empty() && !net::is_loopback_address(item.address);
        if (candidate && (best == nullptr || rank(item) > rank(*best))) best = &item;
    }
    return best;
}

bool answered(const PortEvidence& item) {
    return item.open() || (item.connect == ConnectResult::refused && !item.icmp);
}

bool stranger_answers(const Observations& seen) {
    return std::any_of(seen.ports.begin(), seen.ports.end(), [](const PortEvidence& item) {
        return item.role == ProbeRole::direct && item.identity == Identity::foreign &&
               !net::is_loopback_address(item.address);
    });
}

std::vector<Suspect> suspects_of(const Observations& seen, const OutboundAsk& ask) {
    std::vector<Suspect> suspects;
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        const PortEvidence* item = to_trace(seen, family);
        // What answers in another's name may have been chosen by a rule of this host.
        if (item != nullptr && !item->genuine) suspects.push_back({*item, {}});
    }
    for (std::size_t i = 0; i < ask.smarthosts.size(); ++i) {
        if (std::optional<Suspect> suspect = suspect_of(seen, ask.smarthosts[i], i)) {
            suspects.push_back(std::move(*suspect));
        }
    }
    return suspects;
}

std::vector<PortEvidence> open_beside(const Observations& seen, const SmarthostAsk& ask) {
    std::vector<PortEvidence> open;
    for (const PortEvidence& item : seen.ports) {
        const bool its = item.role == ProbeRole::smarthost && item.operator_name == ask.name;
        const auto same = [&](const auto& other) { return other.port == item.port; };
        if (!its || !item.open() || std::any_of(ask.ports.begin(), ask.ports.end(), same)) continue;
        const auto known = std::find_if(open.begin(), open.end(), same);
        if (known == open.end()) {
            open.push_back(item);
        } else if (item.family == net::Family::ipv6) {
            *known = item;  // delivery begins with IPv6, too
        }
    }
    return open;
}

bool calls_for_other_ports(const SmarthostStages& stages) {
    if (stages.untried) return false;
    const VerdictCode code = smarthost_code(stages);
    return code == VerdictCode::smarthost_unreachable || code == VerdictCode::smarthost_tls ||
           code == VerdictCode::smarthost_no_starttls || code == VerdictCode::inconclusive;
}

}  // namespace diagnose
