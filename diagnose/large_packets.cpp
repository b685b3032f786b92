#include "diagnose/large_packets.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace diagnose {
namespace {

// Slow lines are given the round trips of a whole conversation, twice. Where no greeting came, as
// with implicit TLS, small packets may be lost as well.
bool hung(const PortEvidence& item) {
    constexpr base::Duration least{4000};
    constexpr int round_trips = 12;
    if (!item.greeting || item.greeting->certificate.shown()) return false;
    if (item.greeting->banner.code == 0) return false;
    const bool silent = item.greeting->certificate.timed_out;
    return silent && item.talk >= least && item.talk > round_trips * item.took;
}

bool counts(const PortEvidence& item, net::Family family) {
    return family == net::Family::any || item.family == family;
}

std::set<std::string> made_handshakes(const Observations& seen, net::Family family) {
    std::set<std::string> operators;
    for (const PortEvidence& item : seen.ports) {
        const bool made = item.greeting && item.greeting->certificate.shown();
        if (made && counts(item, family)) operators.insert(item.operator_name);
    }
    return operators;
}

// Over the other family the same operators have no such trouble. A certificate that fits into a
// small packet passes now and then.
bool lost_over(const Observations& seen, net::Family family, net::Family other) {
    std::set<std::string> hung_here = hung_handshakes(seen, family);
    const std::set<std::string> made_there = made_handshakes(seen, other);
    std::erase_if(hung_here, [&](const std::string& name) { return !made_there.contains(name); });
    return hung_here.size() >= 2 && hung_here.size() > 2 * made_handshakes(seen, family).size();
}

}  // namespace

std::set<std::string> hung_handshakes(const Observations& seen, net::Family family) {
    std::set<std::string> operators;
    for (const PortEvidence& item : seen.ports) {
        if (counts(item, family) && hung(item)) operators.insert(item.operator_name);
    }
    return operators;
}

bool large_packets_lost(const Observations& seen) {
    return made_handshakes(seen, net::Family::any).empty() && hung_handshakes(seen).size() >= 2;
}

std::optional<net::Family> lossy_family(const Observations& seen) {
    using net::Family;
    if (lost_over(seen, Family::ipv6, Family::ipv4)) return Family::ipv6;
    if (lost_over(seen, Family::ipv4, Family::ipv6)) return Family::ipv4;
    return std::nullopt;
}

Fix packet_size_fix(net::Family family) {
    const bool v6 = family == net::Family::ipv6;
    Fix fix;
    fix.title = "Let large packets through: set the MTU right";
    if (family != net::Family::any) {
        fix.title = fmt::format("Let large packets through over {}: set the MTU right",
                                v6 ? "IPv6" : "IPv4");
    }
    fix.steps = {
        "Small packets pass and large ones are lost, as behind a VPN, PPPoE, a tunnel or a "
        "container network whose MTU is smaller than this host believes, with ICMP \"packet too "
        "big\" filtered.",
        v6 ? "See which size still passes: `ping -6 -c 3 -M do -s 1352 2606:4700:4700::1111` (1352 "
             "and 48 of headers make 1400); make it smaller until it is answered."
           : "See which size still passes: `ping -c 3 -M do -s 1372 1.1.1.1` (1372 and 28 of "
             "headers make 1400); make it smaller until it is answered.",
        "Set that size: `ip link set dev eth0 mtu 1400` with this host's interface, or \"mtu\": "
        "1400 in /etc/docker/daemon.json for containers.",
        fmt::format("On a router that you run, have it tell TCP: `{} -t mangle -A FORWARD -p tcp "
                    "--tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`",
                    v6 ? "ip6tables" : "iptables")};
    if (v6) {
        fix.steps.emplace_back(
            "Until then go over IPv4, which works: `sysctl -w net.ipv6.conf.eth0.disable_ipv6=1`, "
            "with "
            "this host's interface, switches IPv6 off there");
    }
    return fix;
}

}  // namespace diagnose
