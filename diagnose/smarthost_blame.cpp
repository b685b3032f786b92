#include "diagnose/smarthost_blame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <set>

#include "diagnose/broken_family.hpp"
#include "diagnose/large_packets.hpp"
#include "diagnose/slow_greetings.hpp"

namespace diagnose {
namespace {

std::uint16_t port_of(const SmarthostStages& stages) {
    if (stages.port != 0) return stages.port;
    return stages.configured.empty() ? std::uint16_t{0} : stages.configured.front();
}

// What unrelated operators show on one port, by name.
struct Others {
    std::set<std::string> open, shut, greeting, mute;
    std::set<std::string> with_starttls, without_starttls;
    std::set<std::string> true_certificate, other_certificate;
};

// The family in which the smarthost failed, and so that in which others are compared: the one it
// was connected over, or the only one it has.
net::Family family_of(const Observations& seen, const SmarthostStages& stages, std::uint16_t port) {
    for (const Evidence& row : stages.evidence) {
        if (row.target != "connect" || row.result != "ok") continue;
        return row.address.find(':') == std::string::npos ? net::Family::ipv4 : net::Family::ipv6;
    }
    bool v4 = false, v6 = false;
    for (const PortEvidence& item : seen.ports) {
        const bool its = item.role == ProbeRole::smarthost && item.operator_name == stages.name &&
                         item.port == port && item.attempted();
        if (!its || item.connect == ConnectResult::no_route) continue;
        (item.family == net::Family::ipv4 ? v4 : v6) = true;
    }
    const bool choice = seen.route_v4 && seen.route_v6;
    if (!choice || v4 == v6) return net::Family::any;
    return v4 ? net::Family::ipv4 : net::Family::ipv6;
}

// What answers on port 25 in the operators' place says nothing about them.
bool speaks_for_itself(const PortEvidence& item) {
    return item.greeting->banner.code != 0 && (item.role == ProbeRole::control || item.genuine);
}

Others others_on(const Observations& seen, std::uint16_t port, net::Family family) {
    Others others;
    for (const PortEvidence& item : seen.ports) {
        const bool asked = item.role == ProbeRole::control || item.role == ProbeRole::direct;
        if (!asked || item.port != port || !item.attempted()) continue;
        if (family != net::Family::any && item.family != family) continue;
        if (item.connect == ConnectResult::no_route) continue;
        (item.open() ? others.open : others.shut).insert(item.operator_name);
        if (!item.greeting) continue;
        if (speaks_for_itself(item)) others.greeting.insert(item.operator_name);
        if (item.greeting->banner.code == 0) others.mute.insert(item.operator_name);
        if (item.greeting->ehlo.positive()) {
            const bool offered = item.greeting->starttls_offered;
            (offered ? others.with_starttls : others.without_starttls).insert(item.operator_name);
        }
        const CertificateView& certificate = item.greeting->certificate;
        if (!certificate.shown()) continue;
        const bool issuer = seen.trust_store && certificate.faults.unknown_issuer;
        const bool replaced = certificate.faults.wrong_name || issuer;
        (replaced ? others.other_certificate : others.true_certificate).insert(item.operator_name);
    }
    // One family that answers is an answer.
    for (const std::string& name : others.open) others.shut.erase(name);
    for (const std::string& name : others.greeting) others.mute.erase(name);
    return others;
}

Others others_on(const Observations& seen, const SmarthostStages& stages, std::uint16_t port) {
    return others_on(seen, port, family_of(seen, stages, port));
}

bool is_address(const std::string& host) {
    boost::system::error_code failure;
    (void)boost::asio::ip::make_address(host, failure);
    return !failure;
}

std::string_view over(net::Family family) {
    return family == net::Family::any    ? ""
           : family == net::Family::ipv4 ? " over IPv4"
                                         : " over IPv6";
}

std::string plural(std::size_t count) {
    return count == 1 ? "another operator" : fmt::format("{} other operators", count);
}

bool denied_here(const Observations& seen, const std::string& name, std::uint16_t port) {
    return std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortEvidence& item) {
        return item.role == ProbeRole::smarthost && item.operator_name == name &&
               item.port == port && item.attempted() && item.denied_here();
    });
}

