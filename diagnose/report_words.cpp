#include "diagnose/report_words.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/errno_name.hpp"
#include "base/text.hpp"
#include "diagnose/observations.hpp"

namespace diagnose {

namespace {

constexpr std::size_t longest = 4000;  // bytes of a stranger's text on one line

std::string clean(std::string_view text) { return base::printable(text, longest); }

std::string_view family_name(net::Family family) {
    return family == net::Family::ipv4 ? "IPv4" : family == net::Family::ipv6 ? "IPv6" : "";
}

// What one family's vote means for port 25, in a word or three.
std::string_view short_words(VerdictCode code) {
    switch (code) {
        case VerdictCode::ok_direct:
            return "open";
        case VerdictCode::outbound_25_dropped:
            return "dropped";
        case VerdictCode::outbound_25_rejected:
            return "rejected";
        case VerdictCode::outbound_25_intercepted:
            return "intercepted";
        case VerdictCode::local_firewall:
            return "stopped on this host";
        case VerdictCode::no_network:
            return "nothing connects";
        case VerdictCode::inconclusive:
            return "not known";
        case VerdictCode::reputation:
            return "open, but refused";
        case VerdictCode::submission_blocked:
            return "blocked, as are 465 and 587";
        case VerdictCode::smtp_hopeless:
            return "blocked, as is every mail port";
        case VerdictCode::dns_broken:
            return "names do not resolve";
        case VerdictCode::recipient_mx:
            return "the recipient's side does not take it";
        default:
            return verdict_name(code);
    }
}

// Only where the families differ, or one of them was not asked, is there more to say than the
// summary does.
std::string family_words(const DirectReport& direct) {
    if (direct.ipv4 && direct.ipv6 && *direct.ipv4 == *direct.ipv6) return "IPv4 and IPv6 alike";
    std::string text;
    if (direct.ipv4) text = fmt::format("IPv4: {}", short_words(*direct.ipv4));
    if (direct.ipv6) {
        text += fmt::format("{}IPv6: {}", text.empty() ? "" : ", ", short_words(*direct.ipv6));
    }
    return text;
}

CheckStatus status_of(VerdictCode code) {
    if (code == VerdictCode::ok_direct || code == VerdictCode::ok_smarthost) return CheckStatus::ok;
    return code == VerdictCode::inconclusive ? CheckStatus::skip : CheckStatus::fail;
}

// What the headline has said is not said again.
WayOut direct_way(const Report& report) {
    const DirectReport& direct = report.direct;
    const std::string families = family_words(direct);
    const bool said =
        closed_in_two_ways(direct) ||
        (!direct.summary.empty() && report.verdict.summary.starts_with(direct.summary));
    std::string text = families.empty() ? std::string{short_words(direct.code)} : families;
    if (direct.ipv4 && direct.ipv4 == direct.ipv6) {
        text = fmt::format("{} ({})", short_words(*direct.ipv4), families);
    }
    if (!said) {
        text =
            direct.summary.empty() ? std::string{verdict_name(direct.code)} : clean(direct.summary);
        if (!families.empty()) text += fmt::format(" ({})", families);
    }
    const CheckStatus status = status_of(direct.code);
    if (status == CheckStatus::ok && !report.smarthosts.empty() && report.via != "direct") {
        text += "; not used, as a smarthost is configured";
    }
    return {"directly on port 25", status, std::move(text), ""};
}

std::string ports_words(const SmarthostReport& smarthost) {
    std::vector<std::string> words;
    for (const PortResult& port : smarthost.ports) {
        words.push_back(fmt::format("{} {}", port.port, clean(port.result)));
    }
    return base::join(words, ", ");
}

// What went wrong there, as a person says it; the code stands in the headline and the JSON.
std::string_view failure_words(VerdictCode code) {
    switch (code) {
        case VerdictCode::smarthost_dns:
            return "its name does not resolve";
        case VerdictCode::smarthost_unreachable:
            return "it cannot be reached";
        case VerdictCode::smarthost_tls:
            return "the connection cannot be secured";
        case VerdictCode::smarthost_no_starttls:
            return "it offers no STARTTLS";
        case VerdictCode::smarthost_auth:
            return "it refuses the sign-in";
        case VerdictCode::smarthost_sender:
            return "it refuses the sender";
        case VerdictCode::smarthost_rejected:
            return "it turns this host away";
        default:
            return verdict_name(code);
    }
}

std::string smarthost_words(const Report& report, const SmarthostReport& smarthost) {
    std::vector<std::string> parts;
    // Most smarthosts have no other name than their host's.
    std::string place = smarthost.host == smarthost.name ? "" : clean(smarthost.host);
    if (smarthost.port != 0) {
        place += fmt::format("{}port {}", place.empty() ? "" : " ", smarthost.port);
    }
    if (!place.empty()) parts.push_back(place);
    if (!smarthost.tls.empty()) parts.push_back(clean(smarthost.tls));
    if (!smarthost.auth.empty()) parts.push_back("signed in with " + clean(smarthost.auth));
    std::string text = base::join(parts, ", ");
    if (status_of(smarthost.code) != CheckStatus::ok) {
        std::string words{smarthost.trouble.empty() ? failure_words(smarthost.code)
                                                    : std::string_view{smarthost.trouble}};
        const bool said = smarthost.code == VerdictCode::inconclusive &&
                          report.verdict.summary.find(words) != std::string::npos;
        if (said) words.resize(std::min(words.find_first_of(",:"), words.size()));
        // The port stands before it.
        const std::string its_port = fmt::format("its port {} ", smarthost.port);
        if (words.starts_with(its_port)) words.replace(0, its_port.size(), "it ");
        text += fmt::format("{}{}", text.empty() ? "" : ": ", words);
        if (!smarthost.reply.empty()) text += fmt::format(": \"{}\"", clean(smarthost.reply));
        const std::string ports = ports_words(smarthost);
        if (smarthost.port == 0 && !ports.empty()) text += fmt::format(" (ports: {})", ports);
    } else if (smarthost.sender == "not-tested") {
        text += "; sender not tested";
    } else if (smarthost.sender == "guess-refused") {
        text += "; a guessed sender was refused";
    }
    return text;
}

std::string_view kind_words(CauseKind kind) {
    switch (kind) {
        case CauseKind::cloud:
            return "the cloud that this host runs in";
        case CauseKind::isp:
            return "the internet provider of this network";
        case CauseKind::local_firewall:
            return "a firewall on this host";
        case CauseKind::container:
            return "the container that this runs in, or its host";
        case CauseKind::gateway:
            return "this network's gateway";
        case CauseKind::remote:
            return "the other side";
        case CauseKind::config:
            return "the configuration";
        case CauseKind::unknown:
            return "not known: somebody between this host and the mail servers";
    }
    return "";
}

std::string icmp_words(const IcmpError& icmp) {
    return fmt::format("ICMP{} type {} code {} from {}", icmp.v6 ? "v6" : "", icmp.type, icmp.code,
                       clean(icmp.from));
}

// Who was asked, as far as that was noted.
std::string place_words(const Evidence& evidence) {
    std::vector<std::string> words;
    if (!evidence.target.empty()) words.push_back(clean(evidence.target));
    if (!evidence.address.empty() && evidence.address != evidence.target) {
        words.push_back(clean(evidence.address));
    }
    if (evidence.port != 0) words.push_back(fmt::format("port {}", evidence.port));
    std::string text = base::join(words, " ");
    // An address shows its family by itself.
    if (evidence.family != net::Family::any && evidence.address.empty()) {
        text += fmt::format("{}{}", text.empty() ? "" : ", ", family_name(evidence.family));
    }
    return text;
}

std::string reached_words(std::string_view what, std::optional<int> reached) {
    if (!reached) return fmt::format("{} never arrives", what);
    return fmt::format("{} is answered at hop {}", what, *reached);
}

std::string place_of_cause(const Report& report) {
    const Cause& cause = report.cause;
    if (!cause.hop) return "";
    if (*cause.hop == 0) {
        // A fault of the whole network is elsewhere than what stops port 25 sooner.
        const bool whole = report.verdict.code == VerdictCode::no_network && !cause.name.empty();
        if (cause.kind == CauseKind::unknown) {
            return whole && !cause.name.starts_with("this host")
                       ? "port 25 does not get past this host or the first router"
                       : "on this host or at the first router";
        }
        if (cause.kind != CauseKind::local_firewall) {
            return "between this host and the first router";
        }
        return report.verdict.inbound ? "on this host" : "on this host: the packets never leave it";
    }
    const std::string hop = fmt::format(
        "hop {}{}{}", *cause.hop, cause.hops ? fmt::format(" of {}", *cause.hops) : "",
        cause.hop_address.empty() ? "" : fmt::format(" ({})", clean(cause.hop_address)));
    // The cause of a smarthost's trouble may be what is seen on port 25.
    const bool intercepted =
        cause.port == 25 && (report.verdict.code == VerdictCode::outbound_25_intercepted ||
                             closed_code(report.direct) == VerdictCode::outbound_25_intercepted);
    if (intercepted && *cause.hop == 1 && cause.hop_address.empty()) {
        return "on this host or at the first router: something there answers in the name of the "
               "mail servers";
    }
    if (intercepted) {
        return fmt::format("{}: something there answers in the name of the mail servers", hop);
    }
    if (cause.hops && *cause.hop >= *cause.hops) {
        return fmt::format("{}: the packets get all the way", hop);
    }
    if (cause.icmp) {
        return fmt::format("{} rejects port {} ({})", hop, cause.port, icmp_words(*cause.icmp));
    }
    if (cause.at_hop == AtHop::rejects) return hop + " rejects port 25";
    const std::string gateway = *cause.hop == 1 ? ", this network's gateway," : "";
    return fmt::format("{}{} is the last to answer for port 25: packets end there or just after",
                       hop, gateway);
}

// Advice that repeats an explanation as its first step says it once for both.
bool told_as_a_step(const Report& report, const std::string& explained) {
    return std::any_of(report.fixes.begin(), report.fixes.end(), [&](const Fix& fix) {
        return std::find(fix.steps.begin(), fix.steps.end(), explained) != fix.steps.end();
    });
}

bool told_before(const Report& report, const SmarthostReport& smarthost) {
    const SmarthostReport* const first = report.smarthosts.data();
    return std::any_of(first, &smarthost, [&](const SmarthostReport& other) {
        return other.explained == smarthost.explained;
    });
}

}  // namespace

std::string_view status_words(CheckStatus status) {
    switch (status) {
        case CheckStatus::ok:
            return "ok";
        case CheckStatus::fail:
            return "FAIL";
        case CheckStatus::warn:
            return "warn";
        case CheckStatus::skip:
            return "could not test";
    }
    return "could not test";
}

bool answers_outbound(const Report& report) {
    const DirectReport& direct = report.direct;
    const bool judged = direct.code != VerdictCode::inconclusive || direct.ipv4 || direct.ipv6;
    return (judged && !direct.summary.empty()) || !report.smarthosts.empty();
}

std::string verdict_words(const Report& report) {
    std::string text = fmt::format("{} ({}).", verdict_name(report.verdict.code),
                                   confidence_name(report.verdict.confidence));
    if (!report.recipient.empty()) {
        const bool known = report.verdict.code != VerdictCode::inconclusive;
        const std::string through = goes_by_smarthost(report)
                                        ? fmt::format("not directly, {} through the smarthost {}",
                                                      names_in_doubt(report) ? "perhaps" : "but",
                                                      working_smarthost(report)->name)
                                        : "";
        const bool unused = report.good && !report.mail_leaves;
        return text + fmt::format(" Mail to {}: {}.", clean(report.recipient),
                                  unused ? "directly yes, but relay sends through its smarthost, "
                                           "which fails"
                                  : report.good      ? "yes, directly"
                                  : !through.empty() ? clean(through)
                                  : known            ? "no"
                                                     : "not known");
    }
    if (!answers_outbound(report)) return text;
    if (!report.mail_leaves) {
        const bool known = report.verdict.code != VerdictCode::inconclusive;
        return text +
               (known ? " Mail leaves this host: no." : " Mail leaves this host: not known.");
    }
    const std::string via = report.via == "direct" ? "directly" : "through " + clean(report.via);
    return text + fmt::format(" Mail leaves this host: yes, {}.", via);
}

bool worth_a_retest(const Report& report) {
    return !report.good || (!report.recipient.empty() && !report.mail_leaves);
}

const SmarthostReport* working_smarthost(const Report& report) {
    for (const SmarthostReport& smarthost : report.smarthosts) {
        if (smarthost.code == VerdictCode::ok_smarthost) return &smarthost;
    }
    return nullptr;
}

bool goes_by_smarthost(const Report& report) {
    const VerdictCode code = report.verdict.code;
    const bool own = code == VerdictCode::recipient_mx || code == VerdictCode::inconclusive;
    return !report.recipient.empty() && !report.good && !own && working_smarthost(report);
}

bool names_in_doubt(const Report& report) {
    return !report.recipient.empty() && report.verdict.code == VerdictCode::dns_broken &&
           report.cause.kind == CauseKind::unknown;
}

std::vector<WayOut> ways_out(const Report& report) {
    std::vector<WayOut> ways;
    if (!answers_outbound(report)) return ways;
    ways.push_back(direct_way(report));
    for (const SmarthostReport& smarthost : report.smarthosts) {
        const bool said =
            told_as_a_step(report, smarthost.explained) || told_before(report, smarthost);
        std::string words = smarthost_words(report, smarthost);
        const bool works = status_of(smarthost.code) == CheckStatus::ok;
        if (works && !report.recipient.empty() &&
            report.verdict.code == VerdictCode::recipient_mx) {
            words +=
                "; it works itself, but the recipient's side does not take this mail, whichever "
                "way it goes";
        }
        ways.push_back({"through smarthost " + clean(smarthost.name), status_of(smarthost.code),
                        std::move(words), said ? "" : clean(smarthost.explained)});
    }
    return ways;
}

std::string_view way_words(CheckStatus status) {
    if (status == CheckStatus::ok) return "yes";
    return status == CheckStatus::skip ? "not known" : "no";
}

bool has_cause(const Cause& cause) {
    return cause.kind != CauseKind::unknown || !cause.name.empty() || !cause.policy.empty() ||
           cause.hop.has_value();
}

std::string who_words(const Cause& cause) {
    if (cause.name.empty()) return std::string{kind_words(cause.kind)};
    if (cause.kind == CauseKind::unknown) return clean(cause.name);
    return fmt::format("{} ({})", clean(cause.name), kind_words(cause.kind));
}

std::string policy_words(const Report& report) {
    const std::string& policy = report.cause.policy;
    const bool said = std::any_of(report.smarthosts.begin(), report.smarthosts.end(),
                                  [&](const auto& item) { return item.explained == policy; });
    const bool headline = report.verdict.summary.find(policy) != std::string::npos;
    return said || headline ? "" : policy;
}

std::string where_words(const Report& report) {
    const std::string place = place_of_cause(report);
    const net::Family family = report.cause.family;
    if (place.empty() || family == net::Family::any) return place;
    return fmt::format("over {}: {}", family_name(family), place);
}

bool is_warning(const Fix& fix) {
    return base::starts_with_ignoring_case(fix.title, "what will not help") ||
           base::starts_with_ignoring_case(fix.title, "what does not help");
}

Fix retest_fix(const std::string& command) { return {"Test again", {"`" + command + "`"}, ""}; }

std::string evidence_words(const Evidence& evidence) {
    std::string text = place_words(evidence);
    if (!evidence.result.empty()) {
        text += (text.empty() ? "" : ": ") + clean(evidence.result);
    }
    if (evidence.took) text += fmt::format(" after {} ms", evidence.took->count());
    if (evidence.error_number != 0) text += ", " + base::errno_name(evidence.error_number);
    if (evidence.icmp) text += ", " + icmp_words(*evidence.icmp);
    return text;
}

std::vector<std::string> evidence_details(const Evidence& evidence) {
    std::vector<std::string> lines;
    if (!evidence.banner.empty()) lines.push_back("greeting: " + clean(evidence.banner));
    if (!evidence.ehlo.empty()) lines.push_back("EHLO: " + clean(base::join(evidence.ehlo, " | ")));
    if (!evidence.certificate.empty()) {
        lines.push_back("certificate: " + clean(evidence.certificate));
    }
    if (!evidence.detail.empty()) lines.push_back(clean(evidence.detail));
    return lines;
}

std::string hop_words(const PathPicture& path, const PathHop& hop) {
    const std::string direct = fmt::format("port {}", path.port);
    const std::string control = fmt::format("port {}", path.control_port);
    if (hop.answers_direct && hop.answers_control)
        return "answers for " + direct + " and " + control;
    if (hop.answers_direct) return "answers for " + direct + " only";
    if (hop.answers_control) return "answers for " + control + ", not for " + direct;
    return "silent";
}

std::string path_words(const PathPicture& path) {
    std::string text = reached_words(fmt::format("Port {}", path.port), path.reached_direct);
    if (path.control_port == 0) return text;
    return text + "; " +
           reached_words(fmt::format("port {}", path.control_port), path.reached_control);
}

}  // namespace diagnose
