#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/inbound/facts.hpp"
#include "net/address_scope.hpp"

namespace diagnose {
namespace {

using net::AddressScope;
using net::scope_of;

bool in_container(const InboundFacts& facts) { return !facts.host.container.empty(); }

std::string first_process(const InboundFacts& facts) {
    for (const TcpListener& listener : facts.listeners) {
        if (!listener.process.empty()) return listener.process;
    }
    return {};
}

// The IPv4 address, or else any, that a router would forward to.
std::string inner_address(const InboundFacts& facts) {
    for (const HostAddress& item : facts.addresses) {
        const bool v4 = item.address.find(':') == std::string::npos;
        const bool forwarded = v4 && !behind_translator(item.address);
        if (forwarded && inside_only(scope_of(item.address))) return item.address;
    }
    return facts.addresses.empty() ? "this host's address" : facts.addresses.front().address;
}

std::string outer_address(const InboundFacts& facts) {
    const std::vector<std::string> known = public_addresses(facts);
    for (const std::string& address : known) {
        if (address.find(':') == std::string::npos) return address;
    }
    if (!known.empty()) return known.front();
    return facts.exchangers.empty() ? "THIS-HOST" : facts.exchangers.front().host;
}

Fix start_server(const InboundFacts& facts) {
    Fix fix;
    fix.title = "Let a mail server listen on port 25";
    if (in_container(facts)) {
        fix.steps.push_back(fmt::format(
            "This is a {}: if the mail server runs in another container or on the host, "
            "run this command there.",
            facts.host.container));
        fix.steps.push_back(
            "If it should run here, start it and publish its port: `docker run -p 25:25 ...`, or "
            "in "
            "compose.yaml `ports: [\"25:25\"]`");
    }
    fix.steps.push_back(
        "See whether it is installed and why it does not run: "
        "`systemctl status postfix exim4 opensmtpd`, `journalctl -u postfix -e`");
    fix.steps.push_back(
        "Postfix: the line `smtp inet n - y - - smtpd` must stand in /etc/postfix/master.cf "
        "without a # before it; then `systemctl restart postfix`");
    fix.steps.push_back("See that it listens: `ss -ltn 'sport = :25'`");
    return fix;
}

std::vector<std::string> open_up(const std::string& process) {
    if (process == "master") {  // Postfix
        return {"Run `postconf -e 'inet_interfaces = all'`",
                "Run `systemctl restart postfix` (a reload is not enough)"};
    }
    if (process == "exim4" || process == "exim") {
        return {
            "Run `dpkg-reconfigure exim4-config`: choose \"internet site\" and empty the list of "
            "addresses to listen on (dc_local_interfaces='')",
            "Run `systemctl restart exim4`"};
    }
    if (process == "smtpd") {  // OpenSMTPD
        return {"In /etc/smtpd.conf write `listen on all` instead of `listen on lo`",
                "Run `systemctl restart opensmtpd`"};
    }
    if (process == "sendmail" || process == "sendmail-mta") {
        return {
            "In /etc/mail/sendmail.mc take Addr=127.0.0.1 out of DAEMON_OPTIONS, then run "
            "`sendmailconfig`"};
    }
    if (process == "docker-proxy" || process == "rootlessport") {
        return {
            "Publish the port on all addresses: `-p 25:25` instead of `-p 127.0.0.1:25:25`; in "
            "compose.yaml `ports: [\"25:25\"]`"};
    }
    return {};
}

Fix leave_loopback(const InboundFacts& facts) {
    Fix fix;
    fix.title = "Let the mail server listen on the outside address too";
    fix.steps = open_up(first_process(facts));
    if (fix.steps.empty()) {
        fix.steps = {"Find out which program it is: `sudo ss -ltnp 'sport = :25'`",
                     "Postfix: `postconf -e 'inet_interfaces = all'` and "
                     "`systemctl restart postfix`; exim4: `dpkg-reconfigure exim4-config`; "
                     "OpenSMTPD: `listen on all`",
                     "A container's port: `-p 25:25` instead of `-p 127.0.0.1:25:25`"};
    }
    fix.steps.push_back(
        "Before it faces the world, see that it relays for nobody; Postfix: "
        "`postconf mynetworks smtpd_relay_restrictions`");
    fix.steps.push_back("See that it listens: `ss -ltn 'sport = :25'`");
    return fix;
}

void add_commands(const RuleMatch& rule, bool v6, std::vector<std::string>& steps) {
    RuleQuestion question;
    question.inbound = true;
    question.family = v6 ? net::Family::ipv6 : net::Family::ipv4;
    for (const std::string& command : commands_to_allow(rule, question)) {
        std::string step = "Run `" + command + "`";
        if (std::find(steps.begin(), steps.end(), step) == steps.end()) {
            steps.push_back(std::move(step));
        }
    }
}

std::optional<Fix> open_local_firewall(const InboundFacts& facts) {
    Fix fix;
    fix.title = "Open port 25 in this host's firewall";
    std::string manager;
    for (const bool v6 : {false, true}) {
        const auto& rule = v6 ? facts.stops6 : facts.stops4;
        if (!rule || rule->verdict == RuleVerdict::redirect) continue;
        add_commands(*rule, v6, fix.steps);
        manager = rule->manager;
    }
    if (fix.steps.empty()) return std::nullopt;
    if (manager.empty()) {
        fix.steps.push_back(
            "Change it where the rules are loaded from as well (/etc/nftables.conf, "
            "/etc/iptables/rules.v4 and rules.v6, or the program that writes them), or it is back "
            "after the next start");
    }
    return fix;
}

Fix forward_at_router(const InboundFacts& facts) {
    Fix fix;
    const std::string inner = inner_address(facts);
    fix.title = "Forward port 25 at the router";
    if (scope_of(inner) == AddressScope::shared) {
        fix.title = "Get a public address";
        fix.steps = {
            fmt::format("{} is an address of the provider's carrier NAT: no router setting "
                        "lets the world in. Ask the provider for a public IPv4 address.",
                        inner),
            "Or let a server with a public address be the MX, and let it pass the mail on "
            "over a tunnel"};
        return fix;
    }
    fix.steps = {
        fmt::format("In the router's port forwarding: TCP 25 from outside to {} port 25", inner),
        "Give this host a fixed address there, so that the forwarding keeps pointing at it",
        "If the provider closes port 25 into its network, no setting of the router helps: "
        "ask for a business line or a fixed address, or let a server elsewhere be the MX"};
    return fix;
}

Fix open_cloud_firewall(const InboundFacts& facts) {
    const std::string& name = facts.host.cloud->name;
    const std::string& id = facts.host.cloud->id;
    Fix fix;
    fix.title = fmt::format("Let TCP 25 in at {}", name);
    std::string where =
        "In its console: firewall or security group of this machine, a rule for "
        "incoming TCP port 25 from 0.0.0.0/0 and ::/0";
    if (id.starts_with("aws")) {
        where =
            "EC2 console, Security Groups, the group of this instance, Inbound rules: SMTP, TCP "
            "25, from 0.0.0.0/0 and ::/0; the subnet's network ACL must let it in as well";
    } else if (id.starts_with("gcp") || id.starts_with("google")) {
        where =
            "Run `gcloud compute firewall-rules create smtp-in --direction=INGRESS "
            "--allow=tcp:25 --source-ranges=0.0.0.0/0`";
    } else if (id.starts_with("azure")) {
        where =
            "Network security group of the machine or its subnet: inbound rule, TCP, "
            "destination port 25, source Internet";
    } else if (id.starts_with("oracle") || id.starts_with("oci")) {
        where =
            "Security list or network security group of the subnet: ingress rule, TCP, "
            "destination port 25; its images also bring iptables rules of their own";
    } else if (id.starts_with("hetzner")) {
        where = "Cloud Console, Firewalls: an inbound rule TCP 25, if a firewall is attached";
    }
    fix.steps = {where,
                 "Leave the outbound rules as they are: a block of outgoing port 25 is another "
                 "matter (`relay diagnose`)."};
    return fix;
}

Fix find_filter(const InboundFacts& facts) {
    Fix fix;
    fix.title = "Find and open the filter in front of this host";
    fix.steps = {"In the provider's or hoster's panel look for a firewall, and let TCP 25 in",
                 "Ask the provider whether it closes incoming port 25, and to open it",
                 "If it will not: let a server elsewhere be the MX, and let it pass the mail on"};
    if (!facts.rules_readable) {
        fix.steps.insert(fix.steps.begin(),
                         "Run this again as root: it then also reads this host's own firewall");
    }
    return fix;
}

Fix point_mx_here(const InboundFacts& facts) {
    Fix fix;
    fix.title =
        fmt::format("Point the MX of {} at this host, if its mail should come here", facts.domain);
    const std::string host =
        facts.hostname.find('.') == std::string::npos ? "mail." + facts.domain : facts.hostname;
    const std::vector<std::string> known = public_addresses(facts);
    fix.steps.push_back(fmt::format("Publish `{}. MX 10 {}.`", facts.domain, host));
    for (const std::string& address : known) {
        fix.steps.push_back(fmt::format("Publish `{}. {} {}`", host,
                                        address.find(':') == std::string::npos ? "A" : "AAAA",
                                        address));
    }
    if (known.empty())
        fix.steps.push_back(
            fmt::format("Publish this host's public address as the A record of {}.", host));
    if (facts.null_mx) {
        fix.steps.push_back("Remove the null MX record (\"0 .\"): it forbids all mail");
    }
    if (!facts.exchangers.empty() && !facts.null_mx) {
        fix.steps.push_back(fmt::format(
            "If {} should keep the mail, nothing is wrong here: run this test there, or "
            "let it pass the mail on",
            facts.exchangers.front().host));
    }
    return fix;
}

Fix prove_from_outside(const InboundFacts& facts) {
    Fix fix;
    fix.title = "Prove it from outside";
    fix.steps = {"On a host in another network (or a phone's hot spot), one of these:"};
    for (const std::string& command : outside_commands(facts)) {
        fix.steps.push_back("`" + command + "`");
    }
    fix.steps.push_back(
        "Or run `relay vantage` on such a host, and then here the command that it prints, which "
        "begins with `relay diagnose --inbound --vantage`");
    return fix;
}

Fix no_help() {
    Fix fix;
    fix.title = "What will not help";
    fix.steps = {
        "Ports 465 and 587, and a smarthost: they are for sending. Other servers deliver to port "
        "25 "
        "of the MX and to nothing else, so for receiving it must be open."};
    return fix;
}

void add_ways_past_filter(const InboundFacts& facts, std::vector<Fix>& fixes) {
    if (auto local = open_local_firewall(facts)) {
        fixes.push_back(std::move(*local));
        if (outside_view(facts) != OutsideView::closed) return;
    }
    if (facts.host.cloud != nullptr) {
        fixes.push_back(open_cloud_firewall(facts));
    } else if (behind_nat(facts)) {
        fixes.push_back(forward_at_router(facts));
    } else if (fixes.empty()) {
        fixes.push_back(find_filter(facts));
    }
}

// The way in is open, and ends at another server.
Fix lead_here(const InboundFacts& facts) {
    Fix fix;
    fix.title = "Lead port 25 to this host";
    fix.steps.push_back(
        fmt::format("Find the server that greets as {}: a mail filter or load balancer of the "
                    "provider, another host of this network, or the router itself.",
                    stranger_outside(facts)));
    if (behind_nat(facts)) {
        fix.steps.push_back(fmt::format(
            "In the router's port forwarding: TCP 25 from outside to {} port 25, and no older rule "
            "for port 25 before it",
            inner_address(facts)));
    }
    fix.steps.emplace_back(
        "If it stands there on purpose, have it pass the mail on to this host; nothing else is "
        "wrong then.");
    return fix;
}

// The way in is open; the one who answers does not take mail.
Fix mend_server(const InboundFacts& facts) {
    Fix fix;
    if (waits_for_proxy(facts)) {
        fix.title = "Let the load balancer and the mail server agree about the PROXY protocol";
        fix.steps = {
            "With a load balancer in front: have it send the header (HAProxy: `send-proxy`; nginx: "
            "`proxy_protocol on`), and let the MX lead to it",
            "Without one: switch it off in the mail server. relay: take proxy_protocol out of "
            "[server], or let it name the load balancer alone; Postfix: "
            "`postconf -X smtpd_upstream_proxy_protocol postscreen_upstream_proxy_protocol`"};
        return fix;
    }
    const std::string process = first_process(facts);
    fix.title = "Have the mail server on port 25 take mail";
    fix.steps.push_back(fmt::format(
        "The way from outside is open; look at the log of {}: it has to greet with 220.",
        process.empty() ? "what listens on port 25" : process));
    fix.steps.emplace_back(
        "A greeting that comes late (look-ups of the client's name, a delay against spam) is heard "
        "by real mail servers, which wait for minutes.");
    return fix;
}

}  // namespace

std::vector<std::string> outside_commands(const InboundFacts& facts) {
    const std::string address = outer_address(facts);
    const bool v6 = address.find(':') != std::string::npos;
    return {fmt::format("nc -vz -w 10 {} 25", address),
            fmt::format("openssl s_client -starttls smtp -connect {} </dev/null",
                        v6 ? "[" + address + "]:25" : address + ":25"),
            fmt::format("telnet {} 25", address)};
}

std::vector<Fix> inbound_fixes(const InboundFacts& facts, VerdictCode code) {
    std::vector<Fix> fixes;
    switch (code) {
        case VerdictCode::inbound_not_listening:
            fixes.push_back(start_server(facts));
            break;
        case VerdictCode::inbound_loopback_only:
            fixes.push_back(leave_loopback(facts));
            break;
        case VerdictCode::inbound_firewalled:
            add_ways_past_filter(facts, fixes);
            break;
        case VerdictCode::inbound_mx_elsewhere:
            fixes.push_back(point_mx_here(facts));
            return fixes;
        case VerdictCode::ok_direct:
            return fixes;
        default:
            if (outside_view(facts) == OutsideView::open) {
                const bool elsewhere = !stranger_outside(facts).empty();
                fixes.push_back(elsewhere ? lead_here(facts) : mend_server(facts));
                break;
            }
            fixes.push_back(prove_from_outside(facts));
            if (behind_nat(facts) && facts.host.cloud == nullptr) {
                fixes.push_back(forward_at_router(facts));
            } else if (facts.host.cloud != nullptr) {
                fixes.push_back(open_cloud_firewall(facts));
            }
            break;
    }
    fixes.push_back(no_help());
    return fixes;
}

}  // namespace diagnose