// The addresses are all of a family of which this host has no route, which the kernel knew without
// asking the network.
bool blame_route(const Observations& seen, const SmarthostStages& stages, SmarthostBlame& blame) {
    bool v4 = false, v6 = false;
    for (const PortEvidence& item : seen.ports) {
        const bool its = item.role == ProbeRole::smarthost && item.operator_name == stages.name &&
                         item.port == blame.port;
        if (!its || !item.attempted()) continue;
        if (item.connect != ConnectResult::no_route) return false;
        (item.family == net::Family::ipv4 ? v4 : v6) = true;
    }
    if (v4 == v6) return false;
    const std::string_view family = v4 ? "IPv4" : "IPv6";
    blame.who = Blame::config;
    blame.lacking = fmt::format("no {} route on this host", family);
    blame.words = fmt::format("{} has only {} addresses, and this host has no {} route.",
                              stages.host, family, family);
    blame.remedy = v4 ? "Give this host IPv4, or have its network translate (NAT64 with DNS64), or "
                        "take a smarthost that has IPv6 addresses."
                      : "Give this host IPv6 (`ip -6 route` shows what there is), or take a "
                        "smarthost that has IPv4 addresses.";
    return true;
}

// "5 other operators does not answer from here over IPv6 either"
std::string shut_words(const Observations& seen, const Others& others, std::uint16_t port,
                       net::Family family) {
    std::size_t silent = 0, all = 0;
    for (const PortEvidence& item : seen.ports) {
        const bool its = family == net::Family::any || item.family == family;
        const bool shut = its && item.role == ProbeRole::control && item.port == port &&
                          item.attempted() && others.shut.contains(item.operator_name) &&
                          item.connect != ConnectResult::no_route;
        if (!shut) continue;
        ++all;
        if (item.result == "dropped") ++silent;
    }
    const std::string_view how = silent == all ? "does not answer"
                                 : silent == 0 ? "is rejected"
                                               : "does not open";
    return fmt::format("{} {} from here{}{}", plural(others.shut.size()), how, over(family),
                       silent == 0 ? " as well" : " either");
}

// It says itself that it rejects the port: for this one server, or for others alike.
void blame_router(const Observations& seen, SmarthostBlame& blame) {
    const net::Family family = blame.router->family;
    const Others others = others_on(seen, blame.port, family);
    blame.who = Blame::path;
    blame.words = fmt::format("{} rejects port {}", blame.router->address, blame.port);
    if (!others.open.empty()) {
        blame.only_this = true;
        blame.words += fmt::format(" of this server{}; that of {} answers from here.", over(family),
                                   plural(others.open.size()));
    } else if (others.shut.size() >= 2) {
        blame.words += fmt::format("; that of {}.", shut_words(seen, others, blame.port, family));
    } else {
        blame.words += fmt::format(" of this server{}.", over(family));
    }
}

// Its own address sends the ICMP error, at each of its addresses.
bool rejects_by_itself(const Observations& seen, const std::string& name, std::uint16_t port) {
    bool rejects = false;
    for (const PortEvidence& item : seen.ports) {
        const bool its = item.role == ProbeRole::smarthost && item.operator_name == name &&
                         item.port == port && item.attempted();
        if (!its || item.connect == ConnectResult::no_route) continue;
        if (!item.icmp || item.icmp->from != item.address) return false;
        rejects = true;
    }
    return rejects;
}

