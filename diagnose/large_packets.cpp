#include "diagnose/large_packets.hpp"

#include <algorithm>

namespace diagnose {
namespace {

// Slow lines are given the round trips of a whole conversation, twice.
bool hung(const PortEvidence& item) {
    constexpr base::Duration least{4000};
    constexpr int round_trips = 12;
    if (!item.greeting || item.greeting->certificate.shown()) return false;
    const bool silent = item.greeting->certificate.problem.find("timed out") != std::string::npos;
    return silent && item.talk >= least && item.talk > round_trips * item.took;
}

}  // namespace

std::set<std::string> hung_handshakes(const Observations& seen) {
    std::set<std::string> operators;
    for (const PortEvidence& item : seen.ports) {
        if (hung(item)) operators.insert(item.operator_name);
    }
    return operators;
}

bool large_packets_lost(const Observations& seen) {
    const bool any_made =
        std::any_of(seen.ports.begin(), seen.ports.end(), [](const PortEvidence& item) {
            return item.greeting && item.greeting->certificate.shown();
        });
    return !any_made && hung_handshakes(seen).size() >= 2;
}

Fix packet_size_fix() {
    Fix fix;
    fix.title = "Let large packets through: set the MTU right";
    fix.steps = {
        "Small packets pass and large ones are lost, as behind a VPN, PPPoE, a tunnel or a "
        "container network whose MTU is smaller than this host believes, with ICMP \"packet too "
        "big\" filtered.",
        "See which size still passes: `ping -c 3 -M do -s 1372 1.1.1.1` (1372 and 28 of headers "
        "make 1400); make it smaller until it is answered.",
        "Set that size: `ip link set dev eth0 mtu 1400` with this host's interface, or \"mtu\": "
        "1400 in /etc/docker/daemon.json for containers.",
        "On a router that you run, have it tell TCP: `iptables -t mangle -A FORWARD -p tcp "
        "--tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`"};
    return fix;
}

}  // namespace diagnose
