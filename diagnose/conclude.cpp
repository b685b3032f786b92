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

struct Asked {
    std::set<std::string> all, open, silent, refused, refusing;
};

// Who answered on port 25, over either family.
Asked operators_asked(const Observations& seen) {
    Asked asked;
    for (const PortEvidence& item : seen.ports) {
        if (item.role != ProbeRole::direct || !item.attempted()) continue;
        if (item.connect == ConnectResult::no_route) continue;
        asked.all.insert(item.operator_name);
        if (item.open()) asked.open.insert(item.operator_name);
        if (item.result == "dropped") asked.silent.insert(item.operator_name);
        if (item.identity == Identity::refusing) asked.refusing.insert(item.operator_name);
    }
    for (const std::string& name : asked.all) {
        if (asked.open.contains(name)) asked.silent.erase(name);
        if (!asked.open.contains(name) && !asked.silent.contains(name)) asked.refused.insert(name);
    }
    return asked;
}

// "3 of 5 mail operators answer, 1 stays silent, 1 refuses"
std::string count_words(const Observations& seen) {
    const Asked asked = operators_asked(seen);
    const std::size_t all = asked.all.size();
    if (all == 0) return "no mail operator could be asked";
    if (all == 1) {
        return fmt::format("{} {}", *asked.all.begin(),
                           !asked.open.empty()     ? "answers"
                           : !asked.silent.empty() ? "stays silent"
                                                   : "refuses");
    }
    if (asked.open.size() == all) return fmt::format("all {} mail operators answer", all);
    std::string text = asked.open.empty()
                           ? fmt::format("none of {} mail operators answers", all)
                           : fmt::format("{} of {} mail operators {}", asked.open.size(), all,
                                         asked.open.size() == 1 ? "answers" : "answer");
    if (asked.silent.size() == all) return text;
    if (!asked.silent.empty()) {
        text += fmt::format(", {} {} silent", asked.silent.size(),
                            asked.silent.size() == 1 ? "stays" : "stay");
    }
    if (!asked.refused.empty()) {
        text += fmt::format(", {} {}", asked.refused.size(),
                            asked.refused.size() == 1 ? "refuses" : "refuse");
    }
    return text;
}

// What the direct code rests on: the headline says the rest.
std::string evidence_words(const Observations& seen, VerdictCode code) {
    switch (code) {
        case VerdictCode::outbound_25_dropped:
        case VerdictCode::outbound_25_rejected:
            return count_words(seen) + "; their other ports answer";
        case VerdictCode::outbound_25_intercepted:
            return count_words(seen) + ", but not in their own voice";
        case VerdictCode::submission_blocked:
            return count_words(seen) + ", nor do their ports 465 and 587";
        case VerdictCode::smtp_hopeless:
            return count_words(seen) + ", nor does any other mail port";
        case VerdictCode::local_firewall:
            return "the packets are stopped on this host";
        case VerdictCode::reputation: {
            const Asked asked = operators_asked(seen);
            return fmt::format("{} of {} mail operators answer, and turn this address away",
                               asked.refusing.size(), asked.all.size());
        }
        case VerdictCode::no_network:
            return "nothing connects";
        case VerdictCode::dns_broken:
            return "the mail servers' names cannot be looked up";
        default:
            return count_words(seen);
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
        return fmt::format("Mail leaves, through the smarthost {}. {}", smarthost->name, text);
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
        const bool unused = report.direct.code == VerdictCode::ok_direct && !seen.direct_path;
        add_finding(report, report.direct.code,
                    unused ? "Outbound port 25 is open, but delivery.path does not use it."
                           : direct_words(report.direct.code));
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
    for (const AnswerPair& pair : seen.answers) {
        if (compare_answers(pair) != AnswerFinding::nearer) continue;
        const bool open = pair.direct.result == ConnectResult::open;
        add_finding(report,
                    open ? VerdictCode::outbound_25_intercepted : VerdictCode::outbound_25_rejected,
                    answer_words(pair));
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
