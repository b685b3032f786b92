#include "diagnose/advice_local.hpp"

#include <string>

namespace diagnose {
namespace {

// The rule is found from the container's host, whose tools and rights a container seldom has.
void add_container_steps(const Observations& seen, const LocalSigns& local, Fix& fix) {
    if (seen.host.container.starts_with("Kubernetes")) {
        fix.steps.emplace_back(
            "Look at what acts inside the pod: the service mesh's sidecar, the CNI's egress rules, "
            "the namespace's NetworkPolicy: `kubectl get networkpolicy`");
    } else {
        fix.steps.emplace_back(
            "On the container's host, as root, look at the rules in the container's own network: "
            "`nsenter -t $(docker inspect -f '{{.State.Pid}}' CONTAINER) -n nft list ruleset`, or "
            "`iptables -S OUTPUT` in the same way");
        fix.steps.emplace_back(
            "A container that runs with --network host has its host's rules: run there `sudo relay "
            "diagnose`");
        fix.steps.emplace_back(
            "A control group can stop it as well: `systemctl show docker containerd -p "
            "IPAddressDeny`");
    }
    if (!local.rules_read) {
        fix.steps.emplace_back(
            "Where the container has root, CAP_NET_ADMIN and nft or iptables, this program quotes "
            "the rule itself.");
    }
}

}  // namespace

void add_local_steps(const Observations& seen, const LocalSigns& local, const RuleMatch* rule,
                     std::uint16_t port, Fix& fix) {
    if (rule != nullptr) {
        RuleQuestion question;
        question.port = port;
        if (port == 53) question.transport = seen.dns_transport;
        fix.steps.push_back("This is the rule: " + rule_text(*rule));
        for (const std::string& command : commands_to_allow(*rule, question)) {
            fix.steps.push_back("Run `" + command + "`");
        }
        return;
    }
    if (!seen.host.container.empty()) return add_container_steps(seen, local, fix);
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

}  // namespace diagnose
