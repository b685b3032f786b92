#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/observations.hpp"
#include "diagnose/provider_catalogue.hpp"

namespace diagnose {
namespace {

bool any_smarthost_works(const Report& report) {
    return std::any_of(report.smarthosts.begin(), report.smarthosts.end(),
                       [](const auto& item) { return item.code == VerdictCode::ok_smarthost; });
}

std::string port_line(std::uint16_t port) {
    const bool implicit = port == 465 || port == 2465 || port == 8465;
    return fmt::format("port = {}            # {}; seen open from this host a moment ago", port,
                       implicit ? "implicit TLS" : "STARTTLS");
}

bool answers_on(const Observations& seen, std::uint16_t port) {
    return std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortEvidence& item) {
        return item.role == ProbeRole::smarthost && item.port == port && item.open();
    });
}

// The smarthost block with a port that answered; a configured host keeps its name.
std::string smarthost_block(const Observations& seen, std::uint16_t port) {
    std::string host = "smtp.example.com", user = "app@example.com";
    std::string hint = "  # your provider's submission server";
    const bool usual = port == 587 || port == 465;
    if (!seen.smarthosts.empty() && (usual || answers_on(seen, port))) {
        host = seen.smarthosts.front().host;
        hint.clear();
        if (!seen.smarthosts.front().sender.empty()) user = seen.smarthosts.front().sender;
    }
    return fmt::format(
        "[smarthost]\nhost = \"{}\"{}\n{}\nusername = \"{}\"\npassword_file = "
        "\"/etc/relay/password\"\n",
        host, hint, port_line(port), user);
}

std::string open_words(const std::vector<std::uint16_t>& ports) {
    std::vector<std::string> words;
    for (const std::uint16_t port : ports) words.push_back(std::to_string(port));
    return base::join(words, ", ");
}

// The ports to try first on this platform, as far as they were seen open.
std::vector<std::uint16_t> preferred_ports(const Observations& seen) {
    std::vector<std::uint16_t> open = open_submission_ports(seen);
    if (seen.host.cloud == nullptr) return open;
    std::vector<std::uint16_t> result;
    const auto has = [](const auto& list, std::uint16_t port) {
        return std::find(list.begin(), list.end(), port) != list.end();
    };
    for (const std::uint16_t port : seen.host.cloud->relay_ports) {
        if (has(open, port)) result.push_back(port);
    }
    for (const std::uint16_t port : open) {
        if (!has(result, port)) result.push_back(port);
    }
    return result;
}

Fix use_smarthost(const Observations& seen) {
    Fix fix;
    const std::vector<std::uint16_t> ports = preferred_ports(seen);
    if (ports.empty()) return fix;
    fix.title = fmt::format("Send through an authenticated smarthost on port {}", ports.front());
    const bool usual = ports.front() == 587 || ports.front() == 465;
    if (usual) {
        fix.steps.emplace_back(
            "Have the name of a submission server, a user name and a password from your mail "
            "provider or from a sending service.");
    } else {
        fix.steps.push_back(fmt::format(
            "Take a provider with an alternate port; open from here: {} (SendGrid, Mailgun, "
            "Postmark, Brevo and SMTP2GO have 2525; Gmail, Microsoft 365, iCloud, Yahoo, Fastmail "
            "and Zoho have none).",
            open_words(ports)));
    }
    if (seen.host.cloud != nullptr) {
        const ProviderFacts* const own = find_provider(seen.host.cloud->native_relay);
        if (own != nullptr) {
            fix.steps.push_back(
                own->setup_url.empty()
                    ? fmt::format("{} has {} for sending.", seen.host.cloud->name, own->name)
                    : fmt::format("{} has {} for sending: {}", seen.host.cloud->name, own->name,
                                  own->setup_url));
        }
    }
    fix.steps.emplace_back(
        "Put the block below, with these in it, into relay.toml (`relay diagnose --write` offers "
        "to), and the password into the file it names, readable by relay's user only.");
    fix.steps.emplace_back("Prove it without sending: `relay check --online`");
    fix.config = smarthost_block(seen, ports.front());
    return fix;
}

