#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "diagnose/startup_probe.hpp"
#include "net/cidr.hpp"

namespace diagnose {
namespace {

using Names = std::set<std::string>;

constexpr std::size_t quorum = 3;          // unrelated operators that must agree on "closed"
constexpr std::size_t control_quorum = 2;  // operators whose other ports must answer meanwhile

// What one family (or both together) showed, counted by operator: an operator with several
// addresses has one voice.
struct Tally {
    std::size_t total = 0, resolved = 0, dns_failures = 0, unreachable = 0, refused = 0;
    std::size_t web = 0;  // asked on 443, which is open wherever anything is
    Names asked, genuine, refusing, connected, dropped, rejected, denied;  // on port 25
    Names controls, open_controls;
    Names open_smarthosts;
    std::map<std::uint16_t, Names> open_ports;  // of controls and smarthosts: who answers there

    [[nodiscard]] bool anything_open() const {
        return !genuine.empty() || !refusing.empty() || !connected.empty() || !open_ports.empty();
    }
};

void count_direct(const PortEvidence& item, Tally& tally) {
    tally.asked.insert(item.operator_name);
    if (item.denied_here()) tally.denied.insert(item.operator_name);
    if (item.open()) {
        const bool refusing = item.identity == Identity::refusing;
        Names& names = !item.genuine ? tally.connected : refusing ? tally.refusing : tally.genuine;
        names.insert(item.operator_name);
    } else if (item.result == "dropped") {
        tally.dropped.insert(item.operator_name);
    } else {
        tally.rejected.insert(item.operator_name);  // a router's "unreachable" is a refusal, too
    }
}

void count_other(const PortEvidence& item, bool local_counts, Tally& tally) {
    const bool control = item.role == ProbeRole::control;
    if (control) tally.controls.insert(item.operator_name);
    if (item.result != "open") return;
    // A smarthost on this host says nothing about the network outside.
    if (!local_counts && net::is_loopback_address(item.address)) return;
    (control ? tally.open_controls : tally.open_smarthosts).insert(item.operator_name);
    tally.open_ports[item.port].insert(item.operator_name);
}

// A well-known address that answers shows that the network works, whatever names and mail do.
void count_address(const PortEvidence& item, Tally& tally) {
    if (!item.open()) return;
    tally.open_controls.insert(item.operator_name);
    tally.open_ports[item.port].insert(item.operator_name);
}

Tally count(const std::vector<PortEvidence>& evidence, net::Family family) {
    const bool local_lab = std::all_of(evidence.begin(), evidence.end(), [](const auto& item) {
        return item.role != ProbeRole::direct || net::is_loopback_address(item.address);
    });
    Tally tally;
    for (const PortEvidence& item : evidence) {
        if (family != net::Family::any && item.family != family) continue;
        if (item.port == 443 && item.attempted()) ++tally.web;
        if (item.role == ProbeRole::address) {
            count_address(item, tally);
            continue;
        }
        ++tally.total;
        if (item.result == "dns") ++tally.dns_failures;
        if (!item.attempted()) continue;
        ++tally.resolved;
        if (item.result == "unreachable") ++tally.unreachable;
        if (item.result == "rejected") ++tally.refused;
        if (item.role == ProbeRole::direct) {
            count_direct(item, tally);
        } else {
            count_other(item, local_lab, tally);
        }
    }
    return tally;
}

bool others_answer(const Tally& tally) {
    if (!tally.open_smarthosts.empty()) return true;
    const std::size_t needed = std::min(control_quorum, tally.controls.size());
    return needed > 0 && tally.open_controls.size() >= needed;
}

// How many operators must have been asked in this family: fewer publish IPv6 addresses, but one
// alone is no quorum where more are configured.
std::size_t needed_operators(const Tally& tally, std::size_t configured) {
    return std::min(quorum, std::max(tally.asked.size(), std::min<std::size_t>(2, configured)));
}

bool mail_port_open(const Tally& tally) {
    return std::any_of(tally.open_ports.begin(), tally.open_ports.end(),
                       [](const auto& port) { return port.first != 443; });
}

// Port 25 is closed: how, and what is left.
VerdictCode closed_code(const Tally& tally) {
    const bool submission = tally.open_ports.contains(587) || tally.open_ports.contains(465);
    if (!submission && tally.controls.size() >= control_quorum) {
        return mail_port_open(tally) ? VerdictCode::submission_blocked : VerdictCode::smtp_hopeless;
    }
    return tally.rejected.size() > tally.dropped.size() ? VerdictCode::outbound_25_rejected
                                                        : VerdictCode::outbound_25_dropped;
}

std::optional<VerdictCode> vote(const Tally& tally, std::size_t configured) {
    if (tally.total == 0) return std::nullopt;
    if (!tally.genuine.empty()) return VerdictCode::ok_direct;
    if (!tally.refusing.empty()) return VerdictCode::reputation;
    if (tally.resolved == 0) {
        if (tally.dns_failures > 0) return VerdictCode::dns_broken;
        return std::nullopt;  // the names have no addresses of this family
    }
    if (tally.unreachable == tally.resolved) return std::nullopt;  // no route: no such family here
    const std::size_t needed = needed_operators(tally, configured);
    const bool enough = !tally.asked.empty() && tally.asked.size() >= needed;
    if (enough && tally.denied.size() >= needed) return VerdictCode::local_firewall;
    if (!tally.anything_open()) {
        // A refusal is an answer: somebody is there. Where the web is refused too, it does not
        // help.
        return tally.refused > 0 && tally.web == 0 ? VerdictCode::inconclusive
                                                   : VerdictCode::no_network;
    }
    if (enough && tally.connected.size() >= needed) return VerdictCode::outbound_25_intercepted;
    if (!tally.connected.empty() || !enough || !others_answer(tally)) {
        return VerdictCode::inconclusive;
    }
    return closed_code(tally);
}

bool is_closed(VerdictCode code) {
    return code == VerdictCode::outbound_25_dropped || code == VerdictCode::outbound_25_rejected ||
           code == VerdictCode::submission_blocked || code == VerdictCode::smtp_hopeless;
}

VerdictCode overall_of_families(const StartupVerdict& verdict, const Tally& all) {
    const auto says_something = [](const std::optional<VerdictCode>& code) {
        return code && *code != VerdictCode::no_network && *code != VerdictCode::dns_broken;
    };
    if (says_something(verdict.ipv4)) return *verdict.ipv4;
    if (says_something(verdict.ipv6)) return *verdict.ipv6;
    if (verdict.ipv4) return *verdict.ipv4;
    if (verdict.ipv6) return *verdict.ipv6;
    return all.unreachable > 0 ? VerdictCode::no_network : VerdictCode::inconclusive;
}

// Mail goes over either family: what is left where port 25 is closed is what both leave together.
VerdictCode overall(const StartupVerdict& verdict, const Tally& all) {
    if (verdict.ipv4 == VerdictCode::ok_direct || verdict.ipv6 == VerdictCode::ok_direct) {
        return VerdictCode::ok_direct;
    }
    const VerdictCode code = overall_of_families(verdict, all);
    const auto closed = [](const std::optional<VerdictCode>& one) {
        return one && is_closed(*one);
    };
    const bool only_25 =
        code == VerdictCode::outbound_25_dropped || code == VerdictCode::outbound_25_rejected;
    const bool both = closed(verdict.ipv4) && closed(verdict.ipv6);
    // How port 25 is closed is told by the one family that is, not by a dead one beside it.
    if (!is_closed(code) || (only_25 && !both)) return code;
    return closed_code(all);
}

std::string plural(std::size_t count, std::string_view one) {
    return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

// "587 of 4 operators answers", by the usual ports first.
std::string who_answers(const Tally& tally) {
    for (const std::uint16_t port : {587, 465}) {
        const auto found = tally.open_ports.find(port);
        if (found == tally.open_ports.end()) continue;
        const Names& names = found->second;
        if (names.size() == 1) return fmt::format("{} of {} answers", port, *names.begin());
        return fmt::format("{} of {} answers", port, plural(names.size(), "operator"));
    }
    if (tally.open_ports.empty()) return "no other port answers";
    const auto& [port, names] = *tally.open_ports.begin();
    return fmt::format("465 and 587 are closed as well, {} of {} answers", port, *names.begin());
}

std::string blocked_summary(const Tally& all, std::string_view how, bool smarthosts_known) {
    const bool helpless = smarthosts_known && all.open_smarthosts.empty();
    return fmt::format("outbound port 25 is blocked ({}; {}): {}", how, who_answers(all),
                       helpless ? "mail has to go through the smarthost, but no port of it answers"
                                : "mail goes through the smarthost, which is what relay does");
}

std::string family_words(const StartupVerdict& verdict) {
    const bool v4 = verdict.ipv4 == VerdictCode::ok_direct;
    const bool v6 = verdict.ipv6 == VerdictCode::ok_direct;
    if (v4 && verdict.ipv6 && !v6) return " over IPv4 only";
    if (v6 && verdict.ipv4 && !v4) return " over IPv6 only";
    return "";
}

std::string inconclusive_summary(const Tally& all, std::size_t configured) {
    constexpr std::string_view action = "relay keeps to its smarthost";
    if (!all.connected.empty()) {
        return fmt::format(
            "outbound port 25 connects, but no greeting is that of the server asked ({}): "
            "something "
            "on the path may intercept mail; {}",
            *all.connected.begin(), action);
    }
    if (!all.anything_open() && all.refused > 0) {
        return fmt::format("every connection was refused or failed, on port 25 and elsewhere: {}",
                           action);
    }
    if (all.open_ports.empty() || others_answer(all)) {
        return fmt::format("port 25 could not be judged ({} of {} could be asked): {}",
                           all.asked.size(), plural(configured, "operator"), action);
    }
    return fmt::format("port 25 could not be judged (no answer on 25, and only {}): {}",
                       who_answers(all), action);
}

std::string summarize(const StartupVerdict& verdict, const Tally& all, std::size_t configured,
                      bool smarthosts_known) {
    switch (verdict.code) {
        case VerdictCode::ok_direct:
            return fmt::format(
                "outbound port 25 is open{} ({} answered): mail could leave directly; relay sends "
                "it through the smarthost all the same",
                family_words(verdict),
                all.genuine.size() == 1 ? *all.genuine.begin()
                                        : plural(all.genuine.size(), "operator"));
        case VerdictCode::outbound_25_dropped:
            return blocked_summary(all, "SYNs dropped", smarthosts_known);
        case VerdictCode::outbound_25_rejected:
            return blocked_summary(all, "connections refused", smarthosts_known);
        case VerdictCode::submission_blocked:
        case VerdictCode::smtp_hopeless: {
            const bool refused = all.rejected.size() > all.dropped.size();
            return blocked_summary(all, refused ? "connections refused" : "SYNs dropped",
                                   smarthosts_known);
        }
        case VerdictCode::local_firewall:
            return "this host itself does not let port 25 out: mail goes through the smarthost; "
                   "see its packet filter and routing rules";
        case VerdictCode::outbound_25_intercepted:
            return fmt::format(
                "outbound port 25 is intercepted: it connects, but what answers is not the server "
                "asked ({}); relay keeps to its smarthost",
                *all.connected.begin());
        case VerdictCode::reputation:
            return fmt::format(
                "outbound port 25 is open, but {} turns this address away: mail goes through the "
                "smarthost, which is what relay does",
                all.refusing.size() == 1
                    ? *all.refusing.begin()
                    : fmt::format("each of {}", plural(all.refusing.size(), "operator")));
        case VerdictCode::no_network:
            return fmt::format(
                "nothing connects anywhere ({} tried): mail waits in the queue until the network "
                "is back",
                plural(all.resolved, "connection"));
        case VerdictCode::dns_broken:
            return "names do not resolve: mail for a smarthost that is found by name waits in the "
                   "queue; check the name servers of this host (/etc/resolv.conf)";
        default:
            return inconclusive_summary(all, configured);
    }
}

}  // namespace

StartupVerdict judge(std::vector<PortEvidence> evidence, const ProbeOptions& options) {
    Names configured;
    bool smarthosts_known = false;
    for (const PortEvidence& item : evidence) {
        if (item.role == ProbeRole::direct) configured.insert(item.operator_name);
        if (item.role == ProbeRole::smarthost) smarthosts_known = true;
    }
    StartupVerdict verdict;
    if (options.ipv4) {
        verdict.ipv4 = vote(count(evidence, net::Family::ipv4), configured.size());
    }
    if (options.ipv6) {
        verdict.ipv6 = vote(count(evidence, net::Family::ipv6), configured.size());
    }
    const Tally all = count(evidence, net::Family::any);
    verdict.code = overall(verdict, all);
    verdict.summary = summarize(verdict, all, configured.size(), smarthosts_known);
    verdict.evidence = std::move(evidence);
    return verdict;
}

}  // namespace diagnose
