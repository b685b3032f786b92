#include "diagnose/outbound.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <set>

#include "base/text.hpp"
#include "diagnose/check_names.hpp"
#include "diagnose/firewall_listing.hpp"
#include "diagnose/local_signs.hpp"
#include "diagnose/name_trust.hpp"
#include "diagnose/observations.hpp"
#include "diagnose/outbound_choice.hpp"
#include "diagnose/own_server.hpp"
#include "diagnose/portal.hpp"
#include "diagnose/smarthost_blame.hpp"
#include "diagnose/survey.hpp"
#include "diagnose/web_proxy.hpp"
#include "net/resolv_conf.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

constexpr base::Duration survey_time{4000};  // of one connect: three SYNs
constexpr base::Duration name_time{2500};    // of what is asked about our own address
constexpr base::Duration leisure{100}, least_patience{250};  // with routers before an open port
constexpr base::Duration path_time{7000};                    // of what follows the survey
constexpr base::Duration reserve{500};                       // for concluding
constexpr base::Duration name_server_time{2500};             // of one question to one of them
constexpr base::Duration other_port_time{5000};              // of a greeting, EHLO and TLS
constexpr base::Duration answer_time{3000};                  // of measuring where answers come from
constexpr std::uint16_t control_port = 443;  // what port 25 of the same address is compared with

// One diagnosis. Shared, so that a task that comes late writes into memory that is still there.
struct Job {
    Job(asio::any_io_executor on, net::Resolver& names, OutboundAsk what)
        : executor(std::move(on)), resolver(names), ask(std::move(what)), gate(executor) {}
    asio::any_io_executor executor;
    net::Resolver& resolver;
    OutboundAsk ask;
    SteadyClock::time_point began = SteadyClock::now();
    asio::steady_timer gate;  // expires with the time-out; cancelled when a phase is done
    std::size_t pending = 0;
    std::map<std::string, std::size_t, std::less<>> running;  // tasks of each check, by title
    std::map<std::string, SteadyClock::time_point, std::less<>> since;  // one of them has run
    std::map<std::string, base::Duration, std::less<>> lasted;          // before that, in all
    std::vector<bool> others_begun;           // of each smarthost, its other ports
    bool surveyed = false;                    // survey_ports has written seen.ports
    bool host_known = false;                  // identify_host has written seen.host
    std::optional<FirewallReading> firewall;  // rules_task has read it
    bool over = false;                        // the report is made: nothing more is begun or told
    net::ResolvConf resolv_conf = net::read_resolv_conf();
    std::optional<tls::ClientContext> observer;
    Observations seen;

    [[nodiscard]] base::Duration left() const {
        const auto spent = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - began);
        return std::max(ask.timeout - reserve - spent, base::Duration{1});
    }
};

using JobPointer = std::shared_ptr<Job>;

// A check begins with the first of its tasks and ends with the last.
void tell_began(const JobPointer& job, const std::string& title) {
    const bool first = job->running[title]++ == 0;
    if (first) job->since[title] = SteadyClock::now();
    if (first && job->ask.progress.began) job->ask.progress.began(title);
}

// More is found to do for it, or not, once both are known: until then it goes on.
bool waits(const Job& job, std::string_view title) {
    if (title == check_name::host.title) return !job.surveyed || !job.host_known;
    if (title == check_name::local_firewall.title) return !job.surveyed || !job.firewall;
    return false;
}

void tell_ended(const JobPointer& job, std::string_view title) {
    if (job->over || !job->ask.progress.ended) return;
    for (const Check& check : conclude(job->seen).checks) {
        if (check.title == title) job->ask.progress.ended(check);
    }
}

void note_end(const JobPointer& job, const std::string& title) {
    if (--job->running[title] > 0) return;
    const auto spent = SteadyClock::now() - job->since[title];
    job->lasted[title] += std::chrono::duration_cast<base::Duration>(spent);
    if (!waits(*job, title)) tell_ended(job, title);
}

