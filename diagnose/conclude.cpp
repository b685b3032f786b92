#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/broken_family.hpp"
#include "diagnose/conclude_words.hpp"
#include "diagnose/large_packets.hpp"
#include "diagnose/name_faults.hpp"
#include "diagnose/slow_greetings.hpp"
#include "diagnose/smarthost_blame.hpp"
#include "net/cidr.hpp"

namespace diagnose {
namespace {

const SmarthostReport* working(const Report& report) {
    for (const SmarthostReport& smarthost : report.smarthosts) {
        if (smarthost.code == VerdictCode::ok_smarthost) return &smarthost;
    }
    return nullptr;
}

void decide_whether_mail_leaves(const Observations& seen, Report& report) {
    const SmarthostReport* smarthost = working(report);
    const bool direct = seen.direct_path && report.direct.code == VerdictCode::ok_direct;
    report.mail_leaves = direct || smarthost != nullptr;
    if (direct) {
        report.via = "direct";
    } else if (smarthost != nullptr) {
        report.via = "smarthost " + smarthost->name;
    }
}

VerdictCode headline_code(const Observations& seen, const Report& report) {
    const VerdictCode direct = report.direct.code;
    if (report.mail_leaves || report.smarthosts.empty() || seen.about_direct) return direct;
    // What was reached without public names, or without the network, fails for reasons of its own.
    const bool reached = was_reached(seen.smarthosts.front()) && !one_address_for_all(seen);
    if (host_wide(direct) && !reached) return direct;
    const VerdictCode smarthost = report.smarthosts.front().code;
    const bool ports =
        direct == VerdictCode::submission_blocked || direct == VerdictCode::smtp_hopeless;
    const bool silent =
        smarthost == VerdictCode::smarthost_unreachable || smarthost == VerdictCode::inconclusive;
    if (ports && silent) return direct;
    return smarthost;
}

std::string how_intercepted(const Observations& seen) {
    for (const PortEvidence& item : seen.ports) {
        const bool strange = item.role == ProbeRole::direct && item.open() && !item.genuine;
        if (strange)
            return fmt::format("Asked for {}: {}.", item.host, identity_words(item.identity));
    }
    return {};
}

bool shut(VerdictCode code) {
    return code == VerdictCode::local_firewall || code == VerdictCode::reputation ||
           code == VerdictCode::outbound_25_intercepted ||
           (silent_or_refused(code) && code != VerdictCode::inconclusive);
}

// Of port 25 alone, so that two families may differ in it.
bool about_port_25(VerdictCode code) {
    return shut(code) && code != VerdictCode::submission_blocked &&
           code != VerdictCode::smtp_hopeless;
}

std::string smarthost_headline(const Observations& seen, const Report& report) {
    const std::string words = smarthost_words(report.smarthosts.front());
    const SmarthostBlame blame = blame_for(seen, std::size_t{0});
    const bool said =
        blame.who == Blame::here || blame.who == Blame::path || blame.who == Blame::config;
    return said ? words + " " + blame.words : words;
}

// Who keeps all connections from this host, where that is seen. This order is also that of the
// cause and of the advice.
std::string nothing_connects_words(const Observations& seen) {
    if (seen.rule_for_all)
        return "Nothing connects anywhere: a rule of this host stops everything.";
    if (!seen.portal.empty()) {
        return "Nothing connects but a captive portal: this network wants a sign-in first.";
    }
    if (proxy_only(seen, VerdictCode::no_network)) {
        return "Nothing connects directly: this network seems to let out only its web proxy (" +
               seen.proxy + "), which carries no mail.";
    }
    if (const auto box = refuses_all(seen)) {
        return fmt::format("Nothing connects anywhere: every connection is refused, by {}.", *box);
    }
    return direct_words(seen, VerdictCode::no_network);
}

std::string inconclusive_words(const Observations& seen) {
    if (large_packets_lost(seen)) {
        return "Port 25 is open, but no TLS handshake comes to an end: small packets pass on this "
               "path, large ones do not.";
    }
    if (slow_from_afar(seen)) {
        return "Port 25 connects to the mail servers themselves, but none had greeted when the "
               "time was over: they are slow, or something holds their words back.";
    }
    return direct_words(seen, VerdictCode::inconclusive);
}

// Of port 25, over both families or apart.
std::string port_25_words(const Observations& seen, const DirectReport& direct) {
    const VerdictCode code = direct.code;
    if (code == VerdictCode::inconclusive) return inconclusive_words(seen);
    if (code == VerdictCode::no_network) return nothing_connects_words(seen);
    if (about_port_25(code) && closed_in_two_ways(direct)) {
        return two_ways_words(*direct.ipv4, *direct.ipv6);
    }
    if (const std::optional<net::Family> family = closed_family(direct)) {
        return one_family_words(*family, closed_code(direct));
    }
    const std::optional<BrokenFamily> broken = broken_family(seen);
    const bool v4 = broken && broken->family == net::Family::ipv4;
    if (code == VerdictCode::ok_direct && broken) {
        return fmt::format("Outbound port 25 is open over {} only. {}", v4 ? "IPv6" : "IPv4",
                           broken_words(*broken));
    }
    if (code == VerdictCode::smtp_hopeless && broken && broken->dead) {
        return fmt::format("Every mail port is blocked over {}; over {} nothing answers at all.",
                           v4 ? "IPv6" : "IPv4", v4 ? "IPv4" : "IPv6");
    }
    return direct_words(seen, code);
}

std::string headline(const Observations& seen, const Report& report, VerdictCode code) {
    if (code != report.direct.code) return smarthost_headline(seen, report);
    std::string text = port_25_words(seen, report.direct);
    if (code == VerdictCode::outbound_25_intercepted) text += " " + how_intercepted(seen);
    const bool nothing_known = code == VerdictCode::inconclusive && !report.smarthosts.empty() &&
                               report.smarthosts.front().code == code;
    if (nothing_known) text += " " + smarthost_words(report.smarthosts.front());
    const SmarthostReport* smarthost = working(report);
    if (smarthost != nullptr && code != VerdictCode::ok_direct) {
        return fmt::format("Mail leaves, through the smarthost {}. {}", smarthost->name, text);
    }
    return text;
}

// One operator that answers proves port 25 open, but most of them do not.
bool most_are_closed(const Observations& seen) {
    const Asked asked = operators_asked(seen);
    return 2 * asked.open.size() < asked.all.size();
}

// A SYN that gets lost is sent again after a second: who waits for less hears nothing of a port
// that is slow, either.
bool silence_was_brief(const Observations& seen) {
    constexpr base::Duration enough{2000};
    const auto silent = [](const PortEvidence& item) {
        return item.role == ProbeRole::direct && item.result == "dropped";
    };
    return std::any_of(seen.ports.begin(), seen.ports.end(), silent) &&
           std::all_of(seen.ports.begin(), seen.ports.end(), [&](const PortEvidence& item) {
               return !silent(item) || item.took < enough;
           });
}

bool proven_here(const Observations& seen, net::Family family) {
    const std::vector<const LocalSigns*> signs = signs_over(seen, family);
    const bool rule =
        std::any_of(signs.begin(), signs.end(), [](const auto* one) { return one->rule; });
    const bool denied =
        std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortEvidence& item) {
            const bool its = family == net::Family::any || item.family == family;
            return its && item.role == ProbeRole::direct && item.denied_here();
        });
    const std::optional<PathReading> reading = best_reading(seen, family);
    const bool path = reading && (reading->finding == PathFinding::stops_here ||
                                  reading->finding == PathFinding::intercepted);
    return rule || denied || path;
}