void blame_connect(const Observations& seen, std::size_t index, SmarthostBlame& blame) {
    const std::string& name = seen.smarthosts[index].name;
    if (blame_route(seen, seen.smarthosts[index], blame)) return;
    const LocalSigns* signs =
        index < seen.smarthost_signs.size() ? &seen.smarthost_signs[index] : nullptr;
    if (signs != nullptr && signs->rule) {
        blame.who = Blame::here;
        blame.rule = &*signs->rule;
        blame.words = fmt::format("A rule of {} stops port {}.", here_words(seen), blame.port);
        return;
    }
    if (denied_here(seen, name, blame.port)) {
        blame.who = Blame::here;
        const bool container = !seen.host.container.empty();
        blame.words = fmt::format("This {} itself turns connections to port {} away.",
                                  container ? "container" : "host", blame.port);
        return;
    }
    if (signs != nullptr && dropped_here(seen, *signs)) {
        blame.who = Blame::here;
        blame.by_counter = true;
        blame.words = fmt::format(
            "Each SYN for port {} failed inside {}: an output rule or a cgroup filter drops it.",
            blame.port, seen.host.container.empty() ? "this host's kernel" : here_words(seen));
        return;
    }
    const net::Family family = family_of(seen, seen.smarthosts[index], blame.port);
    const Others others = others_on(seen, blame.port, family);
    const std::optional<BrokenFamily> broken = broken_family(seen);
    if (broken && broken->dead && broken->family == family) {
        blame.who = Blame::path;
        blame.dead_family = true;
        blame.words = broken_words(*broken);
    } else if ((blame.router = rejecting_router(seen, name, blame.port))) {
        blame_router(seen, blame);
    } else if (rejects_by_itself(seen, name, blame.port)) {
        blame.who = Blame::far;
        blame.words = fmt::format("The server itself rejects port {}.", blame.port);
    } else if (!others.open.empty()) {
        blame.who = Blame::far;
        blame.words = fmt::format(
            "Port {} of {} answers from here{}: it is the smarthost, its own network, or a filter "
            "for all but well-known servers, as some home routers have.",
            blame.port, plural(others.open.size()), over(family));
    } else if (others.shut.size() >= 2) {
        blame.who = Blame::path;
        blame.words = fmt::format("Port {} of {}: this network closes it.", blame.port,
                                  shut_words(seen, others, blame.port, family));
    }
}

// What those who speak no SMTP were seen to do, where they all do the same.
std::string_view mute_words(const Observations& seen, std::uint16_t port, net::Family family) {
    std::size_t all = 0, strange = 0, closing = 0;
    for (const PortEvidence& item : seen.ports) {
        const bool its = family == net::Family::any || item.family == family;
        const bool mute = its && item.role == ProbeRole::control && item.port == port &&
                          item.greeting && item.greeting->banner.code == 0;
        if (!mute) continue;
        ++all;
        const Greeting& greeting = *item.greeting;
        const bool waited = greeting.timed_out || !greeting.certificate.problem.empty();
        if (!greeting.silent && !greeting.raw.empty()) ++strange;
        if (greeting.silent && !waited && !greeting.problem.empty()) ++closing;
    }
    if (strange == all) return "is answered by what is no mail server";
    if (closing == all) return "takes connections and closes them without a word";
    return strange == 0 ? "takes connections and says nothing" : "does not greet as a mail server";
}

// That one family is mute tells nothing of the other: "", " over IPv6", or with what that one does.
std::string where_mute(const Observations& seen, std::uint16_t port, net::Family family) {
    if (family == net::Family::any) return " either";
    const bool v4 = family == net::Family::ipv4;
    const net::Family second = v4 ? net::Family::ipv6 : net::Family::ipv4;
    const Others there = others_on(seen, port, second);
    const bool asked = !there.open.empty() || !there.shut.empty();
    const bool alike = there.greeting.empty() && !there.mute.empty();
    if (!asked || alike) return " either";
    return fmt::format(
        "{} either{}", over(family),
        there.greeting.empty() ? "" : fmt::format(", while{} it greets", over(second)));
}

