#include "diagnose/startup_probe.hpp"

#include <cerrno>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "diagnose/probe_targets.hpp"
#include "net/dial.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

// Tasks end with twice the time-out; this long the run waits for them to say so.
constexpr base::Duration slack{200};
constexpr std::size_t banner_limit = 512;    // RFC 5321 section 4.5.3.1.5: a reply line
constexpr std::size_t mx_hosts_tried = 2;    // per operator, until one has an address
constexpr std::size_t alternates_asked = 2;  // services on unusual ports
constexpr std::array<std::uint16_t, 3> usual_ports{465, 587, 2525};

// What the tasks of one run share. It outlives the run where a name server is slow: a task that
// comes back after the end sees `over` and touches nothing more.
struct Run {
    Run(asio::any_io_executor on, net::Resolver& names, ProbeOptions probe_options)
        : executor(std::move(on)),
          resolver(names),
          options(std::move(probe_options)),
          started(SteadyClock::now()),
          finished(executor, started + 2 * options.timeout + slack) {}

    asio::any_io_executor executor;
    net::Resolver& resolver;
    ProbeOptions options;
    SteadyClock::time_point started;
    asio::steady_timer finished;  // expires at the end of the time; cancelled when all is done
    std::size_t pending = 0;
    bool over = false;
    std::vector<PortEvidence> evidence;
    std::list<PortEvidence> asking;  // names still being looked up: silence of DNS is evidence, too

    [[nodiscard]] base::Duration left() const {
        const auto rest = started + 2 * options.timeout - SteadyClock::now();
        return std::max(std::chrono::duration_cast<base::Duration>(rest), base::Duration{1});
    }
    [[nodiscard]] base::Duration connect_time() const { return std::min(left(), options.timeout); }
    void add(PortEvidence item) {
        if (!over) evidence.push_back(std::move(item));
    }
};

using RunPointer = std::shared_ptr<Run>;

// Keeps note, for as long as it lives, that a name is being looked up.
class NameWait {
 public:
    NameWait(RunPointer run, PortEvidence item) : run_(std::move(run)) {
        item.result = "dns";
        place_ = run_->asking.insert(run_->asking.end(), std::move(item));
    }
    ~NameWait() { run_->asking.erase(place_); }
    NameWait(const NameWait&) = delete;
    NameWait& operator=(const NameWait&) = delete;

 private:
    RunPointer run_;
    std::list<PortEvidence>::iterator place_;
};

void spawn(const RunPointer& run, asio::awaitable<void> task) {
    ++run->pending;
    asio::co_spawn(run->executor, std::move(task), [run](std::exception_ptr) {
        // A task that failed has left no evidence, and the vote counts evidence only.
        if (--run->pending == 0) run->finished.cancel();
    });
}

std::vector<net::Family> families(const ProbeOptions& options) {
    std::vector<net::Family> result;
    if (options.ipv4) result.push_back(net::Family::ipv4);
    if (options.ipv6) result.push_back(net::Family::ipv6);
    return result;
}

// True when this host has a route to the world in this family. Connecting a UDP socket asks the
// kernel for the route and sends nothing; the addresses are those for documentation.
bool has_route(asio::any_io_executor executor, net::Family family) {
    const bool v4 = family == net::Family::ipv4;
    const auto address = asio::ip::make_address(v4 ? "192.0.2.1" : "2001:db8::1");
    boost::system::error_code failure;
    asio::ip::udp::socket socket{executor};
    socket.open(v4 ? asio::ip::udp::v4() : asio::ip::udp::v6(), failure);
    if (!failure) socket.connect({address, 53}, failure);
    return !failure;
}