// A second witness beside the kernel's account, over each family that ends on this host.
bool proven_here(const Observations& seen, const DirectReport& direct) {
    const bool v4 = direct.ipv4 == VerdictCode::local_firewall;
    const bool v6 = direct.ipv6 == VerdictCode::local_firewall;
    if (!v4 && !v6) return proven_here(seen, net::Family::any);
    return (!v4 || proven_here(seen, net::Family::ipv4)) &&
           (!v6 || proven_here(seen, net::Family::ipv6));
}

Confidence confidence_of(const Observations& seen, const Report& report) {
    const VerdictCode code = report.verdict.code;
    if (code == VerdictCode::inconclusive) return Confidence::unclear;
    if (code == VerdictCode::local_firewall) {
        return proven_here(seen, report.direct) ? Confidence::certain : Confidence::likely;
    }
    if (code == VerdictCode::outbound_25_intercepted) {
        const std::optional<PathReading> reading = best_reading(seen);
        const bool near = reading && reading->finding == PathFinding::intercepted;
        const bool plain = std::any_of(seen.ports.begin(), seen.ports.end(), [](const auto& item) {
            return item.identity == Identity::masked || item.identity == Identity::foreign;
        });
        return near || plain ? Confidence::certain : Confidence::likely;
    }
    if (code == VerdictCode::smarthost_unreachable && code != report.direct.code) {
        const SmarthostBlame blame = blame_for(seen, std::size_t{0});
        const bool known = blame.who == Blame::here || blame.who == Blame::config;
        return known && !blame.by_counter ? Confidence::certain : Confidence::likely;
    }
    if (code == VerdictCode::smarthost_tls && seen.smarthosts.front().handshake_hung) {
        return Confidence::likely;
    }
    if (code != report.direct.code && seen.smarthosts.front().reply.transient()) {
        return Confidence::likely;
    }
    if (code == VerdictCode::smarthost_dns && name_unanswered(seen.smarthosts.front())) {
        return Confidence::likely;
    }
    const bool closed =
        code == VerdictCode::outbound_25_dropped || code == VerdictCode::outbound_25_rejected;
    if (closed && !controls_answer(seen)) return Confidence::likely;
    if (code == VerdictCode::outbound_25_dropped && silence_was_brief(seen)) {
        return Confidence::likely;
    }
    if (code == VerdictCode::reputation) return Confidence::likely;
    if (code == VerdictCode::ok_direct && most_are_closed(seen)) return Confidence::likely;
    // Delivery that begins over the other family hangs there.
    if (code == VerdictCode::ok_direct && lossy_family(seen)) return Confidence::likely;
    if (proxy_only(seen, code)) return Confidence::likely;
    // What the dead family would let out is not known.
    const std::optional<BrokenFamily> broken = broken_family(seen);
    if (code == VerdictCode::smtp_hopeless && broken && broken->dead) return Confidence::likely;
    if (code == VerdictCode::dns_broken &&
        (names_are_hidden(seen) || look_ups_may_be_stopped_here(seen))) {
        return Confidence::likely;
    }
    return Confidence::certain;
}

