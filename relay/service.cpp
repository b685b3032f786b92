#include "relay/service.hpp"

#include <malloc.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <exception>
#include <thread>
#include <utility>

#include "admin/server.hpp"
#include "base/at_end.hpp"
#include "base/bug.hpp"
#include "base/log.hpp"
#include "base/units.hpp"
#include "base/uptime.hpp"
#include "delivery/engine.hpp"
#include "diagnose/startup_probe.hpp"
#include "net/handover.hpp"
#include "net/resolver.hpp"
#include "net/run_on.hpp"
#include "relay/cli.hpp"
#include "relay/descriptors.hpp"
#include "relay/diagnose_ask.hpp"
#include "relay/diagnosis_runner.hpp"
#include "relay/explain_reply.hpp"
#include "relay/listener.hpp"
#include "relay/recent_rates.hpp"
#include "relay/restart_keys.hpp"
#include "relay/service_files.hpp"
#include "relay/systemd.hpp"
#include "spool/spool.hpp"
#include "tls/context.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

// How long SIGTERM waits for transactions under way; the unit has systemd wait for 60 s.
constexpr base::Duration listener_grace = std::chrono::seconds{10};
constexpr base::Duration delivery_grace = std::chrono::seconds{20};

constexpr std::uint64_t most_incoming_memory = 256 * 1024 * 1024;
// Fewer connections leave too little behind to look for.
constexpr std::uint64_t crowd = 64;

void log_remarks(const config::Settings& settings) {
    for (const config::Problem& remark : settings.warnings) {
        base::log_warning("configuration", {{"remark", remark.text()}});
    }
}

void mask_reloads(int how) {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGHUP);
    ::pthread_sigmask(how, &signals, nullptr);
}

// Comes with the signal that was kept waiting, so its handler must be in place.
void let_reloads_through() { mask_reloads(SIG_UNBLOCK); }

