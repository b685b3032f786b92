#include "diagnose/advice_smarthost.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "diagnose/smarthost_blame.hpp"

namespace diagnose {
namespace {

std::string port_line(std::uint16_t port) {
    const bool implicit = port == 465 || port == 2465 || port == 8465;
    return fmt::format("port = {}            # {}; seen open from this host a moment ago", port,
                       implicit ? "implicit TLS" : "STARTTLS");
}

// The smarthost block with a port that answered; a configured host keeps its name.
std::string smarthost_block(const SmarthostStages* configured, std::uint16_t port) {
    std::string host = "smtp.example.com", user = "app@example.com";
    std::string hint = "  # your provider's submission server";
    if (configured != nullptr) {
        host = configured->host;
        hint.clear();
        const bool known = !configured->sender.empty() && !configured->sender_guessed;
        if (known) user = configured->sender;
    }
    return fmt::format(
        "[smarthost]\nhost = \"{}\"{}\n{}\nusername = \"{}\"\npassword_file = "
        "\"/etc/relay/password\"\n",
        host, hint, port_line(port), user);
}

bool has(const std::vector<std::uint16_t>& list, std::uint16_t port) {
    return std::find(list.begin(), list.end(), port) != list.end();
}

// The configured smarthost that answers on this port, if any does.
const SmarthostStages* answering(const Observations& seen, std::uint16_t port) {
    for (const SmarthostStages& stages : seen.smarthosts) {
        const bool answers =
            std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortEvidence& item) {
                return item.role == ProbeRole::smarthost && item.operator_name == stages.name &&
                       item.port == port && item.open();
            });
        if (answers) return &stages;
    }
    return nullptr;
}

// The ports to try first on this platform, as far as they were seen open.
std::vector<std::uint16_t> preferred_ports(const Observations& seen) {
    std::vector<std::uint16_t> open = open_submission_ports(seen);
    if (seen.host.cloud == nullptr) return open;
    std::vector<std::uint16_t> result;
    for (const std::uint16_t port : seen.host.cloud->relay_ports) {
        if (has(open, port)) result.push_back(port);
    }
    for (const std::uint16_t port : open) {
        if (!has(result, port)) result.push_back(port);
    }
    return result;
}

// What can be told from the words of the failed handshake, and who has to act.
void add_tls_steps(const SmarthostReport& smarthost, const SmarthostBlame& blame, Fix& fix) {
    const auto says = [&](std::string_view words) {
        return smarthost.explained.find(words) != std::string::npos;
    };
    if (says("clear text")) {
        fix.steps.emplace_back(
            "This port speaks STARTTLS: set tls = \"starttls\" (or leave tls out), or "
            "use port 465 for implicit TLS.");
    }
    if (says("trust store") || says("self-signed") || says("CA file")) {
        if (blame.who != Blame::path) {
            fix.steps.emplace_back(
                "If the server is your own: ca_file = \"/path/to/its-ca.pem\" in its "
                "[smarthost], or pin its key with fingerprint.");
        }
        fix.steps.emplace_back(
            "If it is a provider's: something on the path (an antivirus, a "
            "proxy) opens the TLS; have the smarthost excepted there.");
    }
    if (says("is not for")) {
        fix.steps.emplace_back("Use a host name that the certificate is for, as listed above.");
    }
    if (says("expired on")) {
        fix.steps.emplace_back("Look at this host's clock first: `timedatectl`");
        fix.steps.emplace_back(
            "If the clock is right, only whoever runs the smarthost can renew its certificate: "
            "tell "
            "them; another port shows the same one.");
    }
    if (says("not valid before")) {
        fix.steps.emplace_back("Look at this host's clock: `timedatectl`");
    }
}

// Where the other ports of the smarthost are open; a certificate's fault goes with none of them.
void add_other_port(const Observations& seen, const SmarthostReport& smarthost, Fix& fix) {
    std::vector<std::uint16_t> open;
    for (const PortResult& port : smarthost.ports) {
        if (port.result == "open" && port.port != smarthost.port) open.push_back(port.port);
    }
    const bool certificate =
        smarthost.code == VerdictCode::smarthost_tls && about_certificate(smarthost.explained);
    if (open.empty() || certificate) return;
    fix.steps.push_back(fmt::format("Use port {} of {}, which is open from here.", port_list(open),
                                    smarthost.host));
    const SmarthostStages* configured = nullptr;
    for (const SmarthostStages& stages : seen.smarthosts) {
        if (stages.name == smarthost.name) configured = &stages;
    }
    fix.config = smarthost_block(configured, open.front());
}

