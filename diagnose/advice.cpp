#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/advice_lift.hpp"
#include "diagnose/advice_local.hpp"
#include "diagnose/advice_network.hpp"
#include "diagnose/advice_smarthost.hpp"
#include "diagnose/advice_smarthosts.hpp"
#include "diagnose/broken_family.hpp"
#include "diagnose/explain.hpp"
#include "diagnose/large_packets.hpp"
#include "diagnose/name_faults.hpp"
#include "diagnose/name_servers.hpp"
#include "diagnose/observations.hpp"
#include "diagnose/port_families.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/submission_ports.hpp"

namespace diagnose {
namespace {

constexpr std::string_view no_help_title = "What will not help";

bool any_smarthost_works(const Report& report) {
    return std::any_of(report.smarthosts.begin(), report.smarthosts.end(),
                       [](const auto& item) { return item.code == VerdictCode::ok_smarthost; });
}

// A redirect that nobody has read: it gave itself away by the greeting.
void add_redirect_steps(const Observations& seen, Fix& fix) {
    if (!seen.local.rules_read) {
        fix.steps.emplace_back("Run it as root to see the rule: `sudo relay diagnose`");
    }
    fix.steps.emplace_back(
        "Look for the rule: `sudo nft list ruleset | grep -n -E 'redirect|dnat'` or "
        "`sudo iptables -t nat -S OUTPUT`");
}

// Of each family its rule, which may be one for both.
std::vector<const LocalSigns*> signs_with_rules(const Observations& seen, net::Family family) {
    std::vector<const LocalSigns*> found;
    for (const LocalSigns* signs : signs_over(seen, family)) {
        const bool known = !found.empty() && signs->rule &&
                           rule_text(*found.front()->rule) == rule_text(*signs->rule);
        if (signs->rule && !known) found.push_back(signs);
    }
    return found;
}

Fix open_here(const Observations& seen, net::Family family) {
    Fix fix;
    fix.title = fmt::format("Let port 25 out of {}", here_words(seen));
    const std::vector<const LocalSigns*> rules = signs_with_rules(seen, family);
    for (const LocalSigns* signs : rules) add_local_steps(seen, *signs, &*signs->rule, 25, fix);
    const bool redirected = redirected_here(seen, family);
    if (redirected && rules.empty()) {
        add_redirect_steps(seen, fix);
    } else if (rules.empty()) {
        add_local_steps(seen, seen.local, nullptr, 25, fix);
    }
    if (redirected) {
        fix.steps.emplace_back(
            "What wrote the rule writes it anew: switch it off there (cPanel: SMTP Restrictions; "
            "CSF: SMTP_REDIRECT and SMTP_BLOCK in csf.conf).");
    }
    return fix;
}

Fix not_helpful(const Observations& seen, const Cause& cause) {
    Fix fix;
    fix.title = no_help_title;
    fix.steps.push_back(
        "Delivering to a recipient's mail exchanger on 587 or 465: an MX takes mail "
        "from others on 25 only.");
    if (never_lifted(seen, cause)) {
        fix.steps.push_back(fmt::format("Asking {} to open port 25: it does so for nobody.",
                                        seen.host.cloud->name));
    }
    const bool waiting = std::any_of(seen.smarthosts.begin(), seen.smarthosts.end(),
                                     [](const auto& stages) { return stages.unfinished; });
    fix.steps.emplace_back(waiting ? "For port 25: other recipients, another DNS server."
                                   : "Longer time-outs, other recipients, another DNS server.");
    if (seen.smarthosts.empty()) {
        fix.steps.push_back("A smarthost for receiving mail: that needs inbound port 25.");
    }
    return fix;
}

// The first refusal of port 25 as it was said; nullptr when nobody refused in words.
const PortEvidence* first_refusal(const Observations& seen) {
    for (const PortEvidence& item : seen.ports) {
        const bool refusing = item.role == ProbeRole::direct && item.identity == Identity::refusing;
        if (refusing && !item.banner.empty()) return &item;
    }
    return nullptr;
}

Fix reputation_fix(const Observations& seen) {
    Fix fix;
    fix.title = "If direct delivery is really wanted";
    bool listed = false;
    if (const PortEvidence* refusal = first_refusal(seen)) {
        const smtp::Reply& banner = refusal->greeting ? refusal->greeting->banner : smtp::Reply{};
        const std::string text =
            banner.code != 0 ? base::printable(banner.one_line()) : refusal->banner;
        listed = text.find("PBL") != std::string::npos;
        const Explanation known = explain_record(text, speaker_of_host(refusal->host));
        fix.steps.push_back(fmt::format(
            "{} said: \"{}\"{}", refusal->operator_name, text,
            known.known() ? fmt::format(". {} {}", known.meaning, known.fix) : std::string{}));
    }
    const std::string pbl =
        "A listing in Spamhaus PBL is no accusation: it says that the range must not "
        "send itself; a smarthost is the cure.";
    if (listed) fix.steps.push_back(pbl);
    if (seen.host.ptr.empty()) {
        fix.steps.push_back(
            "Set a PTR name for the address, and have it resolve back to it; only the address's "
            "owner can" +
            (seen.host.cloud != nullptr && !seen.host.cloud->rdns.empty()
                 ? " (" + seen.host.cloud->rdns + ")."
                 : "."));
    }
    fix.steps.emplace_back(
        "See whether the address is listed: `relay diagnose --domain YOUR-DOMAIN`");
    if (!listed) fix.steps.push_back(pbl);
    return fix;
}

// What is missing for a verdict, and how to have it.
Fix inconclusive_fix(const Observations& seen) {
    Fix fix;
    fix.title = "Look again, with more time";
    std::size_t asked = 0, unnamed = 0, mute = 0, silent = 0;
    for (const PortEvidence& item : seen.ports) {
        if (item.role != ProbeRole::direct) continue;
        ++asked;
        if (item.result == "dns") ++unnamed;
        if (item.result == "dropped") ++silent;
        if (item.open() && !item.genuine) ++mute;
    }
    std::vector<std::string> missing;
    if (asked == 0) missing.emplace_back("no mail operator could be asked in the time");
    if (unnamed > 0) missing.push_back(fmt::format("{} names were not looked up in time", unnamed));
    if (silent > 0) {
        missing.push_back(
            fmt::format("{} addresses stayed silent on port 25 for the time given", silent));
    }
    if (mute > 0)
        missing.push_back(fmt::format("{} connections were not greeted as expected", mute));
    if (open_submission_ports(seen).empty()) {
        missing.emplace_back("no other mail port answered, to compare with");
    }
    fix.steps.push_back(fmt::format("What is missing: {}.", base::join(missing, "; ")));
    fix.steps.emplace_back("Run `relay diagnose --timeout 60s --verbose`");
    return fix;
}

std::string_view over_family(net::Family family) {
    return family == net::Family::ipv4 ? " (over IPv4)" : " (over IPv6)";
}

// Which family is shut, and how mail goes on meanwhile.
void add_family_words(net::Family shut, std::vector<Fix>& fixes, std::size_t first) {
    const bool v4 = shut == net::Family::ipv4;
    for (std::size_t i = first; i < fixes.size(); ++i) {
        fixes[i].title += over_family(shut);
    }
    if (fixes.size() == first) return;
    fixes[first].steps.push_back(fmt::format(
        "Mail to servers with an {} address leaves directly meanwhile; those with none are not "
        "reached so.",
        v4 ? "IPv6" : "IPv4"));
}

bool network_trouble(VerdictCode code) {
    return code == VerdictCode::no_network || code == VerdictCode::dns_broken;
}

void add(std::vector<Fix>& fixes, Fix fix) {
    if (!fix.title.empty() && !fix.steps.empty()) fixes.push_back(std::move(fix));
}

void add_all(std::vector<Fix>& fixes, const std::vector<Fix>& more) {
    for (const Fix& fix : more) add(fixes, fix);
}

// The headline is about the first smarthost, and these are not.
bool about_the_second(const std::vector<Fix>& theirs, const Report& report) {
    return !theirs.empty() && !report.smarthosts.empty() &&
           theirs.front().title.find(report.smarthosts.front().name) == std::string::npos;
}

// Their faults are their own, whatever else does not work here.
void add_reached(const Observations& seen, const Report& report, std::vector<Fix>& fixes) {
    const SmarthostFixes theirs = fix_smarthosts(
        seen, report, [&](std::size_t i) { return was_reached(seen.smarthosts[i]); });
    add_all(fixes, theirs.ports);
    add_all(fixes, theirs.rest);
}

Fix hopeless_fix() {
    Fix fix;
    fix.title = "Send through a provider's HTTPS API";
    fix.steps.push_back(
        "Every mail port is closed here and only 443 is open: no SMTP client can "
        "send from this host, relay included.");
    fix.steps.push_back(
        "Use your provider's HTTPS API from the application, or move relay to a host "
        "outside this network and reach it by VPN.");
    return fix;
}

Fix intercepted_fix(const Observations& seen) {
    Fix fix;
    if (own_greeting_heard(seen)) {
        fix.title = "Limit the router's forwarding of port 25 to what comes from outside";
        fix.steps = {
            "Port 25 of every mail server is answered by this host's own server: the router's port "
            "forwarding takes connections from inside as well.",
            "Give the forwarding the router's outside interface or address (nftables: `iifname "
            "\"wan\" tcp dport 25 dnat to ...`; iptables: `-i wan`)"};
        return fix;
    }
    fix.title = "Do not trust port 25 on this network";
    const std::optional<PathReading> reading = best_reading(seen);
    const bool near = reading && reading->finding == PathFinding::intercepted && reading->hop == 1;
    if (near && !seen.local.rules_read) {
        fix.steps.emplace_back(
            "A rule of this host that redirects port 25 (cPanel and CSF have one) would look the "
            "same; as root it would be seen: `sudo relay diagnose`");
    }
    fix.steps.push_back(
        "Something on the path answers in the servers' place: never lower TLS "
        "verification and never send a password over it.");
    const std::vector<std::uint16_t> useful = useful_ports(seen);
    fix.steps.push_back(
        "Have the inspection switched off (Cisco ASA: no inspect esmtp; antivirus: its mail "
        "shield)" +
        (useful.empty()
             ? "."
             : fmt::format(", or go round it by port {} with verified TLS{}.", useful.front(),
                           only_words(look_at_port(seen, useful.front()).only))));
    return fix;
}

// Where no port of any provider can be offered: they open, and what answers is no mail server.
Fix useless_ports_fix(const Observations& seen) {
    Fix fix;
    const std::vector<std::string> useless = useless_port_words(seen);
    if (useless.empty() || !useful_ports(seen).empty()) return fix;
    fix.title = "Leave this network another way";
    fix.steps.push_back(fmt::format("Other mail ports open here, but are of no use: {}.",
                                    base::join(useless, "; ")));
    fix.steps.emplace_back(
        "Ask whoever runs this network to let mail pass untouched, or move relay to a host outside "
        "it and reach that by VPN; a provider's HTTPS API may work from the application.");
    return fix;
}

// What ends this way of closing port 25, or that nothing does.
Fix lift(const Observations& seen, VerdictCode code, net::Family family, const Cause& cause) {
    if (code == VerdictCode::local_firewall) return open_here(seen, family);
    if (code == VerdictCode::reputation) return reputation_fix(seen);
    if (code == VerdictCode::outbound_25_intercepted) return intercepted_fix(seen);
    return lift_block(seen, cause);
}

// The other family's, where it is closed in another way.
Fix lift_second(const Observations& seen, const TwoWays& both) {
    const Cause cause = cause_over(seen, both.second, both.second_code);
    return lift(seen, both.second_code, both.second, cause);
}

// What has to be done over both families is said once.
void add_second(std::vector<Fix>& fixes, Fix fix) {
    for (Fix& known : fixes) {
        std::vector<std::string> left;
        for (const std::string& step : fix.steps) {
            if (std::find(known.steps.begin(), known.steps.end(), step) == known.steps.end()) {
                left.push_back(step);
            }
        }
        if (left.empty() && !fix.steps.empty()) {
            known.title += "; and: " + fix.title;
            return;
        }
        fix.steps = std::move(left);
    }
    add(fixes, std::move(fix));
}

// One rule may stop a smarthost's port as well: then the fix for that one, which comes later, has
// all the steps.
void merge_with_smarthosts(std::vector<Fix>& fixes, const Fix& own) {
    for (Fix& fix : fixes) {
        const bool same = fix.title != own.title && fix.steps.size() >= own.steps.size() &&
                          std::equal(own.steps.begin(), own.steps.end(), fix.steps.begin());
        if (!same) continue;
        fix.title = fmt::format("{}, and the smarthost's port as well", own.title);
        std::erase_if(fixes, [&](const Fix& each) { return each.title == own.title; });
        return;
    }
}

// The one that is closed while the other is open.
void advise_on_family(const Observations& seen, const Report& report, const Cause& cause,
                      net::Family shut, std::vector<Fix>& fixes) {
    const std::size_t first = fixes.size();
    const VerdictCode code = closed_code(report.direct);
    add(fixes, lift(seen, code, shut, cause));
    add_family_words(shut, fixes, first);
}

std::vector<Fix> advise_on_mail(const Observations& seen, const Report& report) {
    std::vector<Fix> fixes;
    const VerdictCode direct = report.direct.code;
    const std::optional<net::Family> shut = closed_family(report.direct);
    const bool works = any_smarthost_works(report);
    if (network_trouble(direct)) {
        const bool first = network_trouble(report.verdict.code);
        Fix host = direct == VerdictCode::no_network ? no_network_fix(seen) : dns_fix(seen);
        if (first) add(fixes, host);
        add_reached(seen, report, fixes);
        if (!first) add(fixes, host);
        return fixes;
    }
    if (direct == VerdictCode::smtp_hopeless && !works) add(fixes, hopeless_fix());
    const std::optional<TwoWays> both = two_ways(report.direct);
    const net::Family family = both ? both->first : net::Family::any;
    const auto about = [&](Fix fix, net::Family its) {
        if (both && !fix.title.empty()) fix.title += over_family(its);
        return fix;
    };
    const bool here = direct == VerdictCode::local_firewall;
    const Fix opened = here ? about(open_here(seen, family), family) : Fix{};
    // First what the verdict is about, and what needs no other's leave.
    const bool about_25 = report.verdict.code == direct;
    const SmarthostFixes theirs = fix_smarthosts(seen, report, [](std::size_t) { return true; });
    const bool ports_first = !about_the_second(theirs.ports, report);
    if (ports_first) add_all(fixes, theirs.ports);
    if (about_25) add(fixes, opened);
    const auto first_of_smarthosts = static_cast<std::ptrdiff_t>(fixes.size());
    add_all(fixes, theirs.rest);
    if (!ports_first) add_all(fixes, theirs.ports);
    if (!about_25) add(fixes, opened);
    if (here) merge_with_smarthosts(fixes, opened);
    const bool blocked = direct != VerdictCode::ok_direct;
    const bool unclear = direct == VerdictCode::inconclusive;
    const bool sized = large_packets_lost(seen);
    if (sized) add(fixes, packet_size_fix());
    if (unclear && !sized) add(fixes, inconclusive_fix(seen));
    const bool no_port = direct == VerdictCode::submission_blocked && !works;
    const bool port_offered =
        std::any_of(fixes.begin(), fixes.end(), [](const Fix& fix) { return !fix.config.empty(); });
    if (blocked && (report.smarthosts.empty() || (no_port && !port_offered))) {
        // A smarthost that this network shuts off is none to begin with.
        Fix other = use_smarthost(seen);
        if (no_port && !other.steps.empty()) {
            fixes.insert(fixes.begin() + first_of_smarthosts, std::move(other));
        } else {
            add(fixes, std::move(other));
        }
        if (report.smarthosts.empty()) add(fixes, use_provider(seen));
        add(fixes, useless_ports_fix(seen));
    }
    if (direct == VerdictCode::outbound_25_intercepted) {
        add(fixes, about(intercepted_fix(seen), family));
    }
    if (direct == VerdictCode::reputation) add(fixes, about(reputation_fix(seen), family));
    // Of a smarthost's own fault the cause says nothing about port 25.
    Report port_25 = report;
    port_25.smarthosts.clear();
    port_25.verdict.code = direct;
    const Cause cause = find_cause(seen, port_25);
    const bool own_forwarding = own_greeting_heard(seen);  // intercepted_fix() has what lifts it
    const bool may_be_lifted =
        direct != VerdictCode::reputation && !own_forwarding && !never_lifted(seen, cause);
    if (blocked && may_be_lifted && !unclear) add(fixes, about(lift_block(seen, cause), family));
    if (both) add_second(fixes, about(lift_second(seen, *both), both->second));
    if (blocked && !unclear) add(fixes, not_helpful(seen, cause));
    if (shut) advise_on_family(seen, report, cause, *shut, fixes);
    return fixes;
}

std::vector<Fix>::iterator first_useless(std::vector<Fix>& fixes) {
    return std::find_if(fixes.begin(), fixes.end(),
                        [](const Fix& fix) { return fix.title == no_help_title; });
}

// A dead family may be the only one that would let mail out.
std::vector<Fix>::iterator place_of(const BrokenFamily& broken, const Report& report,
                                    std::vector<Fix>& fixes) {
    const bool only_hope = broken.dead && report.direct.code == VerdictCode::smtp_hopeless;
    return only_hope ? fixes.begin() : first_useless(fixes);
}

}  // namespace

std::vector<Fix> advise(const Observations& seen, const Report& report) {
    std::vector<Fix> fixes = advise_on_mail(seen, report);
    if (report.direct.code != VerdictCode::no_network) {
        const std::optional<BrokenFamily> broken = broken_family(seen);
        if (broken) fixes.insert(place_of(*broken, report, fixes), broken_fix(seen, *broken));
        Fix servers = name_servers_fix(seen.each_name_server, seen.name_servers_rotate);
        if (!servers.steps.empty()) fixes.insert(first_useless(fixes), std::move(servers));
    }
    return fixes;
}

}  // namespace diagnose
