#include "diagnose/advice_direct.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "diagnose/advice_lift.hpp"
#include "diagnose/advice_local.hpp"
#include "diagnose/explain.hpp"
#include "diagnose/port_families.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/submission_ports.hpp"

namespace diagnose {
namespace {

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

}  // namespace

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

Fix lift(const Observations& seen, VerdictCode code, net::Family family, const Cause& cause) {
    if (code == VerdictCode::local_firewall) return open_here(seen, family);
    if (code == VerdictCode::reputation) return reputation_fix(seen);
    if (code == VerdictCode::outbound_25_intercepted) return intercepted_fix(seen);
    return lift_block(seen, cause);
}

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

}  // namespace diagnose