std::string result_name(const net::DialError& error) {
    const int number = error.attempts.empty() ? 0 : error.attempts.back().error_number;
    switch (error.result) {
        case net::DialResult::connected:
            return "open";
        case net::DialResult::dns:
            return "dns";
        case net::DialResult::refused:
        case net::DialResult::local_denied:
            return "rejected";
        case net::DialResult::timeout:
            return "dropped";
        case net::DialResult::unreachable:
            return "unreachable";
        case net::DialResult::other:
            break;
    }
    if (number == ENETUNREACH || number == EHOSTUNREACH || number == EADDRNOTAVAIL ||
        number == EAFNOSUPPORT) {
        return "unreachable";
    }
    return number == ECONNRESET || number == EACCES || number == EPERM ? "rejected" : "dropped";
}

// 220, or a refusal to serve us: both come from a mail server. A box that inspects mail masks its
// 220 line with asterisks, and an expected word that is missing shows another server's greeting.
bool genuine_banner(std::string_view line, std::string_view expected) {
    const bool digits = line.size() >= 3 && std::all_of(line.begin(), line.begin() + 3, [](char c) {
                            return c >= '0' && c <= '9';
                        });
    if (!digits || (line.size() > 3 && line[3] != ' ' && line[3] != '-')) return false;
    if (line[0] == '4' || line[0] == '5') return true;
    if (!line.starts_with("220")) return false;
    const std::string_view rest = line.substr(3);
    const bool masked = rest.find('*') != rest.npos && rest.find_first_not_of("*20 -") == rest.npos;
    return !masked && rest.find(expected) != rest.npos;
}

asio::awaitable<std::string> read_banner(tls::Stream& stream) {
    std::string line;
    std::array<char, banner_limit> buffer;
    while (line.size() < banner_limit && line.find('\n') == line.npos) {
        const base::Result<std::size_t> count = co_await stream.read_some(buffer);
        if (!count.has_value()) break;
        line.append(buffer.data(), *count);
    }
    co_return std::string{base::trim(std::string_view{line}.substr(0, line.find('\n')))};
}

asio::awaitable<void> greet_and_quit(tls::Stream& stream, std::string_view expected,
                                     base::Duration limit, PortEvidence& item) {
    stream.expires_after(limit);
    const std::string banner = co_await read_banner(stream);
    item.genuine = genuine_banner(banner, expected);
    item.banner = base::printable(banner);
    if (!banner.empty()) {
        [[maybe_unused]] const base::Result<> said = co_await stream.write("QUIT\r\n");
    }
}

// One connect to item.address; expected is the word to look for in a direct target's greeting.
asio::awaitable<void> connect_task(RunPointer run, PortEvidence item, std::string expected) {
    if (run->over) co_return;
    const SteadyClock::time_point began = SteadyClock::now();
    const net::DialTarget target{item.address, item.port, run->connect_time(), item.family};
    base::Result<tls::Stream, net::DialError> dialled =
        co_await net::dial(run->executor, run->resolver, target);
    item.took = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - began);
    if (!dialled.has_value()) {
        item.result = result_name(dialled.error());
    } else {
        item.result = "open";
        if (item.role == ProbeRole::direct && !run->over) {
            co_await greet_and_quit(*dialled, expected, run->left(), item);
        }
        dialled->close();
    }
    run->add(std::move(item));
}

// Connects to one address per family of the host, on each port. False: no address, noted as
// evidence unless the caller has another host to try.
asio::awaitable<bool> probe_host(RunPointer run, PortEvidence item,
                                 std::vector<std::uint16_t> ports, std::string expected,
                                 bool note_failure) {
    bool found = false;
    std::vector<PortEvidence> failures;
    for (const net::Family family : families(run->options)) {
        if (run->over) co_return true;
        item.family = family;
        item.port = ports.front();
        std::optional<NameWait> wait{std::in_place, run, item};
        const auto answer = co_await run->resolver.addresses(item.host, family);
        wait.reset();
        const bool none = answer.status == net::DnsStatus::no_such_name ||
                          answer.status == net::DnsStatus::no_data;
        if (answer.status != net::DnsStatus::ok || answer.records.empty()) {
            item.result = none || answer.status == net::DnsStatus::ok ? "no-name" : "dns";
            failures.push_back(item);
            continue;
        }
        found = true;
        item.address = answer.records.front().to_string();
        for (const std::uint16_t port : ports) {
            item.port = port;
            spawn(run, connect_task(run, item, expected));
        }
        item.address.clear();
    }
    if (!found && note_failure) {
        for (PortEvidence& failure : failures) run->add(std::move(failure));
    }
    co_return found;
}