// Reports have three words for a port; "" for one that could not be asked.
std::string_view port_state(std::string_view result) {
    if (result == "open" || result == "dropped") return result;
    if (result == "rejected" || result == "unreachable" || result == "failed") return "rejected";
    return "";
}

HostReport host_of(const Observations& seen) {
    HostReport host;
    host.hostname = seen.hostname;
    std::vector<std::string> parts;
    if (!seen.host.container.empty()) parts.push_back(seen.host.container);
    if (seen.host.cloud != nullptr) parts.push_back(seen.host.cloud->name);
    host.platform = base::join(parts, " on ");
    host.public_addresses = seen.host.public_addresses;
    return host;
}

// Not even the well-known addresses that need no name.
bool no_address_answers(const Observations& seen) {
    bool asked = false;
    for (const PortEvidence& item : seen.ports) {
        if (item.open() && !net::is_loopback_address(item.address)) return false;
        asked = asked || item.role == ProbeRole::address;
    }
    return asked;
}

// A SYN for another port got out of this host over this family, whatever became of it.
bool others_leave(const Observations& seen, net::Family family) {
    const auto left = [&](const PortEvidence& item) {
        const bool refused = item.result == "rejected" && !item.denied_here();
        return item.family == family && item.role != ProbeRole::direct &&
               (item.last_left || refused);
    };
    const auto heard = [&](const PathTrace& path) {
        return path.family == family && path.control.last_router() >= 1;
    };
    return std::any_of(seen.ports.begin(), seen.ports.end(), left) ||
           std::any_of(seen.paths.begin(), seen.paths.end(), heard);
}

// What this host does to port 25 over this family is why nothing answers there. Where the rest is
// silent too, it is only if that does not get out, either.
bool is_this_hosts(const Observations& seen, net::Family family, VerdictCode code) {
    if (code == VerdictCode::outbound_25_intercepted) return redirected_here(seen, family);
    const bool silent = code == VerdictCode::no_network && !others_leave(seen, family);
    return (silent || silent_or_refused(code)) && stopped_here(seen, family);
}

// Own rules first: they are what the user can lift. Each family is judged by its own signs.
void blame_this_host(const Observations& seen, DirectVote& vote) {
    bool found = false;
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        std::optional<VerdictCode>& code = family == net::Family::ipv4 ? vote.ipv4 : vote.ipv6;
        if (!code || !is_this_hosts(seen, family, *code)) continue;
        code = VerdictCode::local_firewall;
        found = true;
    }
    const bool closed = vote.code == VerdictCode::no_network ||
                        vote.code == VerdictCode::outbound_25_intercepted ||
                        silent_or_refused(vote.code);
    if (found && closed) vote.code = VerdictCode::local_firewall;
}

}  // namespace

