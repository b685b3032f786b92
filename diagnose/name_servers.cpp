#include "diagnose/name_servers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <memory>

#include "base/text.hpp"
#include "diagnose/check_names.hpp"
#include "diagnose/probe_targets.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t domains_asked = 3;  // of unrelated operators, at most

std::vector<std::string> known_domains() {
    std::vector<std::string> domains;
    for (const ProbeTarget& target : built_in_targets().quorum) {
        if (!target.mx_domain.empty()) domains.push_back(target.mx_domain);
        if (domains.size() == domains_asked) break;
    }
    return domains;
}

// It may say so of one zone that is broken, or blocked, while it knows the others.
bool of_one_zone(net::DnsStatus status) {
    return status == net::DnsStatus::server_failure || status == net::DnsStatus::malformed ||
           status == net::DnsStatus::no_such_name;
}

std::string_view state_of(const NameServer& server) {
    if (!server.status) return "not asked to the end";
    switch (*server.status) {
        case net::DnsStatus::ok:
        case net::DnsStatus::no_data:
            return "answers";
        case net::DnsStatus::no_such_name:
            return "knows no public names";
        case net::DnsStatus::timeout:
            return "silent";
        case net::DnsStatus::refused:
            return "refuses";
        case net::DnsStatus::server_failure:
        case net::DnsStatus::malformed:
            return "fails";
    }
    return "fails";
}

bool dead(const NameServer& server) { return server.status && !server.answers(); }

std::string dead_ones(const std::vector<NameServer>& servers) {
    std::vector<std::string> names;
    for (const NameServer& server : servers) {
        if (dead(server)) names.push_back(server.address);
    }
    return base::join(names, ", ");
}

std::string what_that_costs(const std::vector<NameServer>& servers, bool rotate) {
    if (rotate) {
        return "With `options rotate` the servers take turns, so that look-ups begin with it each "
               "time its turn comes.";
    }
    const bool first = dead(servers.front());
    const bool silent = first && servers.front().status == net::DnsStatus::timeout;
    if (silent) {
        return "It is asked first: look-ups wait for it in vain before the next one is asked.";
    }
    if (first) return "It is asked first, and what it says may be taken for the answer.";
    return "It is asked only when those before it fail, and will be of no help then.";
}

}  // namespace

// That a server knows nothing is an answer, but none that helps: the name that was asked exists.
bool NameServer::answers() const {
    return status == net::DnsStatus::ok || status == net::DnsStatus::no_data;
}

asio::awaitable<NameServer> ask_name_server(asio::any_io_executor executor, std::string address,
                                            base::Duration limit) {
    NameServer server;
    server.address = address;
    boost::system::error_code failure;
    const auto parsed = asio::ip::make_address(address, failure);
    // With an interface behind it ("fe80::1%eth0") it cannot be asked alone.
    if (failure || address.find('%') != std::string::npos) co_return server;
    net::ResolverOptions options;
    options.servers = parsed.is_v6() ? "[" + address + "]" : address;
    options.deadline = limit;
    const std::unique_ptr<net::Resolver> resolver = net::make_resolver(executor, options);
    const SteadyClock::time_point began = SteadyClock::now();
    for (const std::string& domain : known_domains()) {
        const SteadyClock::time_point asked = SteadyClock::now();
        const auto answer = co_await resolver->mx(domain);
        const SteadyClock::time_point answered = SteadyClock::now();
        server.took = std::chrono::duration_cast<base::Duration>(answered - asked);
        server.status = answer.status;
        if (!of_one_zone(answer.status) || answered - began >= limit) break;
    }
    co_return server;
}

bool some_are_dead(const std::vector<NameServer>& servers) {
    return std::any_of(servers.begin(), servers.end(), dead) &&
           std::any_of(servers.begin(), servers.end(),
                       [](const NameServer& server) { return server.answers(); });
}

Check name_servers_check(const std::vector<NameServer>& servers, bool rotate) {
    Check check = new_check(check_name::name_servers);
    std::size_t answering = 0, told = 0;
    for (const NameServer& server : servers) {
        Evidence row;
        row.target = "name server";
        row.address = server.address;
        row.port = 53;
        row.result = state_of(server);
        if (server.status) row.took = server.took;
        check.evidence.push_back(std::move(row));
        check.took = std::max(check.took, server.took);
        if (server.status) ++told;
        if (server.answers()) ++answering;
    }
    const bool one = servers.size() == 1;
    if (told == 0) {
        check.summary = "None could be asked by itself.";
    } else if (answering == told) {
        check.status = CheckStatus::ok;
        check.summary =
            one ? servers.front().address + " answers." : fmt::format("All {} answer.", told);
    } else if (answering == 0) {
        check.status = CheckStatus::fail;
        check.summary =
            one ? fmt::format("{}: {}.", servers.front().address, state_of(servers.front()))
                : fmt::format("None of {} is of use.", told);
    } else {
        check.status = CheckStatus::warn;
        check.summary = fmt::format("{} of {} of no use: {}. {}", told - answering, servers.size(),
                                    dead_ones(servers), what_that_costs(servers, rotate));
    }
    return check;
}

Fix name_servers_fix(const std::vector<NameServer>& servers, bool rotate) {
    Fix fix;
    if (!some_are_dead(servers)) return fix;
    const std::string names = dead_ones(servers);
    fix.title = fmt::format("Replace the name server {}", names);
    fix.steps.push_back(fmt::format(
        "It is listed in /etc/resolv.conf and gives no useful answer; the others do. {}",
        what_that_costs(servers, rotate)));
    fix.steps.emplace_back(
        "Put one that answers in its place, where the file is written from: "
        "`resolvectl status` (systemd-resolved), `nmcli device show` (NetworkManager), the DHCP "
        "server, or the file itself");
    fix.steps.push_back(fmt::format("See it by itself: `nslookup gmail.com {}`",
                                    std::find_if(servers.begin(), servers.end(), dead)->address));
    return fix;
}

}  // namespace diagnose