// Those that waited for what the survey found, and have nothing more to do.
void tell_waiting(const JobPointer& job) {
    for (const std::string_view title :
         {check_name::host.title, check_name::local_firewall.title}) {
        const auto running = job->running.find(title);
        const bool idle = running != job->running.end() && running->second == 0;
        if (idle && !waits(*job, title)) tell_ended(job, title);
    }
}

void spawn(const JobPointer& job, std::string_view name, asio::awaitable<void> task) {
    const std::string title{name};
    ++job->pending;
    tell_began(job, title);
    asio::co_spawn(job->executor, std::move(task), [job, title](std::exception_ptr) {
        // A task that failed has seen nothing; its check says so.
        note_end(job, title);
        if (--job->pending == 0) job->gate.cancel();
    });
}

asio::awaitable<void> wait_for_all(JobPointer job) {
    if (job->pending == 0) co_return;
    boost::system::error_code cancelled;
    job->gate.expires_after(job->left());
    co_await job->gate.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

asio::awaitable<void> path_task(JobPointer job, PortEvidence item) {
    TraceAsk ask;
    ask.target = item.host;
    ask.address = asio::ip::make_address(item.address);
    ask.port = item.port;
    // A router on the way answers no later than the host behind it, some leisure allowed.
    if (item.open())
        ask.probe_timeout = std::clamp(3 * item.took + leisure, least_patience, ask.probe_timeout);
    ask.timeout = std::min(ask.timeout, job->left() - std::min(job->left(), base::Duration{1000}));
    PathTrace path = co_await trace_path(job->executor, ask);
    job->seen.paths.push_back(std::move(path));
}

asio::awaitable<void> answer_task(JobPointer job, PortEvidence item, std::size_t index) {
    const auto address = asio::ip::make_address(item.address);
    const base::Duration limit = std::min(answer_time, job->left());
    AnswerPair pair =
        co_await measure_answers(job->executor, item.host, address, item.port, control_port, limit);
    job->seen.answers[index] = std::move(pair);
}

// The rules of one family say nothing about the other: each has signs of its own.
void keep_signs(const Suspect& suspect, LocalSigns signs, Observations& seen) {
    if (suspect.smarthost) {
        seen.smarthost_signs[*suspect.smarthost] = std::move(signs);
    } else if (seen.local.address.empty()) {
        seen.local = std::move(signs);
    } else {
        seen.local_second = std::move(signs);
    }
}

// One after the other, as they share the kernel's counter.
asio::awaitable<void> local_task(JobPointer job, std::vector<Suspect> suspects) {
    for (const Suspect& suspect : suspects) {
        if (job->over) co_return;
        const auto address = asio::ip::make_address(suspect.item.address);
        LocalSigns signs;
        if (suspect.item.open() || suspect.item.last_left) {
            // That its packets leave is known: only a rule can say more.
            signs = signs_of_rules(*job->firewall, suspect.item.address, suspect.item.family,
                                   suspect.item.port);
            signs.retransmissions = suspect.item.retransmissions;
            signs.last_left = suspect.item.last_left;
        } else {
            signs = co_await look_at_this_host(job->executor, *job->firewall, address,
                                               suspect.item.port);
        }
        keep_signs(suspect, std::move(signs), job->seen);
    }
}

// Once it is known which ports are closed, and which rules there are.
void look_for_local_faults(const JobPointer& job) {
    if (!job->surveyed || !job->firewall || job->over) return;
    std::vector<Suspect> suspects = suspects_of(job->seen, job->ask);
    if (suspects.empty()) return;
    spawn(job, check_name::local_firewall.title, local_task(job, std::move(suspects)));
}

// A rule may be for one family; one for both is told once.
void add_rules_for_others(Job& job, const FirewallReading& reading, net::Family family) {
    std::vector<std::uint16_t> ports{25};
    for (const SmarthostAsk& smarthost : job.ask.smarthosts) {
        for (const SmarthostAsk::Port& port : smarthost.ports) {
            if (std::count(ports.begin(), ports.end(), port.port) == 0) ports.push_back(port.port);
        }
    }
    std::vector<RuleForUser>& known = job.seen.rules_for_others;
    for (RuleForUser& rule : rules_against_others(reading, ports, job.resolv_conf.servers,
                                                  job.seen.dns_transport, family)) {
        const bool told = std::any_of(known.begin(), known.end(), [&](const RuleForUser& other) {
            return other.port == rule.port &&
                   rule_text(other.match.rule) == rule_text(rule.match.rule);
        });
        if (!told) known.push_back(std::move(rule));
    }
}

// The rules are read whenever they may be: what stops everything leaves nothing to be asked.
asio::awaitable<void> rules_task(JobPointer job) {
    FirewallReading reading = co_await read_firewall();
    job->seen.local.rules_read = reading.readable;
    job->seen.local.rules_problem = reading.why_not;
    const net::Family family = job->seen.route_v4 ? net::Family::ipv4 : net::Family::ipv6;
    const bool routed = job->seen.route_v4 || job->seen.route_v6;
    if (routed) {
        job->seen.rule_for_all = signs_of_rules(reading, "", family, control_port).rule;
    }
    for (const net::Family each : {net::Family::ipv4, net::Family::ipv6}) {
        const bool has_it = each == net::Family::ipv4 ? job->seen.route_v4 : job->seen.route_v6;
        if (has_it) add_rules_for_others(*job, reading, each);
    }
    job->seen.rule_for_dns =
        rule_against_dns(reading, job->resolv_conf.servers, job->seen.dns_transport);
    job->firewall = std::move(reading);
    look_for_local_faults(job);
}

asio::awaitable<void> network_task(JobPointer job) {
    std::set<std::string> echoed;
    for (const PortEvidence& item : job->seen.ports) {
        if (!item.greeting) continue;
        const std::string address = echoed_address(item.greeting->ehlo_lines);
        if (!address.empty()) echoed.insert(address);
    }
    std::vector<std::string> addresses{echoed.begin(), echoed.end()};
    const base::Duration limit = std::min(name_time, job->left());
    co_await identify_network(job->executor, job->resolver, addresses, limit, job->seen.host);
}

asio::awaitable<void> other_port_task(JobPointer job, std::size_t index, PortEvidence item) {
    const base::Duration limit = std::min(other_port_time, job->left());
    OtherPort port = co_await try_other_port(job->executor, job->ask.smarthosts[index],
                                             item.address, item.port, limit);
    if (!job->over) job->seen.other_ports[index].push_back(std::move(port));
}

// Before another port is offered it must have spoken. Begins when the open ones are known and the
// configured ones have failed or take long.
void try_other_ports(const JobPointer& job, std::size_t index) {
    if (!job->surveyed || job->over || job->others_begun[index]) return;
    const SmarthostStages& stages = job->seen.smarthosts[index];
    const bool ended = !stages.name.empty();
    if (ended && !calls_for_other_ports(stages)) return;
    job->others_begun[index] = true;
    const SmarthostAsk& ask = job->ask.smarthosts[index];
    for (const PortEvidence& item : open_beside(job->seen, ask)) {
        spawn(job, other_ports_title(ask.name), other_port_task(job, index, item));
    }
}

// Once both are known: what the mail servers echoed, and what this host says of itself. Both go
// into the same record, one after the other.
void look_at_addresses(const JobPointer& job) {
    if (!job->surveyed || !job->host_known || job->over) return;
    spawn(job, check_name::host.title, network_task(job));
}

// Its greeting may be the one that answers in the others' place.
asio::awaitable<void> own_server_task(JobPointer job) {
    std::string greeting = co_await own_greeting(job->executor);
    if (!job->over) job->seen.own_greeting = std::move(greeting);
}

// What needs the survey's outcome. Slow smarthosts go on beside it.
void start_second_phase(const JobPointer& job) {
    if (job->over) return;
    look_at_addresses(job);
    look_for_local_faults(job);
    if (stranger_answers(job->seen)) {
        spawn(job, check_name::local_firewall.title, own_server_task(job));
    }
    for (std::size_t i = 0; i < job->ask.smarthosts.size(); ++i) try_other_ports(job, i);
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        const PortEvidence* item = to_trace(job->seen, family);
        if (item == nullptr || (job->ask.quick && item->genuine)) continue;
        spawn(job, check_name::path.title, path_task(job, *item));
        if (answered(*item)) {
            job->seen.answers.emplace_back();
            job->seen.answers.back().target = item->host;
            const std::size_t index = job->seen.answers.size() - 1;
            spawn(job, check_name::answers.title, answer_task(job, *item, index));
        }
    }
    tell_waiting(job);
}

