#include "delivery/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/log.hpp"
#include "delivery/schedule.hpp"

namespace delivery {
namespace asio = boost::asio;
namespace {

// How many messages are held at a time, and when more are fetched. Enough to keep every
// connection busy; the rest waits in the spool and costs no memory.
constexpr std::size_t most_active = 2000;
constexpr std::size_t few_active = 1000;
constexpr std::size_t batch_size = 500;
constexpr std::uint64_t most_bytes = 32ULL << 20;

constexpr base::Duration least_step = std::chrono::minutes{1};  // of a clock that was set

}  // namespace

base::Result<Engine::Contexts> Engine::load_contexts(const Options& options) {
    Contexts contexts;
    for (const SmarthostOptions& smarthost : options.smarthosts) {
        base::Result<tls::ClientContext> context = tls::ClientContext::load(smarthost.verification);
        if (!context) {
            return base::error(
                fmt::format("smarthost {}: {}", smarthost.name, context.error().message));
        }
        contexts.push_back(std::move(*context));
    }
    return contexts;
}

Engine::Engine(Options options, const Contexts& contexts, Surroundings surroundings)
    : options_(std::move(options)),
      surroundings_(std::move(surroundings)),
      start_{surroundings_.clock->now(), surroundings_.uptime()},
      began_(start_.wall),
      first_id_(surroundings_.ids->next(began_)),
      timer_(surroundings_.executor),
      watch_timer_(surroundings_.executor),
      stopper_(surroundings_.executor) {
    pools_ = make_pools(options_, contexts);
}

Engine::~Engine() = default;

Engine::Pools Engine::make_pools(const Options& options, const Contexts& contexts) {
    Pools pools;
    Dispatcher& dispatcher = *this;
    for (std::size_t i = 0; i < options.smarthosts.size(); ++i) {
        pools.push_back(std::make_shared<Pool>(options.smarthosts[i], options.retry.steps.front(),
                                               contexts.at(i), surroundings_, dispatcher));
    }
    std::stable_sort(pools.begin(), pools.end(),
                     [](const auto& a, const auto& b) { return a->priority() < b->priority(); });
    return pools;
}

void Engine::start() { take_due(); }

bool Engine::has_room() const { return !stopping_ && active_ < most_active; }

void Engine::submit(spool::Leased message) {
    ++active_;
    enqueue(std::make_unique<Job>(std::move(message), base::Duration{}, surroundings_.uptime()));
    dispatch();
}

void Engine::note_waiting() {
    more_waiting_ = true;
    if (active_ < few_active) take_due();
}

void Engine::attempt_now() {
    for (const auto& pool : pools_) pool->try_at_once();
    take_due();
    dispatch();
}

void Engine::reload(Options options, const Contexts& contexts) {
    Pools pools = make_pools(options, contexts);
    bool troubled = false;
    for (const auto& pool : pools_) {
        const Health health = pool->health().state();
        troubled = troubled || health == Health::paused || health == Health::failing;
        pool->retire();
        if (pool->connections() > 0) retired_.push_back(pool);
    }
    for (const auto& before : pools_) {
        const auto heir = std::find_if(pools.begin(), pools.end(), [&](const auto& pool) {
            return pool->options().name == before->options().name;
        });
        if (heir != pools.end()) {
            (*heir)->go_on_counting(*before);
        } else {
            delivered_before_ += before->status().delivered;
        }
    }
    options_ = std::move(options);
    last_look_.reset();  // its steps may be shorter
    pools_ = std::move(pools);
    for (const JobPtr& job : ready_) job->tried_pools.clear();
    tried_ready_ = 0;
    if (troubled) retry_all();
    take_due();
    dispatch();
}

void Engine::enqueue(JobPtr job) {
    // Past this much the bodies are read again from the spool when their turn comes.
    if (job->holds_body() && bytes_ + job->message().size > most_bytes) job->leased.body.reset();
    if (job->holds_body()) bytes_ += job->message().size;
    ready_.push_back(std::move(job));
}

void Engine::put_back(JobPtr job) {
    --under_way_;
    if (job->holds_body()) bytes_ += job->message().size;
    if (!job->tried_pools.empty()) ++tried_ready_;
    ready_.push_front(std::move(job));
    dispatch();
}

JobPtr Engine::next_job(Pool& pool) {
    if (stopping_ || ready_.empty()) return nullptr;
    const auto end = last_candidate();
    const auto found = std::find_if(ready_.begin(), end,
                                    [&](const JobPtr& job) { return acceptable(pool, *job); });
    if (found == end) return nullptr;
    JobPtr job = take_out(found);
    ++under_way_;
    if (!watching_) watch_transactions();
    return job;
}

JobPtr Engine::spare_job(Pool& pool) { return coming() < ready_.size() ? next_job(pool) : nullptr; }

// Behind a smarthost that fails mail waits for up to an hour; what a reload changed is tried at
// once.
void Engine::retry_all() {
    spool::Query waiting;
    waiting.states = {spool::MessageState::queued};
    spool::Selection selection;
    selection.query = std::move(waiting);
    surroundings_.spool->retry(std::move(selection), surroundings_.clock->now(),
                               [this](const spool::Outcome<std::uint64_t>&) { note_waiting(); });
}

// Only a message that failed over can go where the first in line cannot.
std::deque<JobPtr>::iterator Engine::last_candidate() {
    return tried_ready_ == 0 && !ready_.empty() ? std::next(ready_.begin()) : ready_.end();
}

JobPtr Engine::take_out(std::deque<JobPtr>::iterator place) {
    JobPtr job = std::move(*place);
    ready_.erase(place);
    if (!job->tried_pools.empty()) --tried_ready_;
    if (job->holds_body()) bytes_ -= job->message().size;
    return job;
}

void Engine::dispatch(const Pool* failed) {
    if (stopping_ || ready_.empty()) return;
    give_up_waiting(failed);
    while (coming() < ready_.size()) {
        Pool* const pool = best_pool();
        if (pool == nullptr) return;
        pool->wake(++turns_);
    }
}

std::size_t Engine::coming() const {
    return std::accumulate(pools_.begin(), pools_.end(), std::size_t{0},
                           [](std::size_t sum, const auto& pool) { return sum + pool->coming(); });
}

// Equal priorities share the load: the one with the least to do first, then by turns.
Pool* Engine::best_pool() {
    const auto order = [](const Pool& pool) {
        return std::tuple{pool.priority(), pool.busy(), pool.last_turn()};
    };
    Pool* best = nullptr;
    for (const auto& pool : pools_) {
        if (!pool->can_wake() || !wanted(*pool)) continue;
        if (best == nullptr || order(*pool) < order(*best)) best = pool.get();
    }
    return best;
}

bool Engine::wanted(const Pool& pool) {
    return std::any_of(ready_.begin(), last_candidate(),
                       [&](const JobPtr& job) { return acceptable(pool, *job); });
}

// Mail waits by the wall clock, which may be set while it waits, or between two runs. Set back, it
// would have mail wait for as long again: what is due later than any wait can be is due now. Set
// forward, it would make fresh mail old: what this run accepted before is as much younger.
void Engine::look_at_clock() {
    const ClockLook look{surroundings_.clock->now(), surroundings_.uptime()};
    const std::optional<ClockLook> last = std::exchange(last_look_, look);
    const base::Duration step =
        last ? (look.wall - last->wall) - (look.uptime - last->uptime) : base::Duration{};
    const bool forward = step >= least_step, back = step <= -least_step;
    if (forward || back) {
        base::log_warning("the clock was set", {{"seconds", step.count() / 1000}});
    }
    if (forward) surroundings_.spool->move_received(began_, look.wall - step, step);
    if (back) began_ = std::min(began_, look.wall);
    if (!last || back) {
        surroundings_.spool->pull_in(look.wall, look.wall + longest_wait(options_.retry));
    }
}

// Mail of an earlier run is as old as it was when this run began, and what has passed since: that
// the clock is set forward meanwhile makes it no older. A board that begins in the year 2020 has
// such mail from the future, and learns its age when the clock is right.
base::Duration Engine::age_of(const spool::Message& message, base::Time now) const {
    const base::Duration by_wall = now - message.received;
    if (message.received >= began_) return by_wall;
    const base::Duration by_uptime =
        (start_.wall - message.received) + (surroundings_.uptime() - start_.uptime);
    return std::min(by_wall, by_uptime);
}

void Engine::take_due() {
    if (stopping_) return;
    look_at_clock();
    if (taking_ || active_ >= most_active) {
        more_waiting_ = true;  // what ends next comes back to it
        return;
    }
    taking_ = true;
    more_waiting_ = false;
    const std::size_t limit = std::min(batch_size, most_active - active_);
    const base::Time now = surroundings_.clock->now();
    surroundings_.spool->take_due(
        now, limit, [this, now, limit](spool::Outcome<spool::Spool::Due> due) {
            taking_ = false;
            if (!due) {
                log_unreadable(due.error().message);
                arm_timer(surroundings_.clock->now() + std::chrono::seconds{5});
            } else {
                unreadable_.clear();
                // Whose turn should have come by now was deleted meanwhile.
                if (active_ == 0 && due->messages.empty()) rounds_.clear();
                more_waiting_ = more_waiting_ || due->messages.size() == limit;
                accept_due(std::move(*due), now);
            }
            wake_stopper();
        });
}

// Asked again and again: each trouble is said once.
void Engine::log_unreadable(const std::string& problem) {
    if (problem == unreadable_) return;
    unreadable_ = problem;
    base::log_error("the spool cannot be read", {{"problem", problem}});
}

void Engine::take_more() {
    if (more_waiting_ && active_ < few_active) take_due();
}

void Engine::accept_due(spool::Spool::Due due, base::Time asked) {
    if (due.next) arm_timer(*due.next);
    const base::Duration uptime = surroundings_.uptime();
    for (spool::Leased& message : due.messages) {
        ++active_;
        const base::Duration age = age_of(message.message, asked);
        JobPtr job = std::make_unique<Job>(std::move(message), age, uptime);
        if (auto begun = rounds_.extract(job->message().id)) {
            job->round = std::move(begun.mapped());
        }
        job->suspect = surroundings_.spool->after_crash() && job->message().id < first_id_;
        if (job->message().dot_marked) {
            ++under_way_;
            recover(std::move(job));
        } else {
            enqueue(std::move(job));
        }
    }
    dispatch();
    take_more();
}

// The process ended between a final dot and its reply. The smarthost may have the message, so it
// waits for the step that an unknown outcome waits for.
void Engine::recover(std::shared_ptr<Job> job) {
    const spool::Message& message = job->message();
    spool::Report report;
    report.id = message.id;
    report.state = spool::MessageState::unknown;
    report.due = surroundings_.clock->now() +
                 retry_delay(options_.retry, std::max<std::uint32_t>(message.attempts, 1), true,
                             random_jitter());
    base::log_warning("unknown outcome: relay ended after the final dot, before the reply",
                      {{"id", message.id}, {"next_attempt", base::format_iso8601(report.due)}});
    submit_report(std::move(job), std::move(report));
}

void Engine::arm_timer(base::Time due) {
    const base::Time now = surroundings_.clock->now();
    // What should have gone off long ago was set by a clock that has been moved forward since.
    const bool stuck = armed_ && now - *armed_ > std::chrono::seconds{1};
    if (stopping_ || (armed_ && *armed_ <= due && !stuck)) return;
    armed_ = stuck ? now : due;
    // At least a moment: a clock that jumps must not make this spin.
    const base::Duration wait =
        std::clamp<base::Duration>(*armed_ - now, base::Duration{10}, std::chrono::minutes{1});
    timer_.expires_after(wait);
    timer_.async_wait([this](const boost::system::error_code& ec) {
        if (ec) return;
        armed_.reset();
        take_due();
    });
}

// Looks once in a second, while anything is under way, for transactions that take long.
void Engine::watch_transactions() {
    watching_ = under_way_ > 0;
    if (!watching_) return;
    watch_timer_.expires_after(std::chrono::seconds{1});
    watch_timer_.async_wait([this](const boost::system::error_code& ec) {
        if (ec) return;
        for (const Pools* const pools : {&pools_, &retired_}) {
            for (const auto& pool : *pools) {
                pool->mark_long_transactions();
                pool->free_waiting();
            }
        }
        watch_transactions();
    });
}

void Engine::wake_stopper() {
    if (stopping_) stopper_.cancel();
}

asio::awaitable<void> Engine::stop(base::Duration grace) {
    stopping_ = true;
    timer_.cancel();
    for (JobPtr& job : ready_) surroundings_.spool->release(job->message().id);
    active_ -= ready_.size();
    ready_.clear();
    for (const auto& pool : pools_) pool->retire();

    const auto busy = [this] {
        const auto connected = [](const auto& pool) { return pool->connections() > 0; };
        return under_way_ > 0 || taking_ || std::any_of(pools_.begin(), pools_.end(), connected) ||
               std::any_of(retired_.begin(), retired_.end(), connected);
    };
    const auto deadline = std::chrono::steady_clock::now() + grace;
    const auto last_deadline =
        deadline + std::chrono::seconds{5};  // for what was cut to be recorded
    bool cut = false;
    while (busy() && std::chrono::steady_clock::now() < last_deadline) {
        if (!cut && (hurried_ || std::chrono::steady_clock::now() >= deadline)) {
            cut = true;
            if (!hurried_) {
                base::log_warning("the grace period is over: open transactions are cut");
            }
            for (const auto& pool : pools_) pool->cancel();
            for (const auto& pool : retired_) pool->cancel();
        }
        stopper_.expires_at(cut ? last_deadline : deadline);
        boost::system::error_code ignored;
        co_await stopper_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    for (JobPtr& job : ready_) surroundings_.spool->release(job->message().id);
    ready_.clear();
}

void Engine::hurry() {
    hurried_ = true;
    stopper_.cancel();
}

Status Engine::status() const {
    Status status;
    status.active = static_cast<std::uint32_t>(active_);
    for (const auto& pool : pools_) status.smarthosts.push_back(pool->status());
    status.delivered = delivered_before_;
    for (const SmarthostStatus& each : status.smarthosts) status.delivered += each.delivered;
    return status;
}

}  // namespace delivery