bool closed_in_two_ways(const DirectReport& direct) {
    return direct.ipv4 && direct.ipv6 && shut(*direct.ipv4) && shut(*direct.ipv6) &&
           how_closed(*direct.ipv4) != how_closed(*direct.ipv6);
}

std::optional<TwoWays> two_ways(const DirectReport& direct) {
    if (!closed_in_two_ways(direct)) return std::nullopt;
    if (*direct.ipv4 == direct.code) {
        return TwoWays{net::Family::ipv4, net::Family::ipv6, *direct.ipv6};
    }
    return TwoWays{net::Family::ipv6, net::Family::ipv4, *direct.ipv4};
}

std::optional<net::Family> closed_family(const DirectReport& direct) {
    if (direct.code != VerdictCode::ok_direct || !direct.ipv4 || !direct.ipv6) return std::nullopt;
    if (shut(*direct.ipv4)) return net::Family::ipv4;
    if (shut(*direct.ipv6)) return net::Family::ipv6;
    return std::nullopt;
}

VerdictCode closed_code(const DirectReport& direct) {
    const std::optional<net::Family> family = closed_family(direct);
    if (!family) return direct.code;
    return *family == net::Family::ipv4 ? *direct.ipv4 : *direct.ipv6;
}

DirectVote vote_direct(const Observations& seen) {
    const StartupVerdict voted = judge(seen.ports, seen.probe);
    DirectVote vote;
    vote.code = voted.code;
    vote.ipv4 = voted.ipv4;
    vote.ipv6 = voted.ipv6;
    blame_this_host(seen, vote);
    if (vote.code == VerdictCode::outbound_25_intercepted && slow_from_afar(seen)) {
        for (std::optional<VerdictCode>* family : {&vote.ipv4, &vote.ipv6}) {
            if (*family == vote.code) *family = VerdictCode::inconclusive;
        }
        vote.code = VerdictCode::inconclusive;
    }
    // Delivery begins TLS wherever it is offered, and would wait there for ever.
    if (vote.code == VerdictCode::ok_direct && large_packets_lost(seen)) {
        for (std::optional<VerdictCode>* family : {&vote.ipv4, &vote.ipv6}) {
            if (*family == vote.code) *family = VerdictCode::inconclusive;
        }
        vote.code = VerdictCode::inconclusive;
    }
    if (const std::optional<net::Family> lossy = lossy_family(seen)) {
        std::optional<VerdictCode>& code = *lossy == net::Family::ipv4 ? vote.ipv4 : vote.ipv6;
        if (code == VerdictCode::ok_direct) code = VerdictCode::inconclusive;
    }
    if (one_address_for_all(seen) || no_name_known(seen)) vote.code = VerdictCode::dns_broken;
    if (vote.code == VerdictCode::dns_broken && no_address_answers(seen)) {
        vote.code = VerdictCode::no_network;
    }
    const bool closed = silent_or_refused(vote.code) || vote.code == VerdictCode::local_firewall;
    const bool shut_in = closed && open_submission_ports(seen).empty();
    if (!seen.portal.empty() && shut_in) vote.code = VerdictCode::no_network;
    vote.summary = evidence_words(seen, vote.code);
    return vote;
}

Report conclude(const Observations& seen) {
    Report report;
    const DirectVote vote = vote_direct(seen);
    report.direct = {vote.code, vote.summary, vote.ipv4, vote.ipv6};
    for (std::size_t i = 0; i < seen.smarthosts.size(); ++i) {
        SmarthostReport smarthost = report_of(seen.smarthosts[i]);
        if (i < seen.smarthost_ports.size()) {
            const bool routed = blame_for(seen, i).who != Blame::config;
            for (const auto& port : seen.smarthost_ports[i].ports) {
                // Without a route nobody was asked.
                if (!routed && port.result == "unreachable") continue;
                const std::string_view state = port_state(port.result);
                if (!state.empty()) smarthost.ports.push_back({port.port, std::string{state}});
            }
        }
        report.smarthosts.push_back(std::move(smarthost));
    }
    decide_whether_mail_leaves(seen, report);
    report.verdict.code = headline_code(seen, report);
    report.verdict.summary = headline(seen, report, report.verdict.code);
    report.verdict.confidence = confidence_of(seen, report);
    report.cause = find_cause(seen, report);
    report.fixes = advise(seen, report);
    add_findings(seen, report);
    report.checks = make_checks(seen, report);
    for (const PathTrace& path : seen.paths) report.paths.push_back(picture_of(path));
    report.host = host_of(seen);
    report.good = report.mail_leaves;
    return report;
}

}  // namespace diagnose
