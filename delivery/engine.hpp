#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "delivery/job.hpp"
#include "delivery/options.hpp"
#include "delivery/pool.hpp"
#include "delivery/status.hpp"
#include "tls/context.hpp"

namespace delivery {

// Brings queued mail to the smarthosts. Holds a bounded number of messages at a time and takes
// the rest from the spool as they become due. Everything runs on the executor's one thread.
class Engine final : private Dispatcher {
 public:
    // What connections need of files (trust anchors, certificates), for each smarthost in turn.
    using Contexts = std::vector<tls::ClientContext>;
    // Waits for disks; for any thread. The error names the smarthost.
    [[nodiscard]] static base::Result<Contexts> load_contexts(const Options& options);

    // The contexts are those of the options.
    Engine(Options options, const Contexts& contexts, Surroundings surroundings);
    ~Engine() override;

    void start();                        // looks for mail that is due
    void submit(spool::Leased message);  // just accepted, still in memory
    // False when enough is under way: then accept with NewMessage::take = false and call
    // note_waiting().
    [[nodiscard]] bool has_room() const;
    void note_waiting();  // the spool has mail that is due now
    void attempt_now();   // forget rests, look at once (a person asked)
    // New settings for new connections; those under way end as they began.
    void reload(Options options, const Contexts& contexts);
    // Starts nothing more, lets transactions end for at most grace, then cuts them.
    [[nodiscard]] boost::asio::awaitable<void> stop(base::Duration grace);
    void hurry();  // no more grace for stop()
    [[nodiscard]] Status status() const;

 private:
    using Pools = std::vector<std::shared_ptr<Pool>>;

    [[nodiscard]] Pools make_pools(const Options& options, const Contexts& contexts);

    JobPtr next_job(Pool& pool) override;
    JobPtr spare_job(Pool& pool) override;
    void finished(JobPtr job) override;
    void put_back(JobPtr job) override;
    void connection_opened() override { dispatch(); }
    void connection_ended(const Pool& pool, bool failed) override;

    void look_at_clock();
    [[nodiscard]] base::Duration age_of(const spool::Message& message, base::Time now) const;
    void take_due();
    void retry_all();
    void log_unreadable(const std::string& problem);
    void take_more();  // when the spool has more and there is room
    void accept_due(spool::Spool::Due due, base::Time asked);
    void enqueue(JobPtr job);
    std::deque<JobPtr>::iterator last_candidate();
    JobPtr take_out(std::deque<JobPtr>::iterator place);
    // Gives each waiting message a connection, as far as there are any. `failed` could not be
    // opened just now, for the messages that waited for it an attempt.
    void dispatch(const Pool* failed = nullptr);
    void give_up_waiting(const Pool* failed);  // defers what no smarthost can take now
    void defer(JobPtr job, const Pool* failed);
    void note_fail_over(const Pool& failed);
    void spare_smtputf8(Job& job) const;
    [[nodiscard]] Pool* tried_by(const Job& job) const;
    [[nodiscard]] std::size_t coming() const;
    [[nodiscard]] Pool* best_pool();
    [[nodiscard]] bool wanted(const Pool& pool);
    void recover(std::shared_ptr<Job> job);  // its final dot was sent before a crash
    void record(JobPtr job);
    void record_decision(const std::shared_ptr<Job>& job);
    void record_broken(const std::shared_ptr<Job>& job, const std::exception_ptr& problem);
    void submit_report(std::shared_ptr<Job> job, spool::Report report);
    void note_round(const Job& job);
    void recorded(std::shared_ptr<Job> job, const spool::Outcome<>& outcome, base::Time due);
    // Each returns at once while there is nothing new to say.
    void note_unrecorded(Job& job, const spool::SpoolError& error);
    void note_settled(Job& job, bool recorded);
    boost::asio::awaitable<void> record_with_reports(std::shared_ptr<Job> job);
    boost::asio::awaitable<void> read_original(Job& job);
    boost::asio::awaitable<void> retry_record(std::shared_ptr<Job> job);
    [[nodiscard]] Decision decide_for(const Job& job) const;
    [[nodiscard]] spool::Report report_for(const Job& job, const Decision& decision) const;
    void arm_timer(base::Time due);
    void watch_transactions();
    [[nodiscard]] bool acceptable(const Pool& pool, const Job& job) const;
    [[nodiscard]] bool any_hope(const Job& job) const;
    void wake_stopper();

    Options options_;
    Surroundings surroundings_;
    Pools pools_;
    Pools retired_;                                      // still finishing what they had
    std::uint64_t delivered_before_ = 0;                 // by smarthosts that a reload took out
    std::unordered_map<base::MessageId, Round> rounds_;  // attempts that go on with the next lease
    std::deque<JobPtr> ready_;                           // waiting for a connection
    std::uint64_t turns_ = 0;                            // how often a pool was woken
    std::size_t tried_ready_ = 0;                        // how many of them have failed over
    std::size_t active_ = 0;     // leased: ready, under way or being recorded
    std::size_t under_way_ = 0;  // with a connection or being recorded
    std::uint64_t bytes_ = 0;    // of bodies held in ready_
    std::string unreadable_;     // why the spool could not be read, while it cannot
    bool taking_ = false;        // a take_due() is under way
    bool more_waiting_ = false;  // the spool has more that is due
    bool stopping_ = false;
    bool hurried_ = false;
    std::optional<base::Time> armed_;
    struct ClockLook {
        base::Time wall;
        base::Duration uptime;
    };
    std::optional<ClockLook> last_look_;
    ClockLook start_;   // of this run
    base::Time began_;  // by the wall clock, of what this run has accepted
    base::MessageId first_id_;
    bool watching_ = false;
    boost::asio::steady_timer timer_;
    boost::asio::steady_timer watch_timer_;
    boost::asio::steady_timer stopper_;
    // Outcomes that the spool refuses at present, and why, as last told.
    std::size_t unrecorded_ = 0;
    std::optional<spool::Problem> record_problem_;
};

}  // namespace delivery
