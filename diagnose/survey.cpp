#include "diagnose/survey.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "smtp/tls_ports.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

// Tasks end with twice the time-out; this long the run waits for them to say so.
constexpr base::Duration slack{200};
constexpr std::size_t mx_hosts_tried = 2;    // per operator, until one has an address
constexpr std::size_t alternates_asked = 2;  // services on unusual ports, in the short form
constexpr std::array<std::uint16_t, 3> usual_ports{465, 587, 2525};

// What the tasks of one run share. It outlives the run where a name server is slow: a task that
// comes back after the end sees `over` and touches nothing more.
struct Run {
    Run(asio::any_io_executor on, net::Resolver& names, SurveyAsk what)
        : executor(std::move(on)),
          resolver(names),
          ask(std::move(what)),
          started(SteadyClock::now()),
          finished(executor, started + limit() + slack) {}

    asio::any_io_executor executor;
    net::Resolver& resolver;
    SurveyAsk ask;
    SteadyClock::time_point started;
    asio::steady_timer finished;  // expires at the end of the time; cancelled when all is done
    std::size_t pending = 0;
    bool over = false;
    std::vector<PortEvidence> evidence;
    std::list<PortEvidence> asking;  // names still being looked up: silence of DNS is evidence, too

    [[nodiscard]] base::Duration limit() const {
        return std::max(2 * ask.options.timeout, ask.greeting_limit);
    }
    [[nodiscard]] base::Duration left() const {
        const auto rest = started + limit() - SteadyClock::now();
        return std::max(std::chrono::duration_cast<base::Duration>(rest), base::Duration{1});
    }
    [[nodiscard]] base::Duration connect_time() const {
        return std::min(left(), ask.options.timeout);
    }
    void add(PortEvidence item) {
        if (!over) evidence.push_back(std::move(item));
    }
};

using RunPointer = std::shared_ptr<Run>;

// Which server a connect is for, and whether to look at it.
struct Visit {
    ProbeTarget expected;
    bool look = false;
};

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

void note(const ConnectOutcome& outcome, PortEvidence& item) {
    item.connect = outcome.result;
    item.result = connect_result_name(outcome.result);
    item.error_number = outcome.error_number;
    item.icmp = outcome.icmp;
    item.own_address = outcome.own_address;
    item.retransmissions = outcome.retransmissions;
    item.last_left = outcome.last_left;
    item.local_address = outcome.local_address;
    item.took = outcome.took;
}

base::Duration since(SteadyClock::time_point began) {
    return std::chrono::duration_cast<base::Duration>(SteadyClock::now() - began);
}

asio::awaitable<void> look(RunPointer run, tls::Stream& stream, const Visit& visit,
                           PortEvidence& item) {
    GreetingAsk ask;
    ask.host = item.host;
    ask.port = item.port;
    ask.helo = run->ask.helo;
    ask.ehlo = run->ask.thorough;
    ask.starttls = run->ask.thorough;
    ask.implicit_tls = smtp::implicit_tls(item.port);
    ask.observer = run->ask.observer;
    ask.timeout = run->left();
    const SteadyClock::time_point began = SteadyClock::now();
    Greeting greeting = co_await look_at_server(stream, ask);
    item.talk = since(began);
    item.banner = greeting.raw;
    if (item.role == ProbeRole::direct) {
        item.identity = judge_identity(greeting, visit.expected);
        item.genuine = item.identity == Identity::genuine || item.identity == Identity::refusing;
    }
    item.greeting = std::move(greeting);
}

asio::awaitable<void> connect_task(RunPointer run, PortEvidence item, Visit visit) {
    if (run->over) co_return;
    const auto address = asio::ip::make_address(item.address);
    const ConnectAsk ask{address, item.port, run->connect_time()};
    ConnectOutcome outcome = co_await connect_once(run->executor, ask);
    note(outcome, item);
    const bool mail = item.port != 443;
    if (outcome.stream && visit.look && mail && !run->over) {
        co_await look(run, *outcome.stream, visit, item);
    }
    if (outcome.stream) outcome.stream->close();
    run->add(std::move(item));
}

// Connects to one address per family of the host, on each port. False: no address, noted as
// evidence unless the caller has another host to try.
asio::awaitable<bool> probe_host(RunPointer run, PortEvidence item,
                                 std::vector<std::uint16_t> ports, Visit visit, bool note_failure) {
    bool found = false;
    std::vector<PortEvidence> failures;
    const base::Duration before = item.lookup;
    for (const net::Family family : families(run->ask.options)) {
        if (run->over) co_return true;
        item.family = family;
        item.port = ports.front();
        std::optional<NameWait> wait{std::in_place, run, item};
        const SteadyClock::time_point asked = SteadyClock::now();
        const auto answer = co_await run->resolver.addresses(item.host, family);
        wait.reset();
        item.lookup = before + since(asked);
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
            spawn(run, connect_task(run, item, visit));
        }
        item.address.clear();
    }
    if (!found && note_failure) {
        for (PortEvidence& failure : failures) run->add(std::move(failure));
    }
    co_return found;
}