asio::awaitable<void> survey_task(JobPointer job) {
    SurveyAsk ask;
    ask.options = job->ask.probe;
    ask.options.timeout = std::min(survey_time, job->ask.timeout / 3);
    ask.greeting_limit = job->ask.timeout - std::min(job->ask.timeout, path_time);
    ask.smarthosts = targets_of(job->ask);
    ask.thorough = job->observer.has_value();
    ask.observer = job->observer ? &*job->observer : nullptr;
    ask.trust_store = job->seen.trust_store;
    if (!job->ask.hostname.empty()) ask.helo = job->ask.hostname;
    std::vector<PortEvidence> ports = co_await survey_ports(job->executor, job->resolver, ask);
    job->seen.ports = std::move(ports);
    job->seen.smarthost_ports = smarthost_results(job->seen.ports, targets_of(job->ask));
    job->surveyed = true;
    start_second_phase(job);
}

asio::awaitable<void> host_task(JobPointer job) {
    // One's own targets are asked alone: nothing else is touched then.
    const bool alone = !job->ask.probe.targets.empty();
    const Metadata metadata = alone ? Metadata::leave_alone : Metadata::ask;
    HostIdentity identity = co_await identify_host(job->executor, job->resolver, metadata);
    job->seen.host = std::move(identity);
    job->host_known = true;
    look_at_addresses(job);
}

