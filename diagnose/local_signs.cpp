#include "diagnose/local_signs.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "diagnose/connect.hpp"
#include "diagnose/own_server.hpp"
#include "net/cidr.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;

// The first SYN's failure is not counted; the second copy leaves after 1 s, the third 1 or 2 s
// later.
constexpr base::Duration watch_time{3400};

// Of a line of /etc/passwd. Not asked of the system's libraries: those may wait for a network.
struct User {
    std::string name;
    std::uint32_t id = 0;
};

std::vector<User> known_users() {
    std::vector<User> users;
    std::ifstream file{"/etc/passwd"};
    for (std::string line; std::getline(file, line);) {
        const std::vector<std::string_view> fields = base::split(line, ':');
        if (fields.size() < 3) continue;
        User user{std::string{fields[0]}, 0};
        const std::string_view id = fields[2];
        const auto read = std::from_chars(id.data(), id.data() + id.size(), user.id);
        if (read.ec == std::errc{}) users.push_back(std::move(user));
    }
    return users;
}

net::Family family_of(const LocalSigns& signs) {
    const bool v6 = signs.address.find(':') != signs.address.npos;
    return v6 ? net::Family::ipv6 : net::Family::ipv4;
}

// One of the rules that were read may stop some of it.
bool may_stop(const LocalSigns* signs) {
    return std::any_of(signs->possible.begin(), signs->possible.end(),
                       [](const RuleMatch& match) { return !match.spares_asker; });
}

asio::awaitable<void> watch_counter(asio::any_io_executor executor, asio::ip::address address,
                                    std::uint16_t port, LocalSigns& signs) {
    const std::optional<long> before = failed_retransmissions();
    const ConnectAsk ask{address, port, watch_time};
    const ConnectOutcome outcome = co_await connect_once(executor, ask);
    const std::optional<long> after = failed_retransmissions();
    signs.counter_read = before && after;
    if (!signs.counter_read) co_return;
    signs.failed_retransmissions = *after - *before;
    signs.retransmissions = outcome.retransmissions;
    signs.last_left = outcome.last_left;
}

}  // namespace

std::optional<long> tcp_counter(std::string_view netstat, std::string_view name) {
    std::vector<std::string_view> names;
    for (const std::string_view line : base::split(netstat, '\n')) {
        if (!line.starts_with("TcpExt:")) continue;
        const std::vector<std::string_view> words = base::split(line, ' ');
        if (names.empty()) {
            names = words;
            continue;
        }
        for (std::size_t i = 1; i < words.size() && i < names.size(); ++i) {
            if (names[i] != name) continue;
            long value = 0;
            const std::string_view word = words[i];
            const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
            if (read.ec != std::errc{}) return std::nullopt;
            return value;
        }
    }
    return std::nullopt;
}

std::optional<long> failed_retransmissions() {
    std::ifstream file{"/proc/self/net/netstat"};
    std::stringstream text;
    text << file.rdbuf();
    return tcp_counter(text.str(), "TCPRetransFail");
}

bool packets_leave(const Observations& seen, const LocalSigns& local) {
    if (local.last_left) return true;
    const net::Family family = family_of(local);
    const auto heard = [&](const PathTrace& path) {
        return (local.address.empty() || path.family == family) && path.direct.port == local.port &&
               path.direct.last_router() >= 1;
    };
    // The survey's connect to the same place was the first look, and this one the second.
    const auto left = [&](const PortEvidence& item) {
        return item.last_left && item.port == local.port && item.address == local.address;
    };
    return std::any_of(seen.paths.begin(), seen.paths.end(), heard) ||
           std::any_of(seen.ports.begin(), seen.ports.end(), left);
}

bool dropped_here(const Observations& seen, const LocalSigns& local) {
    // The counter is everybody's on this host, so that it can only confirm what the connect's own
    // state says; a kernel without it may not keep that state either. Two, for one SYN may fail by
    // chance.
    const bool failed = local.counter_read && local.retransmissions >= 2 &&
                        local.failed_retransmissions >= static_cast<long>(local.retransmissions);
    return failed && !packets_leave(seen, local);
}

std::vector<const LocalSigns*> signs_over(const Observations& seen, net::Family family) {
    std::vector<const LocalSigns*> found;
    const auto add = [&](const LocalSigns& signs) {
        const bool any = family == net::Family::any || signs.address.empty();
        if (any || family_of(signs) == family) found.push_back(&signs);
    };
    add(seen.local);
    if (seen.local_second) add(*seen.local_second);
    return found;
}

bool stopped_here(const Observations& seen, net::Family family) {
    const std::vector<const LocalSigns*> all = signs_over(seen, family);
    return std::any_of(all.begin(), all.end(), [&](const LocalSigns* signs) {
        return signs->rule.has_value() || dropped_here(seen, *signs);
    });
}

bool own_greeting_heard(const Observations& seen) {
    bool own = false;
    for (const PortEvidence& item : seen.ports) {
        if (item.role != ProbeRole::direct || net::is_loopback_address(item.address)) continue;
        if (item.identity == Identity::genuine) return false;
        own = own ||
              (item.identity == Identity::foreign && same_server(seen.own_greeting, item.banner));
    }
    return own;
}