// The running parts, in the order in which they depend on each other.
class Service {
 public:
    explicit Service(config::Settings settings) : settings_(std::move(settings)) {}
    ~Service() {
        // A file that does not come holds its thread for ever: the process ends without it.
        if (reloading_) static_cast<void>(loading_.release());
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    base::Result<> start();
    void run();

 private:
    base::Result<> open_spool();
    void start_delivery(const delivery::Engine::Contexts& contexts);
    base::Result<> start_listener(const ServiceFiles& files);
    base::Result<> start_admin();
    std::shared_ptr<const ConnectionServices> connection_services(const config::Settings& settings,
                                                                  const ServiceFiles& files);
    [[nodiscard]] DescriptorPlan descriptors(const config::Settings& settings) const;
    [[nodiscard]] ListenerOptions listener_options(const config::Settings& settings) const;
    [[nodiscard]] bool short_of_files(const config::Settings& settings) const;
    asio::awaitable<void> probe_now_and_then();
    asio::awaitable<void> probe();
    asio::awaitable<void> handle_signals();
    asio::awaitable<int> next_signal();
    asio::awaitable<void> stop();
    void begin_reload();
    asio::awaitable<void> reload();
    base::Result<> take_over(FreshSettings read);
    asio::awaitable<void> sample_rates();
    [[nodiscard]] RecentRates::Totals totals() const;
    void give_memory_back();
    void log_verdict() const;
    [[nodiscard]] admin::ListenerStatus listener_status() const;

    config::Settings settings_;
    asio::io_context loop_{1};
    asio::thread_pool files_{1};
    std::unique_ptr<asio::thread_pool> loading_ = std::make_unique<asio::thread_pool>(1);
    asio::signal_set signals_{loop_};
    base::SystemClock clock_;
    base::MessageIdSource ids_;
    ListenerCounters counters_;
    SignInBrake sign_in_brake_;
    IncomingMemory incoming_memory_{most_incoming_memory};
    std::uint64_t most_connections_ = 0;  // since memory was given back
    std::optional<diagnose::StartupVerdict> verdict_;
    asio::steady_timer probe_timer_{loop_};
    asio::steady_timer rates_timer_{loop_};
    RecentRates rates_;
    std::unique_ptr<net::Resolver> resolver_;
    std::unique_ptr<net::Handover> handover_;  // before the spool, whose threads use it
    std::unique_ptr<spool::Spool> spool_;
    std::unique_ptr<delivery::Engine> engine_;
    std::unique_ptr<Listener> listener_;
    std::unique_ptr<DiagnosisRunner> diagnoses_;
    std::unique_ptr<admin::Api> api_;
    std::unique_ptr<admin::Server> admin_;
    base::Time started_{};
    base::Duration started_uptime_{};
    std::uint64_t descriptor_limit_ = 0;
    bool ready_ = false;
    bool reloading_ = false, reload_wanted_ = false;
    std::jthread openssl_;
};

bool uses_tls(const config::Settings& settings) {
    return !settings.listener.tls.certificate.empty() ||
           std::ranges::any_of(settings.delivery.smarthosts, [](const auto& smarthost) {
               return smarthost.tls != delivery::TlsMode::none;
           });
}

base::Result<> Service::start() {
    signals_.add(SIGHUP);
    let_reloads_through();
    started_ = clock_.now();
    started_uptime_ = base::uptime();
    descriptor_limit_ = raise_descriptor_limit();
    if (uses_tls(settings_)) openssl_ = std::jthread{tls::prepare_library};
    resolver_ = net::make_resolver(loop_.get_executor());
    if (base::Result<> opened = open_spool(); !opened) return opened;
    const base::Result<ServiceFiles> files = load_service_files(settings_);
    if (!files) return files.error();
    start_delivery(files->smarthosts);
    if (base::Result<> listening = start_listener(*files); !listening) return listening;
    if (base::Result<> serving = start_admin(); !serving) return serving;
    // Until now they end relay at once, which has nothing under way.
    signals_.add(SIGTERM);
    signals_.add(SIGINT);
    asio::co_spawn(loop_, handle_signals(),
                   base::bug_logger("signals are heard no more: an internal error"));
    asio::co_spawn(loop_, probe_now_and_then(),
                   base::bug_logger("port 25 is probed no more: an internal error"));
    asio::co_spawn(loop_, sample_rates(),
                   base::bug_logger("rates are measured no more: an internal error"));
    engine_->start();
    ready_ = true;
    notify_systemd("READY=1");
    base::log_info("relay is ready", {{"version", version_text()},
                                      {"config", settings_.file.string()},
                                      {"spool", settings_.spool.directory.string()},
                                      {"smarthosts", settings_.delivery.smarthosts.size()}});
    return {};
}

base::Result<> Service::open_spool() {
    base::Result<std::unique_ptr<net::Handover>> handover = net::Handover::open(loop_);
    if (!handover) return handover.error();
    handover_ = std::move(*handover);
    spool::Post post = [this](std::function<void()> batch) { handover_->post(std::move(batch)); };
    base::Result<std::unique_ptr<spool::Spool>> spool =
        spool::Spool::open(settings_.spool, std::move(post));
    if (!spool) return spool.error();
    spool_ = std::move(*spool);
    return {};
}

void Service::start_delivery(const delivery::Engine::Contexts& contexts) {
    delivery::Surroundings surroundings;
    surroundings.executor = loop_.get_executor();
    surroundings.files = files_.get_executor();
    surroundings.spool = spool_.get();
    surroundings.resolver = resolver_.get();
    surroundings.clock = &clock_;
    surroundings.ids = &ids_;
    surroundings.explain = [](const smtp::Reply& reply, smtp::Stage stage,
                              const std::string& host) {
        return explain_reply(reply, stage, host);
    };
    engine_ =
        std::make_unique<delivery::Engine>(settings_.delivery, contexts, std::move(surroundings));
}

std::shared_ptr<const ConnectionServices> Service::connection_services(
    const config::Settings& settings, const ServiceFiles& files) {
    auto services = std::make_shared<ConnectionServices>();
    services->smtp = settings.server;
    services->idle_timeout = settings.listener.idle_timeout;
    services->add_missing_headers = settings.add_missing_headers;
    services->spool = spool_.get();
    services->engine = engine_.get();
    services->clock = &clock_;
    services->ids = &ids_;
    services->counters = &counters_;
    services->sign_in_brake = &sign_in_brake_;
    services->incoming_memory = &incoming_memory_;
    services->tls = files.tls;
    services->credentials = files.users;
    return services;
}

DescriptorPlan Service::descriptors(const config::Settings& settings) const {
    std::uint64_t smarthosts = 0;
    for (const auto& smarthost : settings.delivery.smarthosts) {
        smarthosts += smarthost.max_connections;
    }
    return plan_descriptors(descriptor_limit_, settings.listener.max_connections, smarthosts);
}

ListenerOptions Service::listener_options(const config::Settings& settings) const {
    ListenerOptions options = settings.listener;
    const DescriptorPlan plan = descriptors(settings);
    if (plan.clients < options.max_connections) {
        base::log_warning(
            "fewer clients than server.max_connections fit into the limit of open files",
            {{"max_connections", options.max_connections},
             {"clients", plan.clients},
             {"limit", plan.limit},
             {"limit_needed", plan.wanted},
             {"remedy", "LimitNOFILE= in the systemd unit, ulimit -n in a shell"}});
    }
    options.max_connections = plan.clients;
    return options;
}

bool Service::short_of_files(const config::Settings& settings) const {
    return descriptors(settings).clients < settings.listener.max_connections;
}

base::Result<> Service::start_listener(const ServiceFiles& files) {
    listener_ = std::make_unique<Listener>(loop_.get_executor(), listener_options(settings_),
                                           connection_services(settings_, files), counters_);
    listener_->set_short_of_files(short_of_files(settings_));
    return listener_->start();
}

admin::ListenerStatus Service::listener_status() const {
    admin::ListenerStatus status;
    status.addresses = listener_->addresses();
    status.tls_addresses = listener_->tls_addresses();
    status.connections = counters_.connections;
    status.connections_total = counters_.connections_total;
    status.connections_refused = counters_.connections_refused;
    status.messages_accepted = counters_.messages_accepted;
    status.messages_refused = counters_.messages_refused;
    status.bytes_accepted = counters_.bytes_accepted;
    return status;
}

base::Result<> Service::start_admin() {
    admin::Services services;
    services.spool = spool_.get();
    services.delivery = [this] { return engine_->status(); };
    services.listener = [this] { return listener_status(); };
    services.verdict = [this] { return verdict_; };
    services.probing = [this] { return settings_.probe.enabled; };
    services.last_minute = [this] {
        const RecentRates::Totals recent = rates_.recent(base::uptime(), totals());
        return admin::RecentCounts{recent.accepted, recent.delivered};
    };
    services.attempt_now = [this] { engine_->attempt_now(); };
    services.ready = [this] { return ready_; };
    diagnoses_ = std::make_unique<DiagnosisRunner>(loop_.get_executor());
    services.diagnose = [this](std::function<void(diagnose::Report)> done) {
        return diagnoses_->start(outbound_ask(settings_), std::move(done));
    };
    services.version = version_text();
    services.started = started_;
    services.started_uptime = started_uptime_;
    services.config_file = settings_.file.string();
    api_ = std::make_unique<admin::Api>(std::move(services));
    const std::string socket = (settings_.spool.directory / "control.sock").string();
    admin::ServerLimits limits;
    limits.connections = descriptors(settings_).admin;
    base::Result<std::unique_ptr<admin::Server>> server = admin::Server::start(
        loop_.get_executor(), files_.get_executor(), settings_.admin, socket, *api_, limits);
    if (!server) return server.error();
    admin_ = std::move(*server);
    for (const std::string& address : admin_->addresses())
        base::log_info("admin interface", {{"address", address}});
    return {};
}

asio::awaitable<void> Service::probe_now_and_then() {
    // A reload ends the wait: it may turn probing on or off, or name other targets.
    for (;;) {
        if (settings_.probe.enabled) {
            co_await probe();
        } else {
            verdict_.reset();
        }
        boost::system::error_code ec;
        probe_timer_.expires_after(settings_.probe.interval);
        co_await probe_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        if (ec && !ready_) co_return;
    }
}

RecentRates::Totals Service::totals() const {
    RecentRates::Totals totals;
    totals.accepted = counters_.messages_accepted;
    totals.delivered = engine_->status().delivered;
    return totals;
}

asio::awaitable<void> Service::sample_rates() {
    for (;;) {
        rates_.sample(base::uptime(), totals());
        give_memory_back();
        boost::system::error_code ec;
        rates_timer_.expires_after(RecentRates::interval);
        co_await rates_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        if (ec) co_return;
    }
}

// What a crowd of connections took goes back to the system when it has gone.
void Service::give_memory_back() {
    most_connections_ = std::max(most_connections_, counters_.connections);
    if (most_connections_ < crowd || counters_.connections > most_connections_ / 2) return;
    most_connections_ = counters_.connections;
    ::malloc_trim(0);
}

asio::awaitable<void> Service::probe() {
    std::vector<diagnose::SmarthostTarget> smarthosts;
    for (const auto& smarthost : settings_.delivery.smarthosts) {
        if (smarthost.host.starts_with("unix:")) continue;
        smarthosts.push_back({smarthost.name, smarthost.host, smarthost.ports});
    }
    diagnose::ProbeOptions options = settings_.probe;
    verdict_ = co_await diagnose::run_startup_probe(loop_.get_executor(), *resolver_,
                                                    std::move(options), std::move(smarthosts));
    log_verdict();
}

void Service::log_verdict() const {
    const bool good = verdict_->code == diagnose::VerdictCode::ok_direct;
    const bool blocked = verdict_->code == diagnose::VerdictCode::outbound_25_dropped ||
                         verdict_->code == diagnose::VerdictCode::outbound_25_rejected;
    // A closed port 25 is what relay is there for: worth a line, no alarm.
    base::log(good || blocked ? base::LogLevel::info : base::LogLevel::warning, "port 25 verdict",
              {{"verdict", diagnose::verdict_name(verdict_->code)},
               {"summary", verdict_->summary},
               {"took_ms", verdict_->took.count()}});
}

// 0 when relay ends.
asio::awaitable<int> Service::next_signal() {
    boost::system::error_code ec;
    const int number = co_await signals_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    co_return ec ? 0 : number;
}

asio::awaitable<void> Service::handle_signals() {
    for (;;) {
        const int number = co_await next_signal();
        if (number == 0) co_return;
        if (number != SIGHUP) break;
        reload_wanted_ = true;
        begin_reload();
    }
    asio::co_spawn(loop_, stop(), [this](const std::exception_ptr& problem) {
        base::log_bug("the stop met an internal error", problem);
        loop_.stop();
    });
    for (;;) {
        const int number = co_await next_signal();
        if (number == 0) co_return;
        if (number != SIGHUP) break;
        base::log_info("no reload while relay stops");
    }
    base::log_warning("stopping at once: open transactions are cut");
    listener_->hurry();
    engine_->hurry();
}

// A signal that comes during a reload asks for another behind it.
void Service::begin_reload() {
    if (!ready_ || reloading_ || !std::exchange(reload_wanted_, false)) return;
    reloading_ = true;
    asio::co_spawn(loop_, reload(), [this](const std::exception_ptr& problem) {
        base::log_bug("a reload ended by an internal error", problem);
        reloading_ = false;
        begin_reload();
    });
}

asio::awaitable<void> Service::reload() {
    notify_systemd("RELOADING=1");
    // A password_command may take its time, and a file on a lost server: neither mail nor a stop
    // waits for them. Only the log is opened here, where it is written.
    const std::filesystem::path file = settings_.file;
    const auto load = [&file] { return load_fresh(file); };
    base::Result<FreshSettings> fresh = co_await net::run_on(loading_->get_executor(), load);
    if (!ready_) co_return;  // relay stops
    const base::AtEnd told{[] { notify_systemd("READY=1"); }};
    const base::Result<> done = fresh ? take_over(std::move(*fresh)) : fresh.error();
    if (done) {
        base::log_info("configuration reloaded", {{"config", settings_.file.string()}});
    } else {
        base::log_error("configuration not reloaded: relay goes on with the settings it had",
                        {{"problem", done.error().message}});
    }
}

// All of the new settings or, with the error, none.
base::Result<> Service::take_over(FreshSettings read) {
    for (const config::Problem& problem : read.loaded.problems) {
        base::log_error("configuration fault", {{"problem", problem.text()}});
    }
    if (!read.loaded.ok()) return base::error("the file has faults");
    config::Settings& fresh = read.loaded.settings;
    if (base::Result<> opened = base::open_log(fresh.log); !opened) return opened;
    engine_->reload(fresh.delivery, read.files.smarthosts);
    listener_->reload(listener_options(fresh), connection_services(fresh, read.files));
    listener_->set_short_of_files(short_of_files(fresh));
    admin_->set_token(fresh.admin.token);
    log_remarks(fresh);
    for (const std::string& key : needing_restart(settings_, fresh)) {
        base::log_warning("a setting changes with a restart only", {{"key", key}});
    }
    settings_ = std::move(fresh);
    probe_timer_.cancel();
    return {};
}

asio::awaitable<void> Service::stop() {
    ready_ = false;
    notify_systemd("STOPPING=1");
    base::log_info("stopping: open transactions may end first");
    probe_timer_.cancel();
    co_await listener_->stop(listener_grace);
    co_await engine_->stop(delivery_grace);
    admin_->stop();
}

void Service::run() {
    base::gather_log([this](std::function<void()> write) { asio::post(loop_, std::move(write)); });
    loop_.run();
    base::gather_log(nullptr);
    // What the spool still has to write is written by its destruction; nobody waits for answers
    // now.
    spool_.reset();
    base::log_info("stopped");
}

}  // namespace

void keep_reloads_waiting() { mask_reloads(SIG_BLOCK); }

base::Result<> run_service(config::Settings settings) {
    std::signal(SIGPIPE, SIG_IGN);
    // Two arenas are enough for one busy thread and its helpers, and keep the process small.
    ::mallopt(M_ARENA_MAX, 2);
    // Pieces of large content would else come fresh from the system each time, page by page.
    ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
    ::mallopt(M_TRIM_THRESHOLD, 1 << 20);
    log_remarks(settings);
    Service service{std::move(settings)};
    if (base::Result<> started = service.start(); !started) return started;
    service.run();
    return {};
}

}  // namespace relay