// The smarthost may be slow by itself; an unrelated server that is as mute is no chance.
bool blame_silence(const Observations& seen, const SmarthostStages& stages, SmarthostBlame& blame) {
    const net::Family family = family_of(seen, stages, blame.port);
    const Others others = others_on(seen, blame.port, family);
    if (!others.greeting.empty() || others.mute.empty()) return false;
    blame.who = Blame::path;
    blame.mute = true;
    blame.words = fmt::format("Port {} of {} {}{}: something on the way is in between.", blame.port,
                              plural(others.mute.size()), mute_words(seen, blame.port, family),
                              where_mute(seen, blame.port, family));
    return true;
}

// Servers greet at once or after a while, each as it likes: that all are mute for this long is no
// chance.
constexpr base::Duration enough_silence{4000};

bool heard_out(const Observations& seen, const SmarthostStages& stages) {
    const net::Family family = family_of(seen, stages, stages.port);
    return std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortEvidence& item) {
        const bool its = family == net::Family::any || item.family == family;
        return its && item.role == ProbeRole::control && item.port == stages.port &&
               item.greeting && item.greeting->banner.code == 0 && item.talk >= enough_silence;
    });
}

// The port opens, and nobody speaks.
void blame_greeting(const Observations& seen, const SmarthostStages& stages,
                    SmarthostBlame& blame) {
    if (blame_silence(seen, stages, blame)) return;
    const Others others = others_on(seen, stages, blame.port);
    if (!others.greeting.empty()) {
        blame.who = Blame::far;
        blame.words = fmt::format(
            "On port {} of {} a mail server greets: nothing on the way keeps "
            "it from doing so.",
            blame.port, plural(others.greeting.size()));
    }
}

void blame_starttls(const Observations& seen, const SmarthostStages& stages,
                    SmarthostBlame& blame) {
    const Others others = others_on(seen, stages, blame.port);
    if (!others.with_starttls.empty()) {
        blame.who = Blame::far;
        blame.words =
            fmt::format("On port {} of {} STARTTLS is offered: nothing removes it on the way.",
                        blame.port, plural(others.with_starttls.size()));
    } else if (!others.without_starttls.empty()) {
        blame.who = Blame::path;
        blame.words = fmt::format(
            "On port {} of {} STARTTLS is missing as well, where it is known to be: something on "
            "the path removes it.",
            blame.port, plural(others.without_starttls.size()));
    }
}

// Operators whose certificates are outside their dates by this host's clock.
std::set<std::string> out_of_date(const Observations& seen) {
    std::set<std::string> operators;
    for (const PortEvidence& item : seen.ports) {
        if (item.greeting && item.greeting->certificate.faults.wrong_time()) {
            operators.insert(item.operator_name);
        }
    }
    return operators;
}

// This host can judge no certificate: it trusts nobody, or has the wrong date.
bool blame_judge(const Observations& seen, const SmarthostStages& stages, SmarthostBlame& blame) {
    const tls::CertificateFaults& faults = stages.certificate;
    if (!seen.trust_store && faults.unknown_issuer && !stages.own_issuers) {
        blame.lacking = "no trust store on this host";
        blame.words = "This host has no trust store, so that it can verify nobody.";
        blame.remedy =
            "Install the authorities that the world trusts: `apt-get install "
            "ca-certificates`";
    } else if (faults.wrong_time() && out_of_date(seen).size() >= 2) {
        blame.lacking = "the clock of this host";
        blame.words = fmt::format(
            "The certificates of {} are outside their dates as well: this host's clock is wrong.",
            plural(out_of_date(seen).size()));
        blame.remedy =
            "Look at the clock and set it: `timedatectl`, then `timedatectl set-ntp true`";
    } else {
        return false;
    }
    blame.who = Blame::config;
    return true;
}

// The first name that the certificate is for, where its only fault is that it is for another one;
// "" where that is none to connect to.
std::string name_on_certificate(const tls::CertificateFaults& faults) {
    const bool more = faults.wrong_time() || faults.unknown_issuer || faults.other;
    const std::string& name = faults.made_for;
    const bool plain =
        name.find('.') != name.npos &&
        name.find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == name.npos;
    return plain && !more && !is_address(name) ? name : std::string{};
}