bool own_server_answers(const Observations& seen) {
    // A router that leads it back here is farther away than this host's own rules.
    const std::optional<PathReading> reading = best_reading(seen);
    return own_greeting_heard(seen) && reading.value_or(PathReading{}).hop.value_or(0) <= 1;
}

std::string_view here_words(const Observations& seen) {
    return seen.host.container.empty() ? "this host" : "this container";
}

bool redirected_here(const Observations& seen, net::Family family) {
    const std::vector<const LocalSigns*> all = signs_over(seen, family);
    return own_server_answers(seen) ||
           std::any_of(all.begin(), all.end(), [](const LocalSigns* signs) {
               return signs->rule && signs->rule->verdict == RuleVerdict::redirect;
           });
}

bool may_be_here(const Observations& seen, net::Family family) {
    const std::optional<PathReading> reading = best_reading(seen, family);
    const bool near = reading && reading->hop == 0 && reading->hop_address.empty() &&
                      reading->finding != PathFinding::intercepted;
    if (!near) return false;
    const std::vector<const LocalSigns*> all = signs_over(seen, family);
    const auto left = [](const LocalSigns* signs) { return signs->last_left; };
    if (std::any_of(all.begin(), all.end(), left)) return false;
    return !seen.local.rules_read || std::any_of(all.begin(), all.end(), may_stop);
}

std::optional<RuleMatch> rule_against_dns(const FirewallReading& reading,
                                          const std::vector<std::string>& name_servers,
                                          const std::string& transport) {
    if (!reading.readable) return std::nullopt;
    for (const std::string& server : name_servers) {
        RuleQuestion question;
        question.port = 53;
        question.transport = transport;
        boost::system::error_code failure;
        const auto address = asio::ip::make_address(server, failure);
        if (failure) continue;
        question.family = address.is_v4() ? net::Family::ipv4 : net::Family::ipv6;
        question.interface = default_interface(question.family);
        // A server on this host, as systemd-resolved, asks others under its own user.
        if (!address.is_loopback()) {
            question.remote = server;
            question.user = ::geteuid();
        }
        RuleAnswer answer = find_rule(reading.rules, question);
        if (answer.stops) return std::move(answer.stops);
    }
    return std::nullopt;
}

std::vector<RuleForUser> rules_against_others(const FirewallReading& reading,
                                              const std::vector<std::uint16_t>& ports,
                                              const std::vector<std::string>& name_servers,
                                              const std::string& transport, net::Family family) {
    std::vector<RuleForUser> found;
    if (!reading.readable) return found;
    const std::vector<User> users = known_users();
    std::vector<std::uint32_t> first;
    for (const std::string_view name : {"relay", "nobody"}) {
        for (const User& user : users) {
            if (user.name == name) first.push_back(user.id);
        }
    }
    first.push_back(65534);  // for rules that spare a few and stop everybody else
    const auto ask = [&](RuleQuestion question) {
        question.family = family;
        question.interface = default_interface(family);
        question.user = ::geteuid();
        if (find_rule(reading.rules, question).stops) return;
        std::optional<UserMatch> match = find_rule_for_others(reading.rules, question, first);
        if (!match) return;
        RuleForUser rule;
        rule.port = question.port;
        rule.asker = *question.user == 0 ? "root" : "uid " + std::to_string(*question.user);
        for (const User& user : users) {
            if (user.id == match->user && rule.name.empty()) rule.name = user.name;
        }
        rule.match = std::move(*match);
        found.push_back(std::move(rule));
    };
    for (const std::uint16_t port : ports) {
        RuleQuestion question;
        question.port = port;
        ask(std::move(question));
    }
    for (const std::string& server : name_servers) {
        boost::system::error_code failure;
        const auto address = asio::ip::make_address(server, failure);
        // A server on this host asks others under its own user, whoever asks it.
        const bool its =
            !failure && !address.is_loopback() && address.is_v4() == (family == net::Family::ipv4);
        if (!its) continue;
        RuleQuestion question;
        question.port = 53;
        question.transport = transport;
        question.remote = server;
        ask(std::move(question));
        break;
    }
    return found;
}

LocalSigns signs_of_rules(const FirewallReading& reading, const std::string& address,
                          net::Family family, std::uint16_t port) {
    LocalSigns signs;
    signs.port = port;
    signs.address = address;
    signs.rules_read = reading.readable;
    signs.rules_problem = reading.why_not;
    if (!reading.readable) return signs;
    RuleQuestion question;
    question.port = port;
    question.family = family;
    question.remote = address;
    question.interface = default_interface(family);
    question.user = ::geteuid();
    RuleAnswer answer = find_rule(reading.rules, question);
    signs.rule = std::move(answer.stops);
    signs.possible = std::move(answer.possible);
    return signs;
}

asio::awaitable<LocalSigns> look_at_this_host(asio::any_io_executor executor,
                                              FirewallReading reading,
                                              asio::ip::address silent_address,
                                              std::uint16_t port) {
    const net::Family family = silent_address.is_v4() ? net::Family::ipv4 : net::Family::ipv6;
    LocalSigns signs = signs_of_rules(reading, silent_address.to_string(), family, port);
    if (!signs.rule) co_await watch_counter(executor, silent_address, port, signs);
    co_return signs;
}

}  // namespace diagnose