Fix lift_block(const Observations& seen, const Cause& cause) {
    Fix fix;
    if (cause.kind == CauseKind::cloud && seen.host.cloud != nullptr) {
        const CloudPolicy& cloud = *seen.host.cloud;
        if (cloud.lift == "never") {
            fix.title = fmt::format("{} never lifts this block", cloud.name);
            fix.steps.push_back("Do not ask its support for port 25: use a smarthost.");
            return fix;
        }
        fix.title =
            fmt::format("Have {} open port 25, if direct delivery is really wanted", cloud.name);
        if (!cloud.lift_how.empty()) fix.steps.push_back(cloud.lift_how);
        if (!cloud.lift_url.empty()) fix.steps.push_back("Read " + cloud.lift_url);
        if (!cloud.rdns.empty()) {
            fix.steps.push_back("Have a PTR name set for the address first: " + cloud.rdns);
        }
        if (!cloud.checked) {
            fix.steps.push_back(
                "This is what others report of the provider; its own pages decide.");
        }
    } else if (cause.kind == CauseKind::isp) {
        fix.title = "Ask the access provider to open port 25, if direct delivery is really wanted";
        if (seen.host.isp != nullptr && !seen.host.isp->lift.empty()) {
            fix.steps.push_back(seen.host.isp->lift);
        } else {
            fix.steps.push_back(
                "Most open it for a fixed or business address only; ask for a PTR "
                "name as well.");
        }
        fix.steps.push_back(
            "Even with port 25 open most receivers refuse mail straight from an end "
            "user's address.");
    } else if (cause.kind == CauseKind::gateway) {
        fix.title = fmt::format("Let the router{} pass outbound port 25",
                                cause.hop_address.empty() ? "" : " at " + cause.hop_address);
        fix.steps.push_back(
            "Look in its firewall or \"mail protection\" settings for a rule or a "
            "list of allowed mail servers that names port 25.");
        fix.steps.push_back(
            "If its rules are clean, the next hop is the filter: ask the network "
            "provider.");
    } else if (cause.kind == CauseKind::container) {
        fix.title = "Let the container's host forward outbound port 25";
        fix.steps.push_back(
            "On its host look for the rule: `nft list ruleset`, or `iptables -S FORWARD` and "
            "`iptables -S DOCKER-USER`; in Kubernetes look at the namespace's NetworkPolicy and "
            "the CNI's egress rules.");
    }
    return fix;
}

Fix open_here(const Observations& seen) {
    Fix fix;
    fix.title = "Let port 25 out of this host";
    if (seen.local.rule) {
        RuleQuestion question;
        question.port = 25;
        fix.steps.push_back("This is the rule: " + rule_text(*seen.local.rule));
        for (const std::string& command : commands_to_allow(*seen.local.rule, question)) {
            fix.steps.push_back("Run `" + command + "`");
        }
        return fix;
    }
    if (!seen.local.rules_read) {
        fix.steps.push_back("Run it as root to see the rule: `sudo relay diagnose`");
    }
    fix.steps.emplace_back(
        "Look for a packet filter rule: `nft list ruleset | grep -n -E 'dport|policy drop'` or "
        "`iptables -S OUTPUT`");
    fix.steps.emplace_back(
        "Look for a prohibit, unreachable or blackhole route: `ip rule` and `ip route`");
    fix.steps.emplace_back(
        "In a systemd unit, look for its own sandbox: `systemctl cat UNIT | grep IPAddress`");
    return fix;
}

Fix not_helpful(const Observations& seen) {
    Fix fix;
    fix.title = "What will not help";
    fix.steps.push_back(
        "Delivering to a recipient's mail exchanger on 587 or 465: an MX takes mail "
        "from others on 25 only.");
    fix.steps.push_back("Longer time-outs, other recipients, another DNS server.");
    if (seen.smarthosts.empty()) {
        fix.steps.push_back("A smarthost for receiving mail: that needs inbound port 25.");
    }
    return fix;
}

// What can be told from the words of the failed handshake.
void add_tls_steps(const SmarthostReport& smarthost, Fix& fix) {
    const auto says = [&](std::string_view words) {
        return smarthost.explained.find(words) != std::string::npos;
    };
    if (says("clear text")) {
        fix.steps.emplace_back(
            "This port speaks STARTTLS: set tls = \"starttls\" (or leave tls out), or "
            "use port 465 for implicit TLS.");
    }
    if (says("trust")) {
        fix.steps.emplace_back(
            "If the server is your own: ca_file = \"/path/to/its-ca.pem\" in its "
            "[smarthost], or pin its key with fingerprint.");
        fix.steps.emplace_back(
            "If it is a provider's: something on the path (an antivirus, a "
            "proxy) opens the TLS; have the smarthost excepted there.");
    }
    if (says("not for")) {
        fix.steps.emplace_back("Use a host name that the certificate is for, as listed above.");
    }
    if (says("not valid before"))
        fix.steps.emplace_back("Look at this host's clock: `timedatectl`");
}

Fix fix_smarthost(const Observations& seen, const SmarthostReport& smarthost) {
    Fix fix;
    fix.title = fmt::format("Make the smarthost {} work", smarthost.name);
    if (!smarthost.explained.empty()) fix.steps.push_back(smarthost.explained);
    const bool network = smarthost.code == VerdictCode::smarthost_unreachable ||
                         smarthost.code == VerdictCode::smarthost_tls ||
                         smarthost.code == VerdictCode::smarthost_no_starttls;
    std::vector<std::uint16_t> open;
    for (const PortResult& port : smarthost.ports) {
        if (port.result == "open" && port.port != smarthost.port) open.push_back(port.port);
    }
    if (network && !open.empty()) {
        fix.steps.push_back(fmt::format("Use port {} of {}, which is open from here.",
                                        open_words(open), smarthost.host));
        fix.config = smarthost_block(seen, open.front());
    }
    if (smarthost.code == VerdictCode::smarthost_tls) add_tls_steps(smarthost, fix);
    if (smarthost.code == VerdictCode::smarthost_auth) {
        fix.steps.push_back(
            "One sign-in was tried. Do not try in a loop: providers lock accounts.");
    }
    fix.steps.emplace_back("Prove it without sending: `relay check --online`");
    return fix;
}

