#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "diagnose/observations.hpp"
#include "net/cidr.hpp"

namespace diagnose {
namespace {

bool silent_or_refused(VerdictCode code) {
    return code == VerdictCode::outbound_25_dropped || code == VerdictCode::outbound_25_rejected ||
           code == VerdictCode::submission_blocked || code == VerdictCode::smtp_hopeless ||
           code == VerdictCode::inconclusive;
}

// The same words for a person wherever the code stands.
std::string direct_words(VerdictCode code) {
    switch (code) {
        case VerdictCode::ok_direct:
            return "Outbound port 25 is open: mail can leave directly.";
        case VerdictCode::outbound_25_dropped:
            return "Outbound port 25 is blocked: connections to every mail operator vanish "
                   "silently, while their other ports answer.";
        case VerdictCode::outbound_25_rejected:
            return "Outbound port 25 is blocked: connections to every mail operator are refused, "
                   "while their other ports answer.";
        case VerdictCode::outbound_25_intercepted:
            return "Outbound port 25 is intercepted: something on the path answers in the mail "
                   "servers' place.";
        case VerdictCode::submission_blocked:
            return "Ports 25, 465 and 587 are all blocked here.";
        case VerdictCode::smtp_hopeless:
            return "Every mail port is blocked here; only 443 is open.";
        case VerdictCode::local_firewall:
            return "This host itself does not let port 25 out.";
        case VerdictCode::reputation:
            return "Outbound port 25 is open, but mail servers refuse this address.";
        case VerdictCode::no_network:
            return "Nothing connects anywhere: this host has no working network.";
        case VerdictCode::dns_broken:
            return "Names do not resolve: the name servers of this host do not work.";
        default:
            return "What was seen does not tell whether port 25 is open.";
    }
}

std::string smarthost_words(const SmarthostReport& smarthost) {
    const std::string& name = smarthost.name;
    switch (smarthost.code) {
        case VerdictCode::smarthost_dns:
            return fmt::format("The smarthost {}'s name does not resolve.", name);
        case VerdictCode::smarthost_unreachable:
            return fmt::format("The smarthost {} cannot be reached on its port.", name);
        case VerdictCode::smarthost_tls:
            return fmt::format("The connection to the smarthost {} cannot be secured.", name);
        case VerdictCode::smarthost_no_starttls:
            return fmt::format("The smarthost {} does not offer STARTTLS, so nothing was sent.",
                               name);
        case VerdictCode::smarthost_auth:
            return fmt::format("The smarthost {} does not accept the sign-in.", name);
        case VerdictCode::smarthost_sender:
            return fmt::format("The smarthost {} does not take mail from this sender.", name);
        case VerdictCode::smarthost_rejected:
            return fmt::format("The smarthost {} turns this host away.", name);
        default:
            return fmt::format("The smarthost {} works.", name);
    }
}

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

bool host_wide(VerdictCode code) {
    return code == VerdictCode::no_network || code == VerdictCode::dns_broken;
}

VerdictCode headline_code(const Report& report) {
    const VerdictCode direct = report.direct.code;
    if (host_wide(direct) || report.mail_leaves || report.smarthosts.empty()) return direct;
    const VerdictCode smarthost = report.smarthosts.front().code;
    const bool ports =
        direct == VerdictCode::submission_blocked || direct == VerdictCode::smtp_hopeless;
    if (ports && smarthost == VerdictCode::smarthost_unreachable) return direct;
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

std::string headline(const Observations& seen, const Report& report, VerdictCode code) {
    if (code != report.direct.code) return smarthost_words(report.smarthosts.front());
    std::string text = direct_words(code);
    if (code == VerdictCode::outbound_25_intercepted) text += " " + how_intercepted(seen);
    const SmarthostReport* smarthost = working(report);
    if (smarthost != nullptr && code != VerdictCode::ok_direct) {
        text +=
            fmt::format(" Mail leaves all the same, through the smarthost {}.", smarthost->name);
    }
    return text;
}

bool split_families(const Report& report) {
    return report.direct.ipv4 && report.direct.ipv6 && *report.direct.ipv4 != *report.direct.ipv6;
}

// Unrelated operators at one and the same address: the resolver lies, as a portal's or a filter's.
bool one_address_for_all(const Observations& seen) {
    std::set<std::string> addresses, operators;
    for (const PortEvidence& item : seen.ports) {
        if (item.role != ProbeRole::direct || item.family != net::Family::ipv4) continue;
        if (!item.attempted()) continue;
        addresses.insert(item.address);
        operators.insert(item.operator_name);
    }
    return operators.size() >= 3 && addresses.size() == 1 &&
           !net::is_loopback_address(*addresses.begin());
}

Confidence confidence_of(const Observations& seen, const Report& report) {
    const VerdictCode code = report.verdict.code;
    if (code == VerdictCode::inconclusive) return Confidence::unclear;
    if (code == VerdictCode::local_firewall) {
        const bool proof = seen.local.rule.has_value() ||
                           std::any_of(seen.ports.begin(), seen.ports.end(), [](const auto& item) {
                               return item.role == ProbeRole::direct && item.denied_here();
                           });
        const std::optional<PathReading> reading = best_reading(seen);
        const bool path = reading && reading->finding == PathFinding::stops_here;
        return proof || path ? Confidence::certain : Confidence::likely;
    }
    if (code == VerdictCode::outbound_25_intercepted) {
        const std::optional<PathReading> reading = best_reading(seen);
        const bool near = reading && reading->finding == PathFinding::intercepted;
        const bool plain = std::any_of(seen.ports.begin(), seen.ports.end(), [](const auto& item) {
            return item.identity == Identity::masked || item.identity == Identity::foreign;
        });
        return near || plain ? Confidence::certain : Confidence::likely;
    }
    if (code == VerdictCode::reputation) return Confidence::likely;
    if (code == VerdictCode::dns_broken && one_address_for_all(seen)) return Confidence::likely;
    return Confidence::certain;
}

void add_finding(Report& report, VerdictCode code, std::string summary) {
    report.findings.push_back({std::string{verdict_name(code)}, std::move(summary)});
}

void find_more(const Observations& seen, Report& report) {
    if (report.verdict.code != report.direct.code) {
        add_finding(report, report.direct.code, report.direct.summary);
    }
    if (split_families(report)) {
        add_finding(report, *report.direct.ipv4, "IPv4: " + direct_words(*report.direct.ipv4));
        add_finding(report, *report.direct.ipv6, "IPv6: " + direct_words(*report.direct.ipv6));
    }
    for (const SmarthostReport& smarthost : report.smarthosts) {
        if (smarthost.code == report.verdict.code) continue;
        add_finding(report, smarthost.code, smarthost_words(smarthost));
    }
    if (!seen.portal.empty()) {
        add_finding(report, VerdictCode::no_network, "A captive portal answers: " + seen.portal);
    }
    for (const PortEvidence& item : seen.ports) {
        const bool strange = item.role == ProbeRole::direct && item.open() && !item.genuine;
        if (!strange || report.direct.code == VerdictCode::outbound_25_intercepted) continue;
        add_finding(report, VerdictCode::outbound_25_intercepted,
                    fmt::format("{}: {}.", item.operator_name, identity_words(item.identity)));
    }
}

// A cloud whose table and whose network disagree is worth a word: an exemption was granted, or
// another filter is at work.
void compare_with_catalogue(const Observations& seen, Report& report) {
    if (seen.host.cloud == nullptr || report.direct.code != VerdictCode::ok_direct) return;
    const auto& blocked = seen.host.cloud->blocked;
    if (std::find(blocked.begin(), blocked.end(), 25) == blocked.end()) return;
    add_finding(report, VerdictCode::ok_direct,
                fmt::format("{} blocks port 25 by default, but it is open here: the block was "
                            "lifted for this host, or does not apply to it.",
                            seen.host.cloud->name));
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

// Names that are known to exist do not: a resolver that knows nothing, or a portal's.
bool no_name_known(const Observations& seen) {
    if (!seen.probe.targets.empty() || seen.ports.empty()) return false;
    return std::all_of(seen.ports.begin(), seen.ports.end(), [](const PortEvidence& item) {
        return item.role != ProbeRole::direct || item.result == "no-name";
    });
}

// Not even the well-known addresses that need no name.
bool no_address_answers(const Observations& seen) {
    bool asked = false;
    for (const PortEvidence& item : seen.ports) {
        if (item.open()) return false;
        asked = asked || item.role == ProbeRole::address;
    }
    return asked;
}

}  // namespace

DirectVote vote_direct(const Observations& seen) {
    const StartupVerdict voted = judge(seen.ports, seen.probe);
    DirectVote vote;
    vote.code = voted.code;
    vote.ipv4 = voted.ipv4;
    vote.ipv6 = voted.ipv6;
    const std::optional<PathReading> reading = best_reading(seen);
    const bool reset = reading && reading->finding == PathFinding::reset_here;
    const bool here = seen.local.rule.has_value() || dropped_here(seen.local) || reset;
    const bool nothing = vote.code == VerdictCode::no_network && (seen.route_v4 || seen.route_v6);
    if (here && (silent_or_refused(vote.code) || nothing)) {
        for (std::optional<VerdictCode>* family : {&vote.ipv4, &vote.ipv6}) {
            if (*family == vote.code) *family = VerdictCode::local_firewall;
        }
        vote.code = VerdictCode::local_firewall;
    }
    if (one_address_for_all(seen) || no_name_known(seen)) vote.code = VerdictCode::dns_broken;
    if (vote.code == VerdictCode::dns_broken && no_address_answers(seen)) {
        vote.code = VerdictCode::no_network;
    }
    const bool shut_in = silent_or_refused(vote.code) && open_submission_ports(seen).empty();
    if (!seen.portal.empty() && shut_in) vote.code = VerdictCode::no_network;
    vote.summary = direct_words(vote.code);
    return vote;
}

Report conclude(const Observations& seen) {
    Report report;
    const DirectVote vote = vote_direct(seen);
    report.direct = {vote.code, vote.summary, vote.ipv4, vote.ipv6};
    for (std::size_t i = 0; i < seen.smarthosts.size(); ++i) {
        SmarthostReport smarthost = report_of(seen.smarthosts[i]);
        if (i < seen.smarthost_ports.size()) {
            for (const auto& port : seen.smarthost_ports[i].ports) {
                smarthost.ports.push_back({port.port, port.result});
            }
        }
        report.smarthosts.push_back(std::move(smarthost));
    }
    decide_whether_mail_leaves(seen, report);
    report.verdict.code = headline_code(report);
    report.verdict.summary = headline(seen, report, report.verdict.code);
    report.verdict.confidence = confidence_of(seen, report);
    report.cause = find_cause(seen, report);
    report.fixes = advise(seen, report);
    find_more(seen, report);
    compare_with_catalogue(seen, report);
    report.checks = make_checks(seen, report);
    for (const PathTrace& path : seen.paths) report.paths.push_back(picture_of(path));
    report.host = host_of(seen);
    report.good = report.mail_leaves;
    return report;
}

}  // namespace diagnose
