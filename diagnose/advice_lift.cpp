#include "diagnose/advice_lift.hpp"

#include <fmt/format.h>

#include "diagnose/advice_smarthost.hpp"
#include "diagnose/rejecting_router.hpp"

namespace diagnose {
namespace {

// How a cloud ends its block, and what else is to be known of it.
Fix lift_by_cloud(const CloudPolicy& cloud) {
    Fix fix;
    const bool hopeless = cloud.lift == "never" || cloud.lift == "none-documented";
    if (cloud.lift == "never") {
        fix.title = fmt::format("{} never lifts this block", cloud.name);
    } else if (cloud.lift == "none-documented") {
        fix.title = fmt::format("{} publishes no way to have port 25 opened", cloud.name);
    } else {
        fix.title =
            fmt::format("Have {} open port 25, if direct delivery is really wanted", cloud.name);
    }
    if (!cloud.lift_how.empty()) fix.steps.push_back(cloud.lift_how);
    if (!cloud.lift_url.empty()) fix.steps.push_back("Read " + cloud.lift_url);
    if (!cloud.rdns.empty() && !hopeless) {
        fix.steps.push_back("Have a PTR name set for the address first: " + cloud.rdns);
    }
    if (!cloud.note.empty() && cloud.lift != "never") fix.steps.push_back(cloud.note);
    if (!cloud.checked) {
        fix.steps.emplace_back("This is what others report of the provider; its own pages decide.");
    }
    return fix;
}

Fix lift_by_isp(const IspPolicy* isp) {
    Fix fix;
    fix.title = "Ask the access provider to open port 25, if direct delivery is really wanted";
    if (isp != nullptr && isp->policy == "router-whitelist") {
        fix.title = "Change the router's list of mail servers";
    }
    if (isp != nullptr && !isp->lift.empty()) {
        fix.steps.push_back(fmt::format("{}'s way out: {}.", isp->name, isp->lift));
    } else {
        fix.steps.emplace_back(
            "Most open it for a fixed or business address only; ask for a PTR name as well.");
    }
    if (isp != nullptr && !isp->note.empty()) fix.steps.push_back(isp->note);
    fix.steps.emplace_back(
        "Even with port 25 open most receivers refuse mail straight from an end user's address.");
    return fix;
}

// Where it happens, as the end of a sentence.
std::string at_hop_words(const Cause& cause) {
    if (cause.hop_address.empty()) return "";
    switch (cause.at_hop) {
        case AtHop::rejects:
            return fmt::format("; {} rejects it", cause.hop_address);
        case AtHop::answers:
            return fmt::format("; what answers is at {} or the next hop", cause.hop_address);
        case AtHop::ends:
            break;
    }
    return fmt::format("; packets get to {} and end there or just after", cause.hop_address);
}

// Whom to ask when nothing says whose filter it is: both who may have it.
Fix ask_both(const Observations& seen, const Cause& cause) {
    const bool answers = cause.at_hop == AtHop::answers;
    Fix fix;
    fix.title = fmt::format("Ask who {} port 25, if direct delivery is really wanted",
                            answers ? "redirects" : "filters");
    if (cause.hop_address.empty() || !seen.local.rules_read) {
        fix.steps.emplace_back(
            "Look in the router or firewall of this network for a rule that names port 25, or a "
            "list of allowed mail servers.");
    }
    fix.steps.push_back(fmt::format(
        "Ask the provider of the line or of the server whether it {} outbound port 25 and how that "
        "is lifted{}.",
        answers ? "redirects" : "blocks", at_hop_words(cause)));
    return fix;
}

// This host first: its owner can look there at once.
Fix lift_nearby(const Observations& seen) {
    Fix fix;
    fix.title = "Let this host and its first router pass outbound port 25";
    if (!seen.local.rules_read) {
        fix.steps.emplace_back(
            "A rule of this host would look the same as one of the router; as root it would be "
            "seen: `sudo relay diagnose`");
    }
    for (const RuleMatch& match : seen.local.possible) {
        if (match.spares_asker) continue;
        fix.steps.push_back("This rule of this host may be it: " + rule_text(match));
        for (const std::string& command : commands_to_allow(match, RuleQuestion{})) {
            fix.steps.push_back("To take it out of the way, run `" + command + "`");
        }
    }
    fix.steps.emplace_back(
        "If this host's rules are clean, look in the router's firewall or \"mail protection\" "
        "settings for a rule or a list of allowed mail servers that names port 25.");
    fix.steps.emplace_back(
        "If its rules are clean as well, the next hop is the filter: ask the network provider.");
    return fix;
}

// "port 25", or with others that the same box rejects: "ports 25 and 587"
std::string ports_of(const Observations& seen, const Cause& cause) {
    std::vector<std::uint16_t> ports{25};
    if (!cause.hop_address.empty()) {
        const std::vector<std::uint16_t> more = ports_rejected_by(seen, cause.hop_address);
        ports.insert(ports.end(), more.begin(), more.end());
    }
    return fmt::format("{} {}", ports.size() == 1 ? "port" : "ports", port_list(ports, "and"));
}

Fix lift_at_gateway(const Observations& seen, const Cause& cause) {
    Fix fix;
    const std::string ports = ports_of(seen, cause);
    fix.title = fmt::format("Let the router{} pass outbound {}",
                            cause.hop_address.empty() ? "" : " at " + cause.hop_address, ports);
    fix.steps.push_back(
        fmt::format("Look in its firewall or \"mail protection\" settings for a rule or a "
                    "list of allowed mail servers that names {}.",
                    ports));
    // Who rejects has named itself.
    if (cause.at_hop == AtHop::rejects) return fix;
    fix.steps.emplace_back(
        "If its rules are clean, the next hop is the filter: ask the network provider.");
    return fix;
}

}  // namespace

Fix lift_block(const Observations& seen, const Cause& cause) {
    Fix fix;
    switch (cause.kind) {
        case CauseKind::cloud:
            if (seen.host.cloud != nullptr) fix = lift_by_cloud(*seen.host.cloud);
            break;
        case CauseKind::isp:
            fix = lift_by_isp(seen.host.isp);
            break;
        case CauseKind::gateway:
            fix = lift_at_gateway(seen, cause);
            break;
        case CauseKind::container:
            fix.title = "Let the container's host forward outbound port 25";
            fix.steps.emplace_back(
                "On its host look for the rule: `nft list ruleset`, or `iptables -S FORWARD` and "
                "`iptables -S DOCKER-USER`; in Kubernetes look at the namespace's NetworkPolicy "
                "and the CNI's egress rules.");
            break;
        case CauseKind::unknown:
            fix = cause.hop == 0 ? lift_nearby(seen) : ask_both(seen, cause);
            break;
        default:
            break;
    }
    return fix;
}

bool never_lifted(const Observations& seen, const Cause& cause) {
    return cause.kind == CauseKind::cloud && seen.host.cloud != nullptr &&
           seen.host.cloud->lift == "never";
}

}  // namespace diagnose