const LocalSigns* signs_of(const Observations& seen, const std::string& smarthost) {
    for (std::size_t i = 0; i < seen.smarthosts.size() && i < seen.smarthost_signs.size(); ++i) {
        if (seen.smarthosts[i].name == smarthost) return &seen.smarthost_signs[i];
    }
    return &seen.local;
}

bool network_trouble(VerdictCode code) {
    return code == VerdictCode::smarthost_unreachable || code == VerdictCode::smarthost_tls ||
           code == VerdictCode::smarthost_no_starttls;
}

}  // namespace

std::string port_list(const std::vector<std::uint16_t>& ports) {
    std::vector<std::string> words;
    for (const std::uint16_t port : ports) words.push_back(std::to_string(port));
    return base::join(words, ", ");
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
            port_list(ports)));
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
    const SmarthostStages* const own = answering(seen, ports.front());
    // A host and an account of nobody's are nothing to write.
    fix.steps.push_back(fmt::format(
        "Put the block below, with these in it, into relay.toml{}, and the password into the file "
        "it names, readable by relay's user only.",
        own != nullptr ? " (`relay diagnose --write` offers to)" : ""));
    fix.steps.emplace_back("Prove it without sending: `relay check --online`");
    fix.config = smarthost_block(own, ports.front());
    return fix;
}

Fix use_provider(const Observations& seen) {
    Fix fix;
    if (seen.host.isp == nullptr || seen.host.isp->smarthosts.empty()) return fix;
    const IspPolicy& isp = *seen.host.isp;
    const std::vector<std::uint16_t> open = open_submission_ports(seen);
    const auto port = std::find_if(isp.ports.begin(), isp.ports.end(),
                                   [&](std::uint16_t each) { return has(open, each); });
    if (port == isp.ports.end()) return fix;
    fix.title = fmt::format("Send through {}'s own server, as its customer", isp.name);
    fix.steps.push_back(
        fmt::format("{} takes its customers' mail at {}, port {}, with the user name and password "
                    "of a mailbox there.{}",
                    isp.name, isp.smarthosts.front(), *port,
                    isp.checked ? "" : " This is what others report; its own pages decide."));
    SmarthostStages theirs;
    theirs.host = isp.smarthosts.front();
    fix.config = smarthost_block(&theirs, *port);
    return fix;
}

void add_local_steps(const LocalSigns& local, const RuleMatch* rule, std::uint16_t port, Fix& fix) {
    if (rule != nullptr) {
        RuleQuestion question;
        question.port = port;
        fix.steps.push_back("This is the rule: " + rule_text(*rule));
        for (const std::string& command : commands_to_allow(*rule, question)) {
            fix.steps.push_back("Run `" + command + "`");
        }
        return;
    }
    if (!local.rules_read) {
        fix.steps.emplace_back("Run it as root to see the rule: `sudo relay diagnose`");
    }
    fix.steps.emplace_back(
        "Look for a packet filter rule: `nft list ruleset | grep -n -E 'dport|policy drop'` or "
        "`iptables -S OUTPUT`");
    fix.steps.emplace_back(
        "Look for a prohibit, unreachable or blackhole route: `ip rule` and `ip route`");
    fix.steps.emplace_back(
        "In a systemd unit, look for its own sandbox: `systemctl cat UNIT | grep IPAddress`");
}

Fix fix_smarthost(const Observations& seen, const SmarthostReport& smarthost) {
    Fix fix;
    const SmarthostBlame blame = blame_for(seen, smarthost.name);
    fix.title = fmt::format("Make the smarthost {} work", smarthost.name);
    if (blame.who == Blame::here) {
        fix.title = fmt::format("Let port {} out of this host, for the smarthost {}", blame.port,
                                smarthost.name);
        fix.steps.push_back(blame.words);
        add_local_steps(*signs_of(seen, smarthost.name), blame.rule, blame.port, fix);
    } else {
        if (!smarthost.explained.empty()) fix.steps.push_back(smarthost.explained);
        if (!blame.words.empty()) fix.steps.push_back(blame.words);
    }
    if (network_trouble(smarthost.code)) add_other_port(seen, smarthost, fix);
    if (smarthost.code == VerdictCode::smarthost_tls) add_tls_steps(smarthost, blame, fix);
    if (smarthost.code == VerdictCode::smarthost_tls && !seen.trust_store) {
        fix.steps.emplace_back(
            "This host has no trust store, so that it can verify nobody: `apt-get install "
            "ca-certificates`");
    }
    if (smarthost.code == VerdictCode::smarthost_auth && !smarthost.reply.empty()) {
        fix.steps.emplace_back(
            "One sign-in was tried. Do not try in a loop: providers lock accounts.");
    }
    fix.steps.emplace_back("Prove it without sending: `relay check --online`");
    return fix;
}

}  // namespace diagnose