asio::awaitable<void> portal_task(JobPointer job) {
    std::string portal = co_await find_portal(job->executor, job->resolver);
    job->seen.portal = std::move(portal);
    job->seen.portal_skipped = false;
}

asio::awaitable<void> name_server_task(JobPointer job, std::size_t index) {
    const std::string address = job->seen.each_name_server[index].address;
    const base::Duration limit = std::min(name_server_time, job->left());
    NameServer server = co_await ask_name_server(job->executor, address, limit);
    if (!job->over) job->seen.each_name_server[index] = std::move(server);
}

void ask_each_name_server(const JobPointer& job) {
    for (const std::string& address : job->resolv_conf.servers) {
        NameServer server;
        server.address = address;
        job->seen.each_name_server.push_back(std::move(server));
    }
    for (std::size_t i = 0; i < job->seen.each_name_server.size(); ++i) {
        spawn(job, check_name::name_servers.title, name_server_task(job, i));
    }
}

asio::awaitable<void> search_task(JobPointer job) {
    std::string page = co_await find_search_page(job->resolver);
    if (!job->over) job->seen.search_page = std::move(page);
}

asio::awaitable<void> smarthost_task(JobPointer job, std::size_t index) {
    const SmarthostAsk& ask = job->ask.smarthosts[index];
    // So that what it saw is known before all is over.
    const base::Duration limit = job->left() - std::min(job->left() / 10, reserve);
    SmarthostStages stages = co_await check_smarthost(job->executor, job->resolver, ask, limit);
    stages.given = job->ask.timeout;
    job->seen.smarthosts[index] = std::move(stages);
    try_other_ports(job, index);
}