asio::awaitable<void> other_host_task(RunPointer run, PortEvidence item,
                                      std::vector<std::uint16_t> ports, bool look_at_it) {
    if (ports.empty()) co_return;
    Visit visit;
    visit.look = look_at_it;
    co_await probe_host(run, item, std::move(ports), visit, true);
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
        for (const net::Family family : families(run->ask.options)) {
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
    const SteadyClock::time_point asked = SteadyClock::now();
    const std::vector<std::string> hosts = co_await direct_hosts(run, target);
    const std::vector<std::uint16_t> ports(1, target.port);
    Visit visit;
    visit.expected = target;
    visit.look = true;
    PortEvidence item;
    item.role = ProbeRole::direct;
    item.operator_name = target.operator_name;
    item.lookup = since(asked);
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        if (run->over) co_return;
        item.host = hosts[i];
        const bool last = i + 1 == hosts.size();
        const bool found = co_await probe_host(run, item, ports, visit, last);
        if (found) co_return;
    }
}

void spawn_other(const RunPointer& run, ProbeRole role, const std::string& name,
                 const std::string& host, std::vector<std::uint16_t> ports, bool look_at_it) {
    PortEvidence item;
    item.role = role;
    item.operator_name = name;
    item.host = host;
    spawn(run, other_host_task(run, std::move(item), std::move(ports), look_at_it));
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

std::vector<std::uint16_t> alternate_ports(const HostPorts& service, bool all) {
    std::vector<std::uint16_t> ports;
    for (const std::uint16_t port : service.ports) {
        const bool usual = port == 465 || port == 587;
        if (port == 443 || (!usual && (all || ports.empty()))) ports.push_back(port);
    }
    return ports;
}

// Services on ports that remain where 25, 465 and 587 are all closed: whether the network is down
// or only shut to mail shows there. Only with the built-in quorum: one's own targets are asked
// alone.
void spawn_alternates(const RunPointer& run) {
    std::size_t asked = 0;
    for (const HostPorts& service : built_in_targets().alternates) {
        if (!run->ask.thorough && asked++ == alternates_asked) return;
        spawn_other(run, ProbeRole::control, service.host, service.host,
                    alternate_ports(service, run->ask.thorough), run->ask.thorough);
    }
}

void spawn_addresses(const RunPointer& run) {
    for (const HostPorts& literal : built_in_targets().addresses) {
        PortEvidence item;
        item.role = ProbeRole::address;
        item.operator_name = item.host = item.address = literal.host;
        item.port = literal.ports.front();
        item.family =
            literal.host.find(':') == std::string::npos ? net::Family::ipv4 : net::Family::ipv6;
        const bool wanted =
            item.family == net::Family::ipv4 ? run->ask.options.ipv4 : run->ask.options.ipv6;
        if (wanted) spawn(run, connect_task(run, std::move(item), Visit{}));
    }
}

void spawn_all(const RunPointer& run) {
    for (const ProbeTarget& target : chosen_targets(run->ask.options)) {
        spawn(run, direct_task(run, target));
        if (target.controls.empty()) continue;
        const HostPorts& control = target.controls.front();
        const bool echo = run->ask.thorough && target.control_echo;
        spawn_other(run, ProbeRole::control, target.operator_name, control.host, control.ports,
                    echo);
    }
    if (run->ask.options.targets.empty()) {
        spawn_alternates(run);
        if (run->ask.thorough) spawn_addresses(run);
    }
    for (const SmarthostTarget& smarthost : run->ask.smarthosts) {
        spawn_other(run, ProbeRole::smarthost, smarthost.name, smarthost.host,
                    smarthost_ports(smarthost), false);
    }
}

// Without a route no name server answers either: that is no fault of DNS.
void mark_missing_routes(Run& run) {
    const bool only_dns =
        std::all_of(run.evidence.begin(), run.evidence.end(), [](const auto& item) {
            return item.result == "dns" || item.connect == ConnectResult::no_route;
        });
    if (!only_dns) return;
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        if (has_route(run.executor, family)) return;
    }
    for (PortEvidence& item : run.evidence) {
        item.result = "unreachable";
        item.connect = ConnectResult::no_route;
    }
}

}  // namespace

std::vector<std::uint16_t> smarthost_ports(const SmarthostTarget& smarthost) {
    std::vector<std::uint16_t> ports;
    if (smarthost.host.starts_with("unix:")) return ports;  // there is no network to ask about
    const auto add = [&](std::uint16_t port) {
        if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
    };
    for (const std::uint16_t port : smarthost.ports) add(port);
    for (const std::uint16_t port : usual_ports) add(port);
    return ports;
}

asio::awaitable<std::vector<PortEvidence>> survey_ports(asio::any_io_executor executor,
                                                        net::Resolver& resolver, SurveyAsk ask) {
    const auto run = std::make_shared<Run>(executor, resolver, std::move(ask));
    spawn_all(run);
    if (run->pending > 0) {
        boost::system::error_code cancelled;
        co_await run->finished.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
    run->over = true;
    for (PortEvidence& item : run->asking) {
        item.lookup = since(run->started);
        run->evidence.push_back(std::move(item));
    }
    mark_missing_routes(*run);
    if (run->ask.trust_store) judge_issuers(run->evidence);
    // One's own targets may well be related.
    if (run->ask.options.targets.empty()) judge_greetings(run->evidence);
    co_return std::move(run->evidence);
}

}  // namespace diagnose
