#include "delivery/pool.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

#include "base/bug.hpp"
#include "base/log.hpp"
#include "delivery/attempt.hpp"
#include "delivery/pool_membership.hpp"

namespace delivery {
namespace asio = boost::asio;
namespace {

constexpr base::Duration idle_limit = std::chrono::seconds{30};

// Where the server names no limit: so many each has to take (RFC 5321 section 4.5.3.1.8).
constexpr std::size_t recipients_per_transaction = 100;

smtp::SessionFailure broken_session() {
    smtp::SessionFailure failure;
    failure.stage = smtp::Stage::connect;
    failure.problem = "an internal error of relay ended the connection";
    return failure;
}

}  // namespace

Pool::Pool(SmarthostOptions options, base::Duration first_rest, tls::ClientContext context,
           const Surroundings& surroundings, Dispatcher& dispatcher)
    : options_(std::move(options)),
      health_(first_rest),
      context_(std::move(context)),
      surroundings_(surroundings),
      dispatcher_(dispatcher),
      most_recipients_(recipients_per_transaction),
      good_port_(options_.ports.front()) {}

bool Pool::usable() const { return !retired_ && health_.usable(surroundings_.clock->now()); }

bool Pool::can_wake() const {
    if (!usable()) return false;
    if (!idle_.empty()) return true;
    // Until a sign-in has worked one connection tries it: providers count failed ones.
    std::size_t most = health_.state() == Health::ok ? options_.max_connections : 1;
    if (surroundings_.uptime() < crowd_until_) most = std::min(most, crowd_limit_);
    return connections_ < most;
}

bool Pool::wake(std::uint64_t turn) {
    if (!can_wake()) return false;
    last_turn_ = turn;
    if (!idle_.empty()) {
        Membership* const member = idle_.back();  // the last one used: the others may grow old
        idle_.pop_back();
        member->wake();
        return true;
    }
    ++connections_;
    ++opening_;
    asio::co_spawn(surroundings_.executor, run(shared_from_this()),
                   base::bug_logger("the end of a delivery connection met an internal error"));
    return true;
}

void Pool::retire() {
    retired_ = true;
    // Nothing has been sent there that could be lost, and a silent server would be waited for.
    for (Membership* const member : members_) member->stop_opening();
    for (Membership* const member : std::exchange(idle_, {})) member->wake();
}

void Pool::cancel() {
    retire();
    for (Membership* const member : members_) member->connection().cancel();
}

asio::awaitable<void> Pool::run(std::shared_ptr<Pool> self) {
    bool failed = false;
    try {
        const bool opened = co_await self->use_connection();
        failed = !opened && !self->retired_;
    } catch (...) {
        // Every failure of the network is a value: an exception is a bug. It counts as trouble, or
        // the next connection would run into the same at once.
        base::log_bug("a delivery connection ended by an internal error", std::current_exception());
        failed = !self->retired_;
        if (failed) self->note_failure(broken_session());
    }
    self->dispatcher_.connection_ended(*self, failed);
}

// False when it could not be opened.
asio::awaitable<bool> Pool::use_connection() {
    Connection connection{surroundings_.executor, *surroundings_.resolver, options_, context_};
    Membership member{*this, connection};
    if (retired_) co_return false;
    const bool opened = co_await open(connection);
    if (!opened) co_return false;
    // Still counted as opening: the work that it is about to ask for is its own.
    dispatcher_.connection_opened();
    member.opened();
    try {
        co_await work(member);
    } catch (...) {
        put_back_next(member);
        throw;
    }
    put_back_next(member);
    co_await connection.quit();
    co_return true;
}

// Not for the destructor of a membership: coroutines that nothing resumes outlive the engine.
void Pool::put_back_next(Membership& member) {
    if (member.has_next()) dispatcher_.put_back(member.take_next());
}

asio::awaitable<bool> Pool::open(Connection& connection) {
    // Providers lock accounts that keep trying: what one connection was told counts for all that
    // were opened together with it and have not sent the password yet.
    const std::uint64_t refused_before = refused_sign_ins_;
    connection.ask_before_sign_in(
        [this, refused_before] { return refused_sign_ins_ == refused_before; });
    const std::optional<smtp::SessionFailure> failure = co_await connection.open(good_port_);
    // Of one that nobody wants any more the failure tells nothing.
    if (connection.held_back() || (failure && retired_)) co_return false;
    if (failure) {
        note_failure(*failure);
        co_return false;
    }
    good_port_ = connection.port();
    lacks_smtputf8_ = !connection.extensions().smtputf8;
    counters_.tls = connection.handshake().version;
    counters_.auth = connection.auth();
    ++counters_.sessions;
    if (connection.handshake().resumed) ++counters_.resumed_sessions;
    if (!refuses_unsigned_) note_success(connection);
    co_return true;
}

void Pool::note_success(const Connection& connection) {
    const bool recovered = health_.state() == Health::failing || health_.state() == Health::paused;
    health_.succeeded(surroundings_.clock->now());
    base::log(recovered ? base::LogLevel::info : base::LogLevel::debug, "signed in",
              {{"smarthost", options_.name},
               {"remote", connection.remote()},
               {"tls", counters_.tls},
               {"auth", counters_.auth},
               {"resumed", connection.handshake().resumed}});
}

// Some servers greet everyone and refuse mail without a sign-in at MAIL only. That is a refused
// sign-in like another, and until mail was taken a session alone proves nothing.
bool Pool::asks_for_sign_in(Connection& connection) {
    const std::optional<smtp::SessionFailure> failure = connection.failure();
    if (failure && failure->stage == smtp::Stage::auth) {
        refuses_unsigned_ = true;
        note_failure(*failure);
        return true;
    }
    if (connection.ready() && std::exchange(refuses_unsigned_, false)) note_success(connection);
    return false;
}

void Pool::note_failure(const smtp::SessionFailure& failure) {
    const base::Time now = surroundings_.clock->now();
    const std::string problem = describe_failure(failure);
    std::string& advice = counters_.advice;
    advice = surroundings_.explain && failure.reply.code != 0
                 ? surroundings_.explain(failure.reply, failure.stage, options_.host)
                 : "";
    // Others work while this one is turned away: the smarthost wants fewer, it is not down.
    const std::size_t working = connections_ - opening_;
    if (working > 0 && failure.reply.transient()) {
        crowd_limit_ = working;
        crowd_until_ = surroundings_.uptime() + std::chrono::minutes{5};
        base::log_info(
            "the smarthost takes no more connections",
            {{"smarthost", options_.name}, {"connections", working}, {"problem", problem}});
        return;
    }
    const bool refused = failure.stage == smtp::Stage::auth && failure.permanent;
    if (refused) ++refused_sign_ins_;
    // Connections opened together fail together: one outage counts as one failure.
    if (!health_.usable(now) && (!refused || health_.state() == Health::paused)) return;
    if (refused) {
        health_.sign_in_refused(now, problem);
        base::log_error("sign-in refused: mail is kept until it works",
                        {{"smarthost", options_.name},
                         {"problem", problem},
                         base::LogField::unless_empty("advice", advice),
                         {"next_attempt", base::format_iso8601(*health_.next_attempt())}});
        return;
    }
    health_.failed(now, problem, failure.stage);
    base::log_warning("smarthost cannot be used",
                      {{"smarthost", options_.name},
                       {"stage", smtp::stage_name(failure.stage)},
                       {"problem", problem},
                       base::LogField::unless_empty("advice", advice),
                       {"next_attempt", base::format_iso8601(*health_.next_attempt())}});
}

std::uint32_t Pool::transaction_limit(const Connection& connection) const {
    const std::uint32_t said = connection.extensions().limit_mail_max;
    return said == 0 ? options_.messages_per_connection
                     : std::min(said, options_.messages_per_connection);
}

asio::awaitable<void> Pool::work(Membership& member) {
    Connection& connection = member.connection();
    const auto goes_on = [&] {
        if (!connection.ready()) return false;
        if (connection.begun_early()) return member.has_next();
        return !retired_ && connection.transactions() < transaction_limit(connection);
    };
    while (goes_on()) {
        member.asks_for_work();
        JobPtr job = member.has_next() ? member.take_next() : dispatcher_.next_job(*this);
        if (job) {
            co_await serve(member, std::move(job));
            continue;
        }
        idle_.push_back(&member);
        const bool woken = co_await connection.wait_idle(idle_limit);
        std::erase(idle_, &member);
        if (!woken) co_return;
    }
}

// Fresh mail is through in milliseconds, and a mark for each would cost as much as its final dot's.
// So the mark is for what takes longer, and for what may have ended the process before.
void Pool::mark_long_transactions() {
    for (Membership* const member : members_) {
        if (const auto id = member->long_served(std::chrono::seconds{1})) {
            surroundings_.spool->mark_begun(*id, nullptr);
        }
    }
}

// Nothing of its content was sent. Behind a server that thinks for so long there is little to gain.
void Pool::free_waiting() {
    std::vector<JobPtr> jobs;
    for (Membership* const member : members_) {
        if (member->keeps_next_waiting(std::chrono::seconds{1})) {
            jobs.push_back(member->take_next());
        }
    }
    if (jobs.empty()) return;
    early_from_ = surroundings_.uptime() + std::chrono::minutes{5};
    for (JobPtr& job : jobs) dispatcher_.put_back(std::move(job));
}

void Pool::count(const std::vector<RecipientOutcome>& outcomes) {
    for (const RecipientOutcome& outcome : outcomes) {
        switch (outcome.result.outcome) {
            case smtp::Outcome::delivered:
                ++counters_.delivered;
                break;
            case smtp::Outcome::deferred:
                ++counters_.deferred;
                break;
            case smtp::Outcome::failed:
                ++counters_.failed;
                break;
            case smtp::Outcome::unknown:
                ++counters_.unknown;
                break;
        }
    }
}

void Pool::go_on_counting(const Pool& before) {
    counters_ = before.counters_;
    counters_.tls.clear();
    counters_.auth.clear();
    counters_.advice.clear();
}

SmarthostStatus Pool::status() const {
    SmarthostStatus status = counters_;
    status.name = options_.name;
    status.host = options_.host;
    status.port = good_port_;
    status.health = health_.state();
    status.problem = health_.problem();
    if (status.problem.empty()) status.advice.clear();
    status.since = health_.since();
    status.next_attempt = health_.next_attempt();
    status.connections = static_cast<std::uint32_t>(connections_);
    return status;
}

}  // namespace delivery
