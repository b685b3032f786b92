#include "diagnose/broken_family.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "diagnose/large_packets.hpp"

namespace diagnose {
namespace {

std::string_view name_of(net::Family family) {
    return family == net::Family::ipv4 ? "IPv4" : "IPv6";
}

bool anything_open(const Observations& seen, net::Family family) {
    return std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortEvidence& item) {
        return item.family == family && item.open();
    });
}

enum class Answers : std::uint8_t { some, refusals, none };

// Port 25 alone may be closed: other ports have to be, too.
Answers answers_over(const Observations& seen, net::Family family) {
    constexpr std::size_t enough = 2;
    std::set<std::string> others;
    Answers heard = Answers::none;
    for (const PortEvidence& item : seen.ports) {
        const bool asked =
            item.family == family && item.attempted() && item.connect != ConnectResult::no_route;
        if (!asked) continue;
        if (item.open() || item.denied_here()) return Answers::some;
        if (item.result != "dropped") heard = Answers::refusals;
        const bool other = item.role == ProbeRole::control || item.role == ProbeRole::address;
        if (other) others.insert(item.operator_name);
    }
    return others.size() >= enough ? heard : Answers::some;
}

bool leads_nowhere(const Observations& seen, net::Family family) {
    const bool v4 = family == net::Family::ipv4;
    const bool route = v4 ? seen.route_v4 : seen.route_v6;
    return route && !stopped_here(seen, family) && answers_over(seen, family) != Answers::some &&
           anything_open(seen, v4 ? net::Family::ipv6 : net::Family::ipv4);
}

constexpr std::string_view dead_family_title = ": it has a route here and leads nowhere";

// A smarthost that has addresses of this family only; nullptr: each has others, or none fails.
const SmarthostStages* bound_to(const Observations& seen, net::Family family) {
    for (const SmarthostStages& stages : seen.smarthosts) {
        bool bound = false, other = false;
        for (const PortEvidence& item : seen.ports) {
            const bool its = item.role == ProbeRole::smarthost && item.operator_name == stages.name;
            if (!its || !item.attempted()) continue;
            (item.family == family ? bound : other) = true;
        }
        if (!stages.ok && bound && !other) return &stages;
    }
    return nullptr;
}

Fix mend_route(net::Family family, const SmarthostStages* bound) {
    const bool v4 = family == net::Family::ipv4;
    const std::string_view name = name_of(family);
    Fix fix;
    fix.title = fmt::format("Mend {}{}", name, dead_family_title);
    fix.steps.push_back(
        fmt::format("See who gave it: `ip {} route show default`", v4 ? "-4" : "-6"));
    fix.steps.push_back(fmt::format("See that nothing answers: `ping {}`",
                                    v4 ? "-4 -c 3 1.1.1.1" : "-6 -c 3 2606:4700:4700::1111"));
    fix.steps.push_back(
        fmt::format("Ask whoever runs that router to have {} work, or to offer none.", name));
    if (bound != nullptr) {
        // Going without the family is no way out then.
        fix.steps.push_back(
            fmt::format("Or take a smarthost that has {} addresses as well: {} has none.",
                        name_of(v4 ? net::Family::ipv6 : net::Family::ipv4), bound->host));
        return fix;
    }
    if (v4) return fix;
    fix.steps.emplace_back(
        "Until then take the route away: `ip -6 route del default` (the router's next announcement "
        "may bring it back: `sysctl -w net.ipv6.conf.eth0.disable_ipv6=1`, with this host's "
        "interface, "
        "switches IPv6 off there)");
    fix.steps.emplace_back(
        "Or have programs try IPv4 first, by the line `precedence ::ffff:0:0/96 100` in "
        "/etc/gai.conf: most of them wait for IPv6 to time out each time (relay itself goes on to "
        "IPv4 after a quarter of a second).");
    return fix;
}

}  // namespace

std::optional<BrokenFamily> broken_family(const Observations& seen) {
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        if (!leads_nowhere(seen, family)) continue;
        return BrokenFamily{family, true, answers_over(seen, family) == Answers::refusals};
    }
    const std::optional<net::Family> lossy = lossy_family(seen);
    if (lossy) return BrokenFamily{*lossy};
    return std::nullopt;
}

std::string broken_words(const BrokenFamily& broken) {
    if (broken.dead) {
        return fmt::format("Over {} nothing {} on any port, although this host has a route for it.",
                           name_of(broken.family), broken.refused ? "connects" : "answers");
    }
    return fmt::format(
        "Over {} TLS handshakes do not come to an end: small packets pass there, large ones do "
        "not.",
        name_of(broken.family));
}

Cause broken_cause(const Observations& seen, const BrokenFamily& broken) {
    Cause cause;
    if (!broken.dead) {
        cause.name = fmt::format("{}, over {}", large_packets_name, name_of(broken.family));
        return cause;
    }
    cause.name = fmt::format("the {} of this network: it has a route and leads nowhere",
                             name_of(broken.family));
    if (const std::optional<PathReading> reading = best_reading(seen, broken.family)) {
        cause.hop = reading->hop;
        cause.hop_address = reading->hop_address;
        cause.hops = reading->hops;
    }
    return cause;
}

Fix broken_fix(const Observations& seen, const BrokenFamily& broken) {
    return broken.dead ? mend_route(broken.family, bound_to(seen, broken.family))
                       : packet_size_fix(broken.family);
}

bool mends_dead_family(const Fix& fix) { return fix.title.ends_with(dead_family_title); }

}  // namespace diagnose
