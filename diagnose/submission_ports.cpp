#include "diagnose/submission_ports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "diagnose/large_packets.hpp"
#include "diagnose/mail_ports.hpp"

namespace diagnose {
namespace {

// As judge_issuers() has it of port 25: one that several operators show is the path's own, and one
// alone may be missing from this host's trust store.
bool shown_by_several(const Observations& seen, const std::string& issuer) {
    std::set<std::string> operators;
    for (const PortEvidence& item : seen.ports) {
        const bool its = item.greeting && item.greeting->certificate.faults.unknown_issuer &&
                         item.greeting->certificate.issuer == issuer;
        if (its) operators.insert(item.operator_name);
    }
    return operators.size() >= 2;
}

// A fault of this host or of the line, or the operator's own refusal: it says nothing of the port.
bool excused(const Observations& seen, const Greeting& greeting) {
    const CertificateView& certificate = greeting.certificate;
    const bool refuses = greeting.banner.code >= 400 || greeting.ehlo.code >= 400;
    const bool own_store = certificate.faults.unknown_issuer &&
                           (!seen.trust_store || !shown_by_several(seen, certificate.issuer));
    return refuses || certificate.faults.wrong_time() || own_store || large_packets_lost(seen);
}

bool asked_of(const PortEvidence& item, std::uint16_t number, net::Family family) {
    const bool its = family == net::Family::any || item.family == family;
    return its && item.role == ProbeRole::control && item.port == number && item.attempted();
}

SubmissionPort look_over(const Observations& seen, std::uint16_t number, net::Family family) {
    SubmissionPort port;
    port.port = number;
    for (const PortEvidence& item : seen.ports) {
        if (!asked_of(item, number, family) || !item.open()) continue;
        port.opened = true;
        if (!item.greeting || port.spoke) continue;
        const OtherPort look = judge_other_port(item.port, *item.greeting);
        port.spoke = look.speaks;
        if (look.speaks) {
            port.trouble.clear();
        } else if (!excused(seen, *item.greeting) && port.trouble.empty()) {
            port.trouble = look.words;
        }
    }
    return port;
}

// The port fails over this family, although the family itself carries others.
bool fails_over(const Observations& seen, const SubmissionPort& port, net::Family family) {
    if (port.opened) return !port.trouble.empty();
    bool asked = false, others = false;
    for (const PortEvidence& item : seen.ports) {
        asked = asked || asked_of(item, port.port, family);
        others =
            others || (item.role == ProbeRole::control && item.family == family && item.open());
    }
    return asked && others;
}

void compare_families(const Observations& seen, SubmissionPort& port) {
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        const bool v4 = family == net::Family::ipv4;
        const net::Family other = v4 ? net::Family::ipv6 : net::Family::ipv4;
        const SubmissionPort there = look_over(seen, port.port, other);
        const bool works = look_over(seen, port.port, family).useful();
        if (!works || !fails_over(seen, there, other)) continue;
        port.only = family;
        port.other_trouble = there.trouble;
    }
}

std::vector<std::uint16_t> ports_asked(const Observations& seen) {
    std::vector<std::uint16_t> ports;
    for (const PortEvidence& item : seen.ports) {
        if (item.role != ProbeRole::control || item.port == 443 || !item.attempted()) continue;
        const bool known = std::find(ports.begin(), ports.end(), item.port) != ports.end();
        if (!known) ports.push_back(item.port);
    }
    sort_by_preference(ports);
    return ports;
}

}  // namespace

SubmissionPort look_at_port(const Observations& seen, std::uint16_t number) {
    SubmissionPort port = look_over(seen, number, net::Family::any);
    if (port.useful()) compare_families(seen, port);
    return port;
}

std::vector<SubmissionPort> submission_ports(const Observations& seen) {
    std::vector<SubmissionPort> result;
    for (const std::uint16_t number : ports_asked(seen)) {
        result.push_back(look_at_port(seen, number));
    }
    // The usual ports first even where one family carries them: every provider has these.
    const auto rank = [](const SubmissionPort& port) {
        return std::tuple{!port.spoke, !port.usual(), port.family_rank()};
    };
    std::stable_sort(result.begin(), result.end(),
                     [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    return result;
}

std::vector<std::string> useless_port_words(const Observations& seen) {
    std::vector<std::string> words;
    for (const SubmissionPort& port : submission_ports(seen)) {
        if (!port.trouble.empty()) words.push_back(fmt::format("{} ({})", port.port, port.trouble));
    }
    return words;
}

std::vector<std::uint16_t> useful_ports(const Observations& seen) {
    std::vector<std::uint16_t> useful;
    for (const SubmissionPort& port : submission_ports(seen)) {
        if (port.useful()) useful.push_back(port.port);
    }
    return useful;
}

std::vector<std::uint16_t> open_submission_ports(const Observations& seen) {
    std::vector<std::uint16_t> open = useful_ports(seen);
    for (const PortEvidence& item : seen.ports) {
        const bool known = std::find(open.begin(), open.end(), item.port) != open.end();
        const bool more = item.role == ProbeRole::smarthost && item.open() && item.port != 443;
        if (more && !known) open.push_back(item.port);
    }
    return open;
}

std::vector<std::uint16_t> dead_ports(const Observations& seen) {
    std::vector<std::uint16_t> dead;
    const std::vector<std::uint16_t> open = open_submission_ports(seen);
    for (const SubmissionPort& port : submission_ports(seen)) {
        const bool elsewhere = std::find(open.begin(), open.end(), port.port) != open.end();
        if (!port.opened && !elsewhere) dead.push_back(port.port);
    }
    std::sort(dead.begin(), dead.end());
    return dead;
}

}  // namespace diagnose
