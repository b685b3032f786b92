#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "diagnose/broken_family.hpp"
#include "diagnose/cause_provider.hpp"
#include "diagnose/large_packets.hpp"
#include "diagnose/observations.hpp"
#include "diagnose/rejecting_router.hpp"
#include "diagnose/slow_greetings.hpp"
#include "diagnose/smarthost_blame.hpp"

namespace diagnose {
namespace {

bool closed(VerdictCode code) {
    return code == VerdictCode::outbound_25_dropped || code == VerdictCode::outbound_25_rejected ||
           code == VerdictCode::submission_blocked || code == VerdictCode::smtp_hopeless ||
           code == VerdictCode::local_firewall || code == VerdictCode::outbound_25_intercepted ||
           code == VerdictCode::inconclusive;
}

void place(const std::optional<PathReading>& reading, Cause& cause) {
    if (!reading) return;
    cause.hop = reading->hop;
    cause.hop_address = reading->hop_address;
    cause.hops = reading->hops;
    cause.icmp = reading->icmp;
    cause.at_hop = reading->finding == PathFinding::rejected      ? AtHop::rejects
                   : reading->finding == PathFinding::intercepted ? AtHop::answers
                                                                  : AtHop::ends;
}

// Where the box is that rejects all else: port 25 may end sooner, by a rule of this host.
void place_box(const Observations& seen, const std::string& box, Cause& cause) {
    for (const PathTrace& path : seen.paths) {
        const std::vector<Trace::Hop>& hops = path.control.hops;
        const auto its = std::find_if(hops.begin(), hops.end(), [&](const Trace::Hop& hop) {
            return hop.icmp && hop.icmp->from == box;
        });
        if (its == hops.end()) continue;
        cause.hop = static_cast<int>(its - hops.begin()) + 1;
        cause.hop_address = box;
        cause.at_hop = AtHop::rejects;
        return;
    }
    place(best_reading(seen), cause);
}

const PortEvidence* first_denied(const Observations& seen) {
    const auto found =
        std::find_if(seen.ports.begin(), seen.ports.end(), [](const PortEvidence& item) {
            return item.role == ProbeRole::direct && item.attempted() && item.denied_here();
        });
    return found == seen.ports.end() ? nullptr : &*found;
}

Cause cause_by_rule(const RuleMatch& rule, std::string policy) {
    Cause cause;
    cause.kind = CauseKind::local_firewall;
    cause.hop = 0;
    cause.name = rule_text(rule);
    cause.policy = std::move(policy);
    return cause;
}

Cause local_cause(const Observations& seen, net::Family family) {
    const std::string_view here = here_words(seen);
    for (const LocalSigns* signs : signs_over(seen, family)) {
        if (!signs->rule) continue;
        std::string policy = fmt::format("This rule of {} stops port 25.", here);
        if (redirected_here(seen)) {
            policy = fmt::format("This rule of {} leads port 25 elsewhere.", here);
        }
        return cause_by_rule(*signs->rule, std::move(policy));
    }
    Cause cause;
    cause.kind = CauseKind::local_firewall;
    cause.hop = 0;
    const PortEvidence* denied = first_denied(seen);
    if (own_server_answers(seen)) {
        cause.name = fmt::format("a rule of {} that leads port 25 to its own mail server", here);
        cause.policy =
            fmt::format("What answers for the mail servers greets as port 25 of {} does: \"{}\".",
                        here, seen.own_greeting);
    } else if (denied != nullptr && denied->own_address) {
        cause.name = fmt::format("a reject rule of {}'s packet filter", here);
    } else if (denied != nullptr) {
        cause.name =
            fmt::format("{}'s own policy (a route, a security module or a unit's sandbox)", here);
    } else {
        cause.name = fmt::format("{}'s own packet filter", here);
        cause.policy =
            "A rule of the packet filter or of a control group (IPAddressDeny= of a systemd unit, "
            "a "
            "container policy) drops the packets before they leave.";
    }
    // The host's forwarding is no suspect: it would let them leave the container first.
    if (!seen.host.container.empty()) {
        cause.policy += std::string{cause.policy.empty() ? "" : " "} +
                        "That is in this container's own network, or in its host's where it shares "
                        "that (--network host); the host's FORWARD and DOCKER-USER rules would not "
                        "show like this.";
    }
    return cause;
}

// How far the box that stops mail stands, and what that says of whose it may be.
struct Distance {
    int hop = -1;                    // -1: not known
    bool near = false;               // this host's end of the path
    bool behind_first_box = false;   // not this host's own, nor the first router's answer
    bool nearer_than_cloud = false;  // a box that names itself, or of one's own
};

Distance distance_of(const Cause& cause, const std::optional<PathReading>& reading) {
    Distance distance;
    distance.hop = cause.hop.value_or(-1);
    distance.near = distance.hop == 0 || distance.hop == 1;
    const bool named_itself = reading && (reading->finding == PathFinding::rejected ||
                                          reading->finding == PathFinding::reset_here);
    const bool own_router = distance.hop == 1 && private_address(cause.hop_address);
    distance.behind_first_box = distance.hop != 0 && !(distance.hop == 1 && named_itself);
    // What a cloud drops before its first router shows no farther than this host.
    distance.nearer_than_cloud = (distance.near && named_itself) || own_router;
    return distance;
}

// Where nothing is known of this network, the distance alone tells.
void blame_by_distance(const Observations& seen, bool intercepted, net::Family family,
                       const std::optional<PathReading>& reading, const Distance& distance,
                       Cause& cause) {
    // A rule of this host shows no nearer than one of a router that filters before it routes.
    if (!intercepted && distance.hop == 0 && may_be_here(seen, family)) {
        cause.name = "this host or the first router";
        return;
    }
    // A rule of this host that redirects answers as near as the first router does.
    if (intercepted && distance.hop == 1 && !seen.local.rules_read) {
        cause.name = "this host or the first router";
        cause.hop_address.clear();
        return;
    }
    if (distance.near) {
        cause.kind = CauseKind::gateway;
        cause.name = cause.hop_address.empty() ? "the first router" : cause.hop_address;
        return;
    }
    if (distance.hop < 2) return;
    if (reading->finding == PathFinding::stops_late || reading->finding == PathFinding::clear) {
        return;
    }
    // That a box stands far off does not tell whose it is; a private address does.
    if (private_address(cause.hop_address)) {
        cause.kind = CauseKind::gateway;
        cause.name = cause.hop_address;
    } else if (reading->finding == PathFinding::rejected && !cause.hop_address.empty()) {
        cause.name = cause.hop_address;  // it has named itself
    } else {
        cause.name = "the network behind hop " + std::to_string(distance.hop);
    }
}

// The box at the hop found, by what is known of this network. The measurement decides, the
// catalogue explains: a box that answers for itself, then the place, then a cloud's table.
Cause network_cause(const Observations& seen, bool intercepted, net::Family family) {
    Cause cause;
    const std::optional<PathReading> reading = best_reading(seen, family);
    if (intercepted && mute_from_afar(seen)) {
        cause.policy = "The connections are taken as far away as the mail servers are.";
        return cause;
    }
    place(reading, cause);
    if (intercepted) cause.at_hop = AtHop::answers;
    // A box that is not seen on the path is nowhere in particular.
    if (intercepted && reading && reading->finding == PathFinding::clear) cause.hop.reset();
    if (intercepted && own_greeting_heard(seen)) {
        cause.kind = CauseKind::gateway;
        cause.name = "a router that leads port 25 back to this host";
        cause.policy =
            "What answers for the mail servers is this host's own server: a port forwarding that "
            "does not ask from where takes what goes out as well.";
        return cause;
    }
    const Distance distance = distance_of(cause, reading);
    const bool cloud_suspect =
        seen.host.cloud != nullptr && !intercepted && !distance.nearer_than_cloud;
    const bool isp_known = seen.host.isp != nullptr || seen.host.residential;
    if (!seen.host.container.empty() && distance.near) {
        cause.kind = CauseKind::container;
        cause.name = seen.host.container;
        cause.policy = seen.host.container_meaning;
    } else if (cloud_suspect && cloud_blocks(seen.host, 25)) {
        blame_cloud(seen.host, cause);
    } else if (isp_known && distance.behind_first_box) {
        blame_access_network(seen.host, cause);
    } else if (cloud_suspect && distance.hop != 0) {
        blame_cloud(seen.host, cause);
    } else {
        blame_by_distance(seen, intercepted, family, reading, distance, cause);
    }
    return cause;
}

// Who is at work between this host and the mail servers, as far as marks tell.
Cause path_cause(const Observations& seen, const DirectReport& direct, std::uint16_t port) {
    // Port 25's trace, if it ends on this host, does not get to what stops another port.
    const bool beyond =
        direct.code != VerdictCode::inconclusive && direct.code != VerdictCode::local_firewall;
    if (closed(direct.code) && beyond) {
        return network_cause(seen, direct.code == VerdictCode::outbound_25_intercepted,
                             net::Family::any);
    }
    Cause cause;
    if (cloud_blocks(seen.host, port)) {
        blame_cloud(seen.host, cause);
    } else if (seen.host.isp != nullptr) {
        blame_access_network(seen.host, cause);
    } else {
        cause.name = "something between this host and the mail servers";
    }
    return cause;
}

// A router that says so itself needs no guess from port 25's path.
Cause router_cause(const Observations& seen, const SmarthostBlame& blame) {
    const RejectingRouter& router = *blame.router;
    Cause cause;
    // One that no path shows may be the smarthost's own, unless it rejects others' as well.
    const bool of_this_network = router.hop || !blame.only_this;
    if (is_gateway(router)) {
        const bool container = !seen.host.container.empty() && router.hop == 1;
        cause.kind = container ? CauseKind::container : CauseKind::gateway;
    } else if (of_this_network && seen.host.cloud != nullptr) {
        blame_cloud(seen.host, cause);
    } else if (of_this_network && (seen.host.isp != nullptr || seen.host.residential)) {
        blame_access_network(seen.host, cause);
    }
    if (cause.name.empty()) cause.name = router.address;
    cause.policy = blame.words;
    cause.port = blame.port;
    cause.hop = router.hop;
    cause.hop_address = router.address;
    cause.hops = router.hops;
    cause.icmp = router.icmp;
    cause.at_hop = AtHop::rejects;
    cause.family = router.family;
    return cause;
}

// STARTTLS is set for a port of implicit TLS, or the other way round.
bool wrong_kind_of_tls(const Observations& seen, const SmarthostReport& smarthost) {
    const SmarthostStages* stages = stages_of(seen, smarthost.name);
    return stages != nullptr && (stages->implicit_seen || stages->plain_seen);
}

// Silence, of the port or of the handshake, says nothing of whose it is.
bool unexplained(const Observations& seen, const SmarthostReport& smarthost) {
    const SmarthostStages* stages = stages_of(seen, smarthost.name);
    return smarthost.code == VerdictCode::smarthost_unreachable ||
           (stages != nullptr && stages->handshake_hung);
}

// By comparison with other operators: the smarthost is not blamed for what all of them show.
Cause blamed_cause(const Observations& seen, const DirectReport& direct,
                   const SmarthostReport& smarthost) {
    const SmarthostBlame blame = blame_for(seen, smarthost.name);
    Cause cause;
    if (wrong_kind_of_tls(seen, smarthost)) {
        cause.kind = CauseKind::config;
        cause.name = "tls or port of smarthost " + smarthost.name;
        return cause;
    }
    switch (blame.who) {
        case Blame::here:
            cause.kind = CauseKind::local_firewall;
            cause.hop = 0;
            cause.port = blame.port;
            cause.name = blame.rule != nullptr ? rule_text(*blame.rule)
                                               : fmt::format("{}'s own policy", here_words(seen));
            break;
        case Blame::config:
            cause.kind = CauseKind::config;
            cause.name = blame.lacking;
            break;
        case Blame::path:
            if (blame.large_packets) {
                const std::optional<BrokenFamily> broken = broken_family(seen);
                cause.name = large_packets_name;
                if (broken && !broken->dead) cause = broken_cause(seen, *broken);
                break;
            }
            if (blame.dead_family) {
                cause = broken_cause(seen, *broken_family(seen));
                break;
            }
            cause = blame.router ? router_cause(seen, blame) : path_cause(seen, direct, blame.port);
            break;
        case Blame::far:
            cause.kind = CauseKind::remote;
            cause.name = "smarthost " + smarthost.name;
            break;
        case Blame::unknown:
            // Its own words about the certificate are its own fault, whoever else was asked.
            cause.kind = unexplained(seen, smarthost) ? CauseKind::unknown : CauseKind::remote;
            cause.name = "smarthost " + smarthost.name + ", or something on the way to it";
    }
    if (cause.policy.empty()) cause.policy = blame.words;
    return cause;
}

Cause smarthost_cause(const Observations& seen, const DirectReport& direct,
                      const SmarthostReport& smarthost) {
    Cause cause;
    cause.name = "smarthost " + smarthost.name;
    const SmarthostStages* stages = stages_of(seen, smarthost.name);
    switch (smarthost.code) {
        case VerdictCode::smarthost_unreachable:
        case VerdictCode::smarthost_tls:
        case VerdictCode::smarthost_no_starttls:
            return blamed_cause(seen, direct, smarthost);
        case VerdictCode::smarthost_rejected:
            cause.kind = CauseKind::remote;
            break;
        case VerdictCode::inconclusive:
            return {};
        case VerdictCode::smarthost_dns:
            if (stages != nullptr && name_unanswered(*stages)) {
                cause.name = "name servers of this host, or those of the smarthost's domain";
                break;
            }
            cause.kind = CauseKind::config;
            cause.name = "host of smarthost " + smarthost.name;
            break;
        case VerdictCode::smarthost_sender:
            cause.kind = CauseKind::config;
            cause.name = "sender address, or what smarthost " + smarthost.name + " allows it";
            break;
        default:
            if (stages != nullptr && stages->reply.transient()) {
                cause.kind = CauseKind::remote;
                break;
            }
            cause.kind = CauseKind::config;
            cause.name = "sign-in of smarthost " + smarthost.name;
    }
    return cause;
}

Cause reputation_cause(const Observations& seen) {
    Cause cause;
    if (seen.host.isp != nullptr || seen.host.residential) {
        cause.kind = CauseKind::isp;
        cause.name = seen.host.isp != nullptr ? seen.host.isp->name : seen.host.ptr;
        cause.policy = "Mail servers do not take mail straight from end users' addresses.";
    } else if (seen.host.cloud != nullptr) {
        cause.kind = CauseKind::cloud;
        cause.name = seen.host.cloud->name;
        cause.policy = "The address range or its missing PTR is not trusted by receivers.";
    } else {
        cause.kind = CauseKind::remote;
        cause.name = "the receiving servers' policy";
    }
    return cause;
}

}  // namespace

std::optional<PathReading> best_reading(const Observations& seen, net::Family family) {
    std::optional<PathReading> best;
    std::vector<const PathTrace*> paths;
    for (const PathTrace& path : seen.paths) {
        if (family == net::Family::any || path.family == family) paths.push_back(&path);
    }
    std::stable_sort(paths.begin(), paths.end(), [](const PathTrace* a, const PathTrace* b) {
        return a->family == net::Family::ipv4 && b->family != net::Family::ipv4;
    });
    for (const PathTrace* path : paths) {
        const PathReading reading = read_path(*path);
        if (reading.finding == PathFinding::hidden) continue;
        // A trace on which port 25 is answered explains a block less than one on which it is not.
        const bool better =
            !best || (best->finding == PathFinding::clear && reading.finding != PathFinding::clear);
        if (better) best = reading;
    }
    return best;
}

Cause cause_over(const Observations& seen, net::Family family, VerdictCode code) {
    Cause cause;
    if (code == VerdictCode::reputation) {
        cause = reputation_cause(seen);
    } else if (code == VerdictCode::local_firewall) {
        cause = local_cause(seen, family);
    } else {
        cause = network_cause(seen, code == VerdictCode::outbound_25_intercepted, family);
    }
    return cause;
}

Cause find_cause(const Observations& seen, const Report& report) {
    const VerdictCode code = report.verdict.code;
    const std::optional<net::Family> shut = closed_family(report.direct);
    const VerdictCode direct = closed_code(report.direct);
    const net::Family family = shut.value_or(net::Family::any);
    const bool by_smarthost = code != report.direct.code;
    if (by_smarthost) {
        for (const SmarthostReport& smarthost : report.smarthosts) {
            if (smarthost.code == code) return smarthost_cause(seen, report.direct, smarthost);
        }
    }
    if (const auto both = two_ways(report.direct)) {
        Cause cause = cause_over(seen, both->first, direct);
        cause.family = both->first;
        return cause;
    }
    if (direct == VerdictCode::local_firewall) return local_cause(seen, net::Family::any);
    if (code == VerdictCode::no_network) {
        Cause cause;
        if (seen.rule_for_all) {
            cause = cause_by_rule(*seen.rule_for_all, "This rule of this host stops everything.");
        } else if (!seen.portal.empty()) {
            cause.kind = CauseKind::gateway;
            cause.name = "a captive portal";
        } else if (proxy_only(seen, code)) {
            cause.kind = CauseKind::gateway;
            cause.name = "a network that lets out only its web proxy " + seen.proxy;
        } else if (const std::optional<std::string> box = refuses_all(seen)) {
            place_box(seen, *box, cause);
            if (private_address(cause.hop_address)) cause.kind = CauseKind::gateway;
            cause.name = *box + ", which refuses every connection";
        } else if (!seen.route_v4 && !seen.route_v6) {
            cause.kind = CauseKind::config;
            cause.name = "no default route";
        } else {
            place(best_reading(seen), cause);
        }
        return cause;
    }
    if (code == VerdictCode::dns_broken) {
        Cause cause;
        if (seen.rule_for_dns) {
            return cause_by_rule(*seen.rule_for_dns, "This rule of this host stops name look-ups.");
        }
        cause.kind = seen.portal.empty() ? CauseKind::config : CauseKind::gateway;
        cause.name = seen.portal.empty() ? "name servers " + seen.name_servers : "a captive portal";
        return cause;
    }
    if (direct == VerdictCode::reputation) return reputation_cause(seen);
    if (direct == VerdictCode::inconclusive && large_packets_lost(seen)) {
        Cause cause;
        cause.name = large_packets_name;
        return cause;
    }
    if (closed(direct)) {
        return network_cause(seen, direct == VerdictCode::outbound_25_intercepted, family);
    }
    if (const std::optional<BrokenFamily> broken = broken_family(seen)) {
        return broken_cause(seen, *broken);
    }
    return {};
}

}  // namespace diagnose
