#include "diagnose/name_faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <set>

#include "net/cidr.hpp"

namespace diagnose {

bool one_address_for_all(const Observations& seen) {
    std::set<std::string> addresses, operators;
    for (const PortEvidence& item : seen.ports) {
        if (item.role != ProbeRole::direct || item.family != net::Family::ipv4) continue;
        if (!item.attempted()) continue;
        addresses.insert(item.address);
        operators.insert(item.operator_name);
    }
    return operators.size() >= 3 && addresses.size() == 1 &&
           !net::is_loopback_address(*addresses.begin());
}

bool no_name_known(const Observations& seen) {
    if (!seen.probe.targets.empty() || seen.ports.empty()) return false;
    return std::all_of(seen.ports.begin(), seen.ports.end(), [](const PortEvidence& item) {
        return item.role != ProbeRole::direct || item.result == "no-name";
    });
}

bool smarthost_name_known(const Observations& seen) {
    if (one_address_for_all(seen)) return false;
    return std::any_of(
        seen.smarthosts.begin(), seen.smarthosts.end(), [](const SmarthostStages& stages) {
            boost::system::error_code no_address;
            (void)boost::asio::ip::make_address(stages.host, no_address);
            const bool named = no_address && !stages.host.starts_with("unix:");
            return named && (stages.ok || stages.stage > smtp::Stage::dns) && !stages.unfinished;
        });
}

bool proxy_only(const Observations& seen, VerdictCode code) {
    return code == VerdictCode::no_network && !seen.proxy.empty() && !seen.rule_for_all &&
           seen.portal.empty() && (seen.route_v4 || seen.route_v6);
}

void expose_search_page(Observations& seen) {
    if (seen.search_page.empty() || one_address_for_all(seen)) return;
    for (PortEvidence& item : seen.ports) {
        if (item.role == ProbeRole::address || item.address != seen.search_page) continue;
        item.result = "no-name";
        item.genuine = false;
        for (SmarthostStages& stages : seen.smarthosts) {
            const bool its = item.role == ProbeRole::smarthost && stages.name == item.operator_name;
            if (!its || stages.ok) continue;
            stages.stage = smtp::Stage::dns;
            stages.unfinished = false;
            stages.reply = {};
            stages.port = 0;
            stages.name_status = net::DnsStatus::no_such_name;
            stages.problem = "the name does not exist: the name servers give " + seen.search_page +
                             ", the address of a search page, for any such name";
        }
    }
}

bool names_are_hidden(const Observations& seen) {
    return one_address_for_all(seen) || no_name_known(seen) || smarthost_name_known(seen);
}

bool was_reached(const SmarthostStages& stages) {
    return !stages.unfinished && (stages.ok || stages.stage > smtp::Stage::connect);
}

std::optional<net::Family> unroutable_name_servers(const Observations& seen) {
    std::optional<net::Family> family;
    for (const NameServer& server : seen.each_name_server) {
        const bool v6 = server.address.find(':') != std::string::npos;
        const bool route = v6 ? seen.route_v6 : seen.route_v4;
        if (route || server.answers() || net::is_loopback_address(server.address)) {
            return std::nullopt;
        }
        family = v6 ? net::Family::ipv6 : net::Family::ipv4;
    }
    return family;
}

std::string name_fault_words(const Observations& seen) {
    if (seen.rule_for_dns) return "Names do not resolve: a rule of this host stops look-ups.";
    if (one_address_for_all(seen)) {
        return "Names do not resolve: unrelated ones all get the same address, as from a filter or "
               "a captive portal.";
    }
    if (smarthost_name_known(seen)) {
        return "Public names do not resolve here, while the smarthost's does: the name servers may "
               "be for internal names only.";
    }
    if (no_name_known(seen)) {
        return "Public names do not resolve here: the name servers answer that well-known ones do "
               "not exist, as a filter, a captive portal or an internal server does.";
    }
    if (const std::optional<net::Family> family = unroutable_name_servers(seen)) {
        return fmt::format(
            "Names do not resolve: the name servers of this host are {0} addresses, and it has no "
            "{0} route.",
            *family == net::Family::ipv4 ? "IPv4" : "IPv6");
    }
    return "Names do not resolve: the name servers of this host do not answer.";
}

bool look_ups_may_be_stopped_here(const Observations& seen) {
    // Sooner than most servers could say that they fail: the questions may never have left.
    constexpr base::Duration at_once{20};
    const bool named = !seen.rule_for_dns && !seen.local.rules_read && !names_are_hidden(seen) &&
                       !unroutable_name_servers(seen);
    return named && !seen.each_name_server.empty() &&
           std::all_of(seen.each_name_server.begin(), seen.each_name_server.end(),
                       [&](const NameServer& server) {
                           return server.status == net::DnsStatus::server_failure &&
                                  server.took <= at_once;
                       });
}

}  // namespace diagnose