asio::awaitable<void> other_host_task(RunPointer run, PortEvidence item,
                                      std::vector<std::uint16_t> ports) {
    if (ports.empty()) co_return;
    std::string no_greeting;
    co_await probe_host(run, item, std::move(ports), no_greeting, true);
}

// The MX as DNS names it now; the hosts of the catalogue when it gives none.
asio::awaitable<std::vector<std::string>> direct_hosts(RunPointer run, ProbeTarget target) {
    std::vector<std::string> hosts;
    if (!target.mx_domain.empty()) {
        PortEvidence item;
        item.operator_name = target.operator_name;
        item.host = target.mx_domain;
        item.port = target.port;
        std::list<NameWait> waits;
        for (const net::Family family : families(run->options)) {
            item.family = family;
            waits.emplace_back(run, item);
        }
        net::DnsAnswer<std::vector<net::MxRecord>> answer =
            co_await run->resolver.mx(target.mx_domain);
        std::stable_sort(answer.records.begin(), answer.records.end(),
                         [](const auto& a, const auto& b) { return a.preference < b.preference; });
        for (const net::MxRecord& record : answer.records) {
            if (!record.host.empty() && record.host != ".") hosts.push_back(record.host);
        }
    }
    if (hosts.empty()) hosts = target.hosts;
    if (hosts.empty()) hosts.push_back(target.mx_domain);  // RFC 5321 section 5.1: the implicit MX
    if (hosts.size() > mx_hosts_tried) hosts.resize(mx_hosts_tried);
    co_return hosts;
}

asio::awaitable<void> direct_task(RunPointer run, ProbeTarget target) {
    const std::vector<std::string> hosts = co_await direct_hosts(run, target);
    const std::vector<std::uint16_t> ports(1, target.port);
    PortEvidence item;
    item.role = ProbeRole::direct;
    item.operator_name = target.operator_name;
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        if (run->over) co_return;
        item.host = hosts[i];
        const bool last = i + 1 == hosts.size();
        const bool found = co_await probe_host(run, item, ports, target.banner, last);
        if (found) co_return;
    }
}

void spawn_other(const RunPointer& run, ProbeRole role, const std::string& name,
                 const std::string& host, std::vector<std::uint16_t> ports) {
    PortEvidence item;
    item.role = role;
    item.operator_name = name;
    item.host = host;
    spawn(run, other_host_task(run, std::move(item), std::move(ports)));
}

std::vector<ProbeTarget> chosen_targets(const ProbeOptions& options) {
    if (options.targets.empty()) return built_in_targets().quorum;
    std::vector<ProbeTarget> targets;
    for (const std::string& text : options.targets) {
        base::Result<ProbeTarget> target = parse_probe_target(text);
        if (target.has_value()) targets.push_back(std::move(*target));
    }
    return targets;
}

// Services on ports that remain where 25, 465 and 587 are all closed: whether the network is down
// or only shut to mail shows there. Only with the built-in quorum: one's own targets are asked
// alone.
void spawn_alternates(const RunPointer& run) {
    std::size_t asked = 0;
    for (const HostPorts& service : built_in_targets().alternates) {
        if (asked++ == alternates_asked) return;
        std::vector<std::uint16_t> ports;
        for (const std::uint16_t port : service.ports) {
            const bool usual = port == 465 || port == 587;
            if (port == 443 || (!usual && ports.empty())) ports.push_back(port);
        }
        spawn_other(run, ProbeRole::control, service.host, service.host, std::move(ports));
    }
}