void start_first_phase(const JobPointer& job) {
    spawn(job, check_name::port_25.title, survey_task(job));
    spawn(job, check_name::host.title, host_task(job));
    spawn(job, check_name::local_firewall.title, rules_task(job));
    if (job->ask.probe.targets.empty()) {
        job->seen.portal_skipped = true;
        spawn(job, check_name::network.title, portal_task(job));
        spawn(job, check_name::network.title, search_task(job));
        ask_each_name_server(job);
    }
    for (std::size_t i = 0; i < job->ask.smarthosts.size(); ++i) {
        spawn(job, smarthost_title(job->ask.smarthosts[i].name), smarthost_task(job, i));
    }
}

// A smarthost whose walk had not ended when the time was over: nothing is known of it.
void fill_unfinished(Job& job) {
    for (std::size_t i = 0; i < job.ask.smarthosts.size(); ++i) {
        SmarthostStages& stages = job.seen.smarthosts[i];
        if (!stages.name.empty()) continue;
        stages.name = job.ask.smarthosts[i].name;
        stages.host = job.ask.smarthosts[i].host;
        stages.stage = smtp::Stage::connect;
        stages.unfinished = true;
        stages.given = job.ask.timeout;
    }
}

// What is still running has lasted until now. The survey asks many things under one title, so that
// each check of it counts its own rows.
void note_durations(const Job& job, Report& report) {
    for (Check& check : report.checks) {
        if (check.title == check_name::port_25.title) continue;
        const auto ended = job.lasted.find(check.title);
        base::Duration spent = ended == job.lasted.end() ? base::Duration{} : ended->second;
        const auto running = job.running.find(check.title);
        if (running != job.running.end() && running->second > 0) {
            spent += std::chrono::duration_cast<base::Duration>(SteadyClock::now() -
                                                                job.since.at(check.title));
        }
        check.took = std::max(check.took, spent);
    }
}

}  // namespace

asio::awaitable<Report> diagnose_outbound(asio::any_io_executor executor, net::Resolver& resolver,
                                          OutboundAsk ask) {
    const base::Time started = base::SystemClock{}.now();
    const auto job = std::make_shared<Job>(executor, resolver, std::move(ask));
    job->seen.probe = job->ask.probe;
    job->seen.direct_path = job->ask.direct_path;
    job->seen.about_direct = job->ask.about_direct;
    job->seen.hostname = job->ask.hostname;
    job->seen.smarthosts.resize(job->ask.smarthosts.size());
    job->seen.smarthost_signs.resize(job->ask.smarthosts.size());
    job->seen.other_ports.resize(job->ask.smarthosts.size());
    job->others_begun.resize(job->ask.smarthosts.size());
    job->seen.route_v4 = has_route(executor, net::Family::ipv4);
    job->seen.route_v6 = has_route(executor, net::Family::ipv6);
    job->seen.name_servers = base::join(job->resolv_conf.servers, ", ");
    job->seen.name_servers_rotate = job->resolv_conf.rotate;
    if (job->resolv_conf.use_vc) job->seen.dns_transport = "tcp";
    job->seen.proxy = web_proxy();
    job->seen.trust_store = tls::has_trust_store();
    tls::ClientOptions observing;
    observing.observe = true;
    base::Result<tls::ClientContext> observer = tls::ClientContext::load(observing);
    if (observer.has_value()) job->observer = *observer;

    start_first_phase(job);
    co_await wait_for_all(job);
    job->over = true;
    fill_unfinished(*job);
    expose_search_page(job->seen);
    expose_mute_ports(job->seen);
    Report report = conclude(job->seen);
    note_durations(*job, report);
    report.started = started;
    report.took = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - job->began);
    co_return report;
}

}  // namespace diagnose