// An address is configured, and certificates are for names.
bool blame_address(const SmarthostStages& stages, SmarthostBlame& blame) {
    if (!is_address(stages.host)) return false;
    blame.certificate_name = name_on_certificate(stages.certificate);
    if (blame.certificate_name.empty()) return false;
    blame.who = Blame::config;
    blame.lacking = "host of smarthost " + stages.name;
    blame.words = fmt::format("Its host is set as an address, and the certificate there is for {}.",
                              blame.certificate_name);
    return true;
}

void blame_tls(const Observations& seen, const SmarthostStages& stages, SmarthostBlame& blame) {
    if (blame_judge(seen, stages, blame)) return;
    const Others others = others_on(seen, stages, blame.port);
    if (!others.other_certificate.empty()) {
        blame.who = Blame::path;
        blame.words = fmt::format(
            "Port {} of {} shows a certificate that is not its own either: something on the path "
            "opens TLS.",
            blame.port, plural(others.other_certificate.size()));
    } else if (blame_address(stages, blame)) {
        return;
    } else if (!others.true_certificate.empty()) {
        blame.who = Blame::far;
        blame.words =
            fmt::format("Port {} of {} shows its own certificate: nothing opens TLS on the way.",
                        blame.port, plural(others.true_certificate.size()));
    }
}

// The handshake began, and was never ended.
void blame_handshake(const Observations& seen, const SmarthostStages& stages,
                     SmarthostBlame& blame) {
    const std::optional<net::Family> lossy = lossy_family(seen);
    const bool its = lossy && family_of(seen, stages, blame.port) == *lossy;
    if (!its && !large_packets_lost(seen)) {
        blame_silence(seen, stages, blame);
        return;
    }
    const net::Family family = its ? *lossy : net::Family::any;
    blame.who = Blame::path;
    blame.large_packets = true;
    blame.words = fmt::format(
        "The TLS handshakes of {}{} do not come to an end either: small packets pass on this path, "
        "large ones do not.",
        plural(hung_handshakes(seen, family).size()), over(family));
}

}  // namespace

const SmarthostStages* stages_of(const Observations& seen, const std::string& smarthost) {
    for (const SmarthostStages& stages : seen.smarthosts) {
        if (stages.name == smarthost) return &stages;
    }
    return nullptr;
}

void expose_mute_ports(Observations& seen) {
    if (slow_from_afar(seen)) return;
    for (SmarthostStages& stages : seen.smarthosts) {
        const bool waiting = stages.unfinished && stages.said_nothing && stages.port != 0;
        if (!waiting || !heard_out(seen, stages)) continue;
        SmarthostBlame blame;
        blame.port = stages.port;
        if (blame_silence(seen, stages, blame)) stages.unfinished = false;
    }
}

SmarthostBlame blame_for(const Observations& seen, std::size_t smarthost) {
    const SmarthostStages& stages = seen.smarthosts[smarthost];
    SmarthostBlame blame;
    blame.port = port_of(stages);
    blame.family = family_of(seen, stages, blame.port);
    switch (smarthost_code(stages)) {
        case VerdictCode::smarthost_unreachable:
            if (stages.stage == smtp::Stage::connect) {
                blame_connect(seen, smarthost, blame);
            } else if (stages.stage == smtp::Stage::greeting && !stages.implicit_seen) {
                blame_greeting(seen, stages, blame);
            }
            break;
        case VerdictCode::smarthost_no_starttls:
            blame_starttls(seen, stages, blame);
            break;
        case VerdictCode::smarthost_tls:
            if (stages.certificate.any()) {
                blame_tls(seen, stages, blame);
            } else if (stages.handshake_hung) {
                blame_handshake(seen, stages, blame);
            }
            break;
        default:
            break;
    }
    return blame;
}

SmarthostBlame blame_for(const Observations& seen, const std::string& smarthost) {
    for (std::size_t i = 0; i < seen.smarthosts.size(); ++i) {
        if (seen.smarthosts[i].name == smarthost) return blame_for(seen, i);
    }
    return {};
}

}  // namespace diagnose
