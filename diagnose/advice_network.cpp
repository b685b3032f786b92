#include "diagnose/advice_network.hpp"

#include <fmt/format.h>

#include "diagnose/advice_local.hpp"
#include "diagnose/name_faults.hpp"

namespace diagnose {

Fix no_network_fix(const Observations& seen) {
    Fix fix;
    if (seen.rule_for_all) {
        fix.title = "Let connections out of this host";
        add_local_steps(seen, seen.local, &*seen.rule_for_all, 443, fix);
    } else if (!seen.portal.empty()) {
        fix.title = "Sign in to this network first";
        fix.steps.push_back(
            "A captive portal answers in place of the web: open any http:// page in "
            "a browser and sign in (" +
            seen.portal + ").");
    } else if (proxy_only(seen, VerdictCode::no_network)) {
        fix.title = "Ask this network for a way out for mail";
        fix.steps.push_back(
            "Ask whoever runs it to open port 587 (or 465) to the smarthost for this host.");
        fix.steps.push_back(fmt::format(
            "Or use the HTTPS API of a sending service from the application, through the proxy {}.",
            seen.proxy));
    } else if (!seen.route_v4 && !seen.route_v6) {
        fix.title = "Give this host a route to the network";
        fix.steps.push_back("See what is there: `ip address` and `ip route`");
        fix.steps.push_back("Is the cable, the Wi-Fi, the VPN or the container's network up?");
    } else if (const std::optional<std::string> box = refuses_all(seen)) {
        fix.title = "Have this network let connections out";
        fix.steps.push_back(fmt::format(
            "Every connection is refused, by {}: ask whoever runs it to let this host out, to port "
            "587 or 465 of a smarthost at least.",
            *box));
    } else {
        fix.title = "Restore the network";
        fix.steps.push_back(
            "No address answers on any port: ask whoever runs the gateway (`ip route` shows it), "
            "or look at the firewall of this host.");
    }
    fix.steps.push_back("Mail that relay has accepted waits in its queue meanwhile.");
    return fix;
}

Fix dns_fix(const Observations& seen) {
    Fix fix;
    fix.title = "Mend name resolution";
    if (seen.rule_for_dns) {
        fix.title = "Let name look-ups out of this host";
        add_local_steps(seen, seen.local, &*seen.rule_for_dns, 53, fix);
        return fix;
    }
    if (smarthost_name_known(seen)) {
        fix.title = "Have public names resolved, if mail is to leave directly";
    }
    fix.steps.push_back(
        fmt::format("This host asks {} (/etc/resolv.conf).",
                    seen.name_servers.empty() ? "no name server" : seen.name_servers));
    const std::optional<net::Family> lacking = unroutable_name_servers(seen);
    if (lacking) {
        const bool v4 = *lacking == net::Family::ipv4;
        fix.steps.push_back(fmt::format(
            "Name one there that has an {} address, or give this host an {} route (`ip {}route` "
            "shows what there is).",
            v4 ? "IPv6" : "IPv4", v4 ? "IPv4" : "IPv6", v4 ? "" : "-6 "));
    }
    if (!lacking && !seen.local.rules_read && !names_are_hidden(seen)) {
        fix.steps.emplace_back(
            "A rule of this host would look the same; as root it would be seen: `sudo relay "
            "diagnose`");
    }
    if (no_name_known(seen)) {
        fix.steps.emplace_back(
            "They answer, and know no public names: ask whoever runs them whether this host may "
            "have a server that does, or sign in where a captive portal waits.");
    }
    fix.steps.push_back(
        "Try `getent hosts gmail.com`, and with systemd-resolved `resolvectl status`");
    if (!smarthost_name_known(seen)) {
        fix.steps.push_back(
            "Run this again when names resolve: until then nothing else can be judged.");
    }
    return fix;
}

}  // namespace diagnose
