#include "diagnose/conclude_words.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "diagnose/name_faults.hpp"
#include "net/cidr.hpp"

namespace diagnose {
namespace {

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

}  // namespace

bool controls_answer(const Observations& seen) {
    return std::any_of(seen.ports.begin(), seen.ports.end(), [](const PortEvidence& item) {
        const bool control = item.role == ProbeRole::control || item.role == ProbeRole::address;
        return control && item.open();
    });
}

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

bool silent_or_refused(VerdictCode code) {
    return code == VerdictCode::outbound_25_dropped || code == VerdictCode::outbound_25_rejected ||
           code == VerdictCode::submission_blocked || code == VerdictCode::smtp_hopeless ||
           code == VerdictCode::inconclusive;
}

std::optional<std::string> refuses_all(const Observations& seen) {
    const auto refused = [](const PortEvidence& item) {
        return item.role != ProbeRole::direct && item.result == "rejected";
    };
    const auto open = [](const PortEvidence& item) {
        return item.open() && !net::is_loopback_address(item.address);
    };
    if (std::none_of(seen.ports.begin(), seen.ports.end(), refused)) return std::nullopt;
    if (std::any_of(seen.ports.begin(), seen.ports.end(), open)) return std::nullopt;
    // Port 25 may end sooner, by a rule of this host: who rejects the others has named itself.
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        for (const PortEvidence& item : seen.ports) {
            if (item.family == family && refused(item) && item.icmp && !item.own_address) {
                return item.icmp->from;
            }
        }
    }
    const std::optional<PathReading> reading = best_reading(seen);
    if (!reading || !reading->hop || *reading->hop == 0) return "this host or the first router";
    return reading->hop_address.empty() ? fmt::format("the box at hop {}", *reading->hop)
                                        : reading->hop_address;
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
            return "Names do not resolve: the name servers of this host do not answer.";
        default:
            return "What was seen does not tell whether port 25 is open.";
    }
}

std::string direct_words(const Observations& seen, VerdictCode code) {
    if (code == VerdictCode::dns_broken) return name_fault_words(seen);
    if (code == VerdictCode::local_firewall && redirected_here(seen)) {
        return fmt::format(
            "A rule of {} leads connections to port 25 elsewhere: none reaches the mail server "
            "that "
            "was asked.",
            here_words(seen));
    }
    if (code == VerdictCode::local_firewall && !seen.host.container.empty()) {
        return "This container itself does not let port 25 out: packets are stopped before they "
               "reach its host's network.";
    }
    std::string text = direct_words(code);
    constexpr std::string_view claim = ", while their other ports answer.";
    if (text.ends_with(claim) && !controls_answer(seen)) {
        text.replace(text.size() - claim.size(), claim.size(),
                     "; nothing but the smarthost answers from this network.");
    }
    return text;
}

std::string family_words(net::Family family, VerdictCode code) {
    const bool v4 = family == net::Family::ipv4;
    const std::string name = v4 ? "IPv4: " : "IPv6: ";
    if (code == VerdictCode::no_network) return name + "Nothing connects.";
    if (code == VerdictCode::dns_broken) {
        return fmt::format("{}The name servers do not answer questions about its addresses ({}).",
                           name, v4 ? "A records" : "AAAA records");
    }
    return name + direct_words(code);
}

// What the direct code rests on: the headline says the rest.
std::string evidence_words(const Observations& seen, VerdictCode code) {
    switch (code) {
        case VerdictCode::outbound_25_dropped:
        case VerdictCode::outbound_25_rejected:
            return count_words(seen) + (controls_answer(seen)
                                            ? "; their other ports answer"
                                            : "; nothing but the smarthost answers");
        case VerdictCode::outbound_25_intercepted:
            return count_words(seen) + ", but not in their own voice";
        case VerdictCode::submission_blocked:
            return count_words(seen) + ", nor do their ports 465 and 587";
        case VerdictCode::smtp_hopeless:
            return count_words(seen) + ", nor does any other mail port";
        case VerdictCode::local_firewall:
            return fmt::format("the packets are stopped on {}", here_words(seen));
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
    if (smarthost.code == VerdictCode::inconclusive) {
        return fmt::format("Whether the smarthost {} works is not known: {}.", name,
                           smarthost.trouble);
    }
    if (!smarthost.trouble.empty()) {
        return fmt::format("The smarthost {} is of no use now: {}.", name, smarthost.trouble);
    }
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

std::string user_words(const RuleForUser& rule) {
    return rule.name.empty() ? fmt::format("uid {}", rule.match.user)
                             : fmt::format("uid {} ({})", rule.match.user, rule.name);
}

std::string_view how_closed(VerdictCode code) {
    switch (code) {
        case VerdictCode::outbound_25_rejected:
            return "it is blocked: connections are refused";
        case VerdictCode::outbound_25_intercepted:
            return "something on the path answers in the mail servers' place";
        case VerdictCode::local_firewall:
            return "this host itself does not let it out";
        case VerdictCode::reputation:
            return "mail servers refuse this host's address";
        default:
            return "it is blocked: connections vanish silently";
    }
}

std::string closed_words(net::Family closed, VerdictCode code) {
    return fmt::format("Over {} {}.", closed == net::Family::ipv4 ? "IPv4" : "IPv6",
                       how_closed(code));
}

std::string one_family_words(net::Family closed, VerdictCode code) {
    return fmt::format("Outbound port 25 is open over {} only. {}",
                       closed == net::Family::ipv4 ? "IPv6" : "IPv4", closed_words(closed, code));
}

std::string two_ways_words(VerdictCode ipv4, VerdictCode ipv6) {
    return fmt::format("Outbound port 25 is closed in two ways. {} {}",
                       closed_words(net::Family::ipv4, ipv4),
                       closed_words(net::Family::ipv6, ipv6));
}

}  // namespace diagnose
