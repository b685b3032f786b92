#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/uptime.hpp"
#include "delivery/connection.hpp"
#include "delivery/health.hpp"
#include "delivery/job.hpp"
#include "delivery/options.hpp"
#include "delivery/status.hpp"
#include "delivery/turns.hpp"

namespace delivery {

struct AdaptedContent;

// Where a pool gets its work and leaves what came of it. Implemented by the engine.
class Dispatcher {
 public:
    virtual ~Dispatcher() = default;
    [[nodiscard]] virtual JobPtr next_job(Pool& pool) = 0;  // null: nothing for this smarthost now
    // The same, but none that another connection is about to ask for.
    [[nodiscard]] virtual JobPtr spare_job(Pool& pool) = 0;
    virtual void finished(JobPtr job) = 0;  // outcomes and attempt are filled in
    virtual void put_back(JobPtr job) = 0;  // not tried after all
    virtual void connection_opened() = 0;   // others may follow it now
    // One fewer. With `failed` it could not be opened, and the pool's health tells why.
    virtual void connection_ended(const Pool& pool, bool failed) = 0;
};

// What the program lends to delivery; all of it outlives the engine. Used on the network thread.
struct Surroundings {
    boost::asio::any_io_executor executor;
    boost::asio::any_io_executor files;  // a thread that may wait for disks
    spool::Spool* spool = nullptr;
    net::Resolver* resolver = nullptr;
    const base::Clock* clock = nullptr;
    // What passes whatever the clock is set to; a test has its own.
    std::function<base::Duration()> uptime = base::uptime;
    base::MessageIdSource* ids = nullptr;
    // For rewriting large content: each costs time of the files' thread and room on the disk.
    std::shared_ptr<Turns> rewriting = std::make_shared<Turns>(4);
    // A smarthost's refusal in words a person can act on, "" when nothing is known.
    std::function<std::string(const smtp::Reply&, smtp::Stage, const std::string& host)> explain;
};

// The connections to one smarthost: opened when messages wait, reused, closed when idle.
class Pool : public std::enable_shared_from_this<Pool> {
 public:
    Pool(SmarthostOptions options, base::Duration first_rest, tls::ClientContext context,
         const Surroundings& surroundings, Dispatcher& dispatcher);

    // A message could go here: wakes an idle connection or opens another one; false when neither
    // may be. `turn` grows from call to call over all pools, see last_turn().
    bool wake(std::uint64_t turn);
    // No new work: connections end after their message, those that are not signed in at once.
    void retire();
    void cancel();  // end now: what is under way is lost
    void mark_long_transactions();
    void free_waiting();  // messages that began behind one whose end takes long
    void try_at_once() { health_.try_at_once(); }

    [[nodiscard]] bool usable() const;
    [[nodiscard]] bool opening() const { return opening_ > 0; }
    [[nodiscard]] std::size_t connections() const { return connections_; }
    [[nodiscard]] std::size_t busy() const { return connections_ - idle_.size(); }
    // Connections that will ask for work soon. One that tries whether a smarthost is back does not
    // count: mail need not wait for it.
    [[nodiscard]] std::size_t coming() const {
        return woken_ + (health_.on_trial() ? 0 : opening_);
    }
    [[nodiscard]] std::uint64_t last_turn() const { return last_turn_; }
    [[nodiscard]] bool can_wake() const;
    void count(const std::vector<RecipientOutcome>& outcomes);
    [[nodiscard]] std::int32_t priority() const { return options_.priority; }
    [[nodiscard]] const SmarthostOptions& options() const { return options_; }
    [[nodiscard]] const SmarthostHealth& health() const { return health_; }
    [[nodiscard]] SmarthostStatus status() const;
    // Known from its last session.
    [[nodiscard]] bool lacks_smtputf8() const { return lacks_smtputf8_; }
    void go_on_counting(const Pool& before);  // the same smarthost, before a reload

 private:
    class Membership;

    static boost::asio::awaitable<void> run(std::shared_ptr<Pool> self);
    boost::asio::awaitable<bool> use_connection();
    void put_back_next(Membership& member);
    boost::asio::awaitable<bool> open(Connection& connection);
    boost::asio::awaitable<void> work(Membership& member);
    boost::asio::awaitable<void> serve(Membership& member, JobPtr job);
    boost::asio::awaitable<void> mark_begun(base::MessageId id);
    boost::asio::awaitable<void> attempt(Membership& member, Job& job);
    [[nodiscard]] bool was_not_tried(const Connection& connection, const Job& job, bool early);
    boost::asio::awaitable<bool> prepare(Job& job, std::string& problem);
    boost::asio::awaitable<void> transfer(Membership& member, Job& job, BodySource& body);
    boost::asio::awaitable<void> transact(Membership& member, Job& job, BodySource& body,
                                          AdaptedContent content);
    boost::asio::awaitable<std::optional<smtp::Transaction>> choose_next(Membership& member);
    boost::asio::awaitable<bool> goes_at_once(const Connection& connection, Job& job);
    void take_results(Job& job, std::span<const std::size_t> recipients,
                      std::vector<smtp::RecipientResult> results);
    void note_failure(const smtp::SessionFailure& failure);
    void note_success(const Connection& connection);
    [[nodiscard]] bool asks_for_sign_in(Connection& connection);
    void describe_attempt(Job& job, const Connection& connection, base::Time started);
    [[nodiscard]] std::uint32_t transaction_limit(const Connection& connection) const;
    [[nodiscard]] std::size_t recipient_limit(const Connection& connection) const;

    SmarthostOptions options_;
    SmarthostHealth health_;
    tls::ClientContext context_;
    const Surroundings& surroundings_;
    Dispatcher& dispatcher_;
    std::vector<Membership*> members_;  // whose coroutines have begun
    std::vector<Membership*> idle_;
    std::size_t connections_ = 0;  // all of them, from before they open until QUIT is answered
    std::size_t opening_ = 0;
    std::size_t woken_ = 0;  // were idle and have not asked for work yet
    std::uint64_t last_turn_ = 0;
    std::size_t crowd_limit_ = 0;   // so many connections the server let in, until crowd_until_
    base::Duration crowd_until_{};  // by the clock's uptime
    std::uint64_t refused_sign_ins_ = 0;
    bool refuses_unsigned_ = false;  // takes sessions without a sign-in, but refused their mail
    bool lacks_smtputf8_ = false;
    bool hears_early_ = true;      // until it leaves commands behind a final dot unanswered
    base::Duration early_from_{};  // no message begins early before, by the clock's uptime
    std::size_t most_recipients_;  // in a transaction
    bool retired_ = false;
    std::uint16_t good_port_ = 0;
    SmarthostStatus counters_;
};

}  // namespace delivery