Fix no_network_fix(const Observations& seen) {
    Fix fix;
    if (!seen.portal.empty()) {
        fix.title = "Sign in to this network first";
        fix.steps.push_back(
            "A captive portal answers in place of the web: open any http:// page in "
            "a browser and sign in (" +
            seen.portal + ").");
    } else if (!seen.route_v4 && !seen.route_v6) {
        fix.title = "Give this host a route to the network";
        fix.steps.push_back("See what is there: `ip address` and `ip route`");
        fix.steps.push_back("Is the cable, the Wi-Fi, the VPN or the container's network up?");
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
    fix.steps.push_back(
        fmt::format("This host asks {} (/etc/resolv.conf).",
                    seen.name_servers.empty() ? "no name server" : seen.name_servers));
    fix.steps.push_back(
        "Try `getent hosts gmail.com`, and with systemd-resolved `resolvectl status`");
    fix.steps.push_back(
        "Run this again when names resolve: until then nothing else can be judged.");
    return fix;
}

Fix reputation_fix(const Observations& seen) {
    Fix fix;
    fix.title = "If direct delivery is really wanted";
    fix.steps.push_back(
        "Set a PTR name for the address, and have it resolve back to it; only the "
        "address's owner can" +
        (seen.host.cloud != nullptr && !seen.host.cloud->rdns.empty()
             ? " (" + seen.host.cloud->rdns + ")."
             : "."));
    fix.steps.push_back("See whether the address is listed: `relay diagnose --domain YOUR-DOMAIN`");
    fix.steps.push_back(
        "A listing in Spamhaus PBL is no accusation: it says that the range must not "
        "send itself; a smarthost is the cure.");
    return fix;
}

bool network_trouble(VerdictCode code) {
    return code == VerdictCode::no_network || code == VerdictCode::dns_broken;
}

void add(std::vector<Fix>& fixes, Fix fix) {
    if (!fix.title.empty() && !fix.steps.empty()) fixes.push_back(std::move(fix));
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

Fix intercepted_fix() {
    Fix fix;
    fix.title = "Do not trust port 25 on this network";
    fix.steps.push_back(
        "Something on the path answers in the servers' place: never lower TLS "
        "verification and never send a password over it.");
    fix.steps.push_back(
        "Have the inspection switched off (Cisco ASA: no inspect esmtp; antivirus: "
        "its mail shield), or go round it by 465 or 587 with verified TLS.");
    return fix;
}

}  // namespace

std::vector<std::uint16_t> open_submission_ports(const Observations& seen) {
    std::vector<std::uint16_t> open;
    for (const PortEvidence& item : seen.ports) {
        const bool mail = item.port != 443 && item.role != ProbeRole::direct;
        const bool known = std::find(open.begin(), open.end(), item.port) != open.end();
        if (mail && item.open() && item.role != ProbeRole::address && !known) {
            open.push_back(item.port);
        }
    }
    const auto rank = [](std::uint16_t port) {
        if (port == 587) return 0;
        if (port == 465) return 1;
        return port == 2525 ? 2 : 3;
    };
    std::stable_sort(open.begin(), open.end(),
                     [&](auto a, auto b) { return std::pair{rank(a), a} < std::pair{rank(b), b}; });
    return open;
}

std::vector<Fix> advise(const Observations& seen, const Report& report) {
    std::vector<Fix> fixes;
    const VerdictCode direct = report.direct.code;
    const bool works = any_smarthost_works(report);
    if (network_trouble(report.verdict.code)) {
        add(fixes,
            report.verdict.code == VerdictCode::no_network ? no_network_fix(seen) : dns_fix(seen));
    } else {
        if (direct == VerdictCode::smtp_hopeless && !works) add(fixes, hopeless_fix());
        if (direct == VerdictCode::local_firewall) add(fixes, open_here(seen));
        for (const SmarthostReport& smarthost : report.smarthosts) {
            if (smarthost.code != VerdictCode::ok_smarthost) {
                add(fixes, fix_smarthost(seen, smarthost));
            }
        }
        if (direct == VerdictCode::outbound_25_intercepted) add(fixes, intercepted_fix());
        const bool blocked = direct != VerdictCode::ok_direct;
        const bool no_port = direct == VerdictCode::submission_blocked && !works;
        if (blocked && (report.smarthosts.empty() || no_port)) add(fixes, use_smarthost(seen));
        if (direct == VerdictCode::reputation) add(fixes, reputation_fix(seen));
        if (blocked && direct != VerdictCode::reputation)
            add(fixes, lift_block(seen, report.cause));
        if (blocked) add(fixes, not_helpful(seen));
    }
    return fixes;
}

}  // namespace diagnose