std::vector<std::uint16_t> smarthost_ports(const SmarthostTarget& smarthost) {
    std::vector<std::uint16_t> ports;
    const auto add = [&](std::uint16_t port) {
        if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
    };
    for (const std::uint16_t port : smarthost.ports) add(port);
    for (const std::uint16_t port : usual_ports) add(port);
    return ports;
}

// A unix socket is on this host: there is no network to ask about.
bool over_network(const SmarthostTarget& smarthost) { return !smarthost.host.starts_with("unix:"); }

void spawn_all(const RunPointer& run, const std::vector<SmarthostTarget>& smarthosts) {
    for (const ProbeTarget& target : chosen_targets(run->options)) {
        spawn(run, direct_task(run, target));
        if (target.controls.empty()) continue;
        const HostPorts& control = target.controls.front();
        spawn_other(run, ProbeRole::control, target.operator_name, control.host, control.ports);
    }
    if (run->options.targets.empty()) spawn_alternates(run);
    for (const SmarthostTarget& smarthost : smarthosts) {
        if (!over_network(smarthost)) continue;
        spawn_other(run, ProbeRole::smarthost, smarthost.name, smarthost.host,
                    smarthost_ports(smarthost));
    }
}

// The best that any address of the smarthost showed on this port.
std::string best_result(const std::vector<PortEvidence>& evidence, const SmarthostTarget& smarthost,
                        std::uint16_t port) {
    constexpr std::array<std::string_view, 6> order{"open",        "rejected", "dropped",
                                                    "unreachable", "dns",      "no-name"};
    std::size_t best = order.size();
    for (const PortEvidence& item : evidence) {
        const bool named = item.role == ProbeRole::smarthost && item.host == smarthost.host &&
                           item.operator_name == smarthost.name;
        const bool nameless = item.result == "dns" || item.result == "no-name";
        if (!named || (item.port != port && !nameless)) continue;
        const auto found = std::find(order.begin(), order.end(), item.result);
        best = std::min(best, static_cast<std::size_t>(found - order.begin()));
    }
    return best == order.size() ? "dropped" : std::string{order[best]};
}

std::vector<SmarthostPorts> smarthost_results(const std::vector<PortEvidence>& evidence,
                                              const std::vector<SmarthostTarget>& smarthosts) {
    std::vector<SmarthostPorts> results;
    for (const SmarthostTarget& smarthost : smarthosts) {
        SmarthostPorts result{smarthost.name, smarthost.host, {}};
        if (over_network(smarthost)) {
            for (const std::uint16_t port : smarthost_ports(smarthost)) {
                result.ports.push_back({port, best_result(evidence, smarthost, port)});
            }
        }
        results.push_back(std::move(result));
    }
    return results;
}

// Without a route no name server answers either: that is no fault of DNS.
void mark_missing_routes(Run& run) {
    const bool only_dns = std::all_of(run.evidence.begin(), run.evidence.end(),
                                      [](const auto& item) { return item.result == "dns"; });
    if (!only_dns) return;
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        if (has_route(run.executor, family)) return;
    }
    for (PortEvidence& item : run.evidence) item.result = "unreachable";
}

}  // namespace

asio::awaitable<StartupVerdict> run_startup_probe(asio::any_io_executor executor,
                                                  net::Resolver& resolver, ProbeOptions options,
                                                  std::vector<SmarthostTarget> smarthosts) {
    const base::Time at = base::SystemClock{}.now();
    const auto run = std::make_shared<Run>(executor, resolver, std::move(options));
    spawn_all(run, smarthosts);
    if (run->pending > 0) {
        boost::system::error_code cancelled;
        co_await run->finished.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
    run->over = true;
    run->evidence.insert(run->evidence.end(), run->asking.begin(), run->asking.end());
    mark_missing_routes(*run);
    StartupVerdict verdict = judge(std::move(run->evidence), run->options);
    verdict.smarthosts = smarthost_results(verdict.evidence, smarthosts);
    verdict.at = at;
    verdict.took = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - run->started);
    co_return verdict;
}

}  // namespace diagnose
