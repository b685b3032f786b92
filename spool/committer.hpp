#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "spool/spool.hpp"
#include "spool/store.hpp"

namespace spool {

using Completions = std::vector<std::function<void()>>;

// Something to be done on the writing connection.
struct Operation {
    bool synced = false;   // answered only when it would survive a power cut
    bool company = false;  // others like it are coming: worth a blink
    bool patient = false;  // waits a moment for others, to share their transaction
    // Makes the change; called again, after a rollback, when its batch failed. None: only
    // finish matters.
    std::function<Outcome<>(Store&)> apply;
    // After the commit or the final failure: puts what the caller is to be told into the list.
    std::function<void(const Outcome<>&, Store&, Completions&)> finish;
    std::shared_ptr<void> pending;  // lives until the answer has been posted
};

// What the rest of the spool may know about the committing thread's work, any time.
struct Progress {
    Totals totals;
    std::uint64_t commits = 0;          // synced ones
    std::uint64_t synced_messages = 0;  // accepted with them
};

struct Housekeeping {
    base::Duration keep_finished{};  // zero: rows go with their results
    const base::Clock* clock = nullptr;
};

// The committing thread: takes all operations that wait, does them in one transaction, and
// answers them with one Post (group commit). While one commit syncs, the next batch gathers. What
// is synced waits until Post comes back (or the thread looks by itself, some time later), so that
// all that arrived in one turn of the loop shares a sync. While other contents are under way it
// waits a blink longer for those, as PostgreSQL does with commit_siblings; patient operations alone
// begin no transaction for 25 milliseconds unless they are a crowd, and wake the thread only when
// it has been without work for as long. When there is nothing to do it cleans up.
class Committer {
 public:
    Committer(std::unique_ptr<Store> store, Post post, Housekeeping housekeeping);
    ~Committer();  // does what was submitted
    Committer(const Committer&) = delete;
    Committer& operator=(const Committer&) = delete;

    void submit(Operation operation);  // any thread
    // From now on nothing waits for Post, which may not come any more.
    void hurry();
    [[nodiscard]] Progress progress() const;

 private:
    using Batch = std::vector<Operation>;
    using Moment = std::chrono::steady_clock::time_point;
    // What the threads share with the committing one, and with a Post that comes back late.
    struct Inbox {
        std::mutex mutex;
        std::condition_variable wake;
        Batch waiting;
        bool urgent = false;     // there is one to be done at once
        bool announced = false;  // Post will say that there is
        bool asleep = false;     // the thread is to be woken by whatever comes first
        Moment since;            // when the first of those that wait came
        bool company = false;    // with the last that is to be synced
        bool gathering = false;  // the thread waits for its company
        bool hurried = false;
        bool stopping = false;
        Progress progress;

        void hurry_up();
    };

    void run();
    [[nodiscard]] bool next_batch(Batch& batch);
    void take_waiting(Batch& batch);
    void commit_batch(Batch& batch);
    [[nodiscard]] Outcome<> try_batch(std::span<Operation> operations);
    void finish(Operation& operation, const Outcome<>& outcome);
    void publish(std::uint64_t synced_operations);
    void clean_up(bool idle);
    void plan_cleaning(bool more, bool idle);

    std::unique_ptr<Store> store_;
    Post post_;
    Housekeeping housekeeping_;
    Completions completions_;
    Moment next_cleaning_, next_orphans_;
    bool dirty_ = true;  // something was committed since the last cleaning that found nothing
    std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
    std::thread thread_;  // last: it uses the others
};

}  // namespace spool
