#include "spool/committer.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace spool {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Bounds the time others wait for one transaction, and the pages it dirties.
constexpr std::size_t most_in_batch = 1000;
// At 220 messages a second a seventh less processor time for a message than with 10 ms.
constexpr milliseconds patience{25};
// So many begin a transaction at once: more in it would hold up the message that comes next.
constexpr std::size_t patient_crowd = 250;
// With 10 sessions a tenth less processor time for a message; one that comes alone does not wait.
constexpr std::chrono::microseconds blink{50};
constexpr milliseconds idle_after{100};          // quiet for so long is idle
constexpr milliseconds between_cleanings{1000};  // under load
constexpr milliseconds between_steps{10};        // while more is left to clean
constexpr std::chrono::minutes purge_interval{1};
constexpr std::chrono::hours orphans_interval{1};
constexpr std::size_t purge_step = 200;

}  // namespace

Committer::Committer(std::unique_ptr<Store> store, Post post, Housekeeping housekeeping)
    : store_(std::move(store)),
      post_(std::move(post)),
      housekeeping_(housekeeping),
      next_cleaning_(steady_clock::now() + idle_after),
      next_orphans_(steady_clock::now() + orphans_interval) {
    inbox_->progress.totals = store_->totals();
    thread_ = std::thread{[this] { run(); }};
}

Committer::~Committer() {
    {
        const std::lock_guard lock{inbox_->mutex};
        inbox_->stopping = true;
    }
    inbox_->wake.notify_one();
    thread_.join();
}

void Committer::submit(Operation operation) {
    bool announce = false, wake = false;
    {
        const std::lock_guard lock{inbox_->mutex};
        const bool gathers = operation.synced && !inbox_->hurried;
        if (inbox_->waiting.empty()) inbox_->since = steady_clock::now();
        if (operation.synced) inbox_->company = operation.company;
        if (gathers) {
            announce = !std::exchange(inbox_->announced, true);
        } else {
            // Where one that is to be synced waits, all go with it soon.
            const bool crowd = !inbox_->announced && inbox_->waiting.size() >= patient_crowd;
            inbox_->urgent = inbox_->urgent || !operation.patient || crowd;
            wake = inbox_->urgent || std::exchange(inbox_->asleep, false);
        }
        inbox_->waiting.push_back(std::move(operation));
    }
    if (wake) inbox_->wake.notify_one();
    if (announce) post_([inbox = inbox_] { inbox->hurry_up(); });
}

void Committer::hurry() {
    {
        const std::lock_guard lock{inbox_->mutex};
        inbox_->hurried = true;
    }
    inbox_->hurry_up();
}

void Committer::Inbox::hurry_up() {
    {
        const std::lock_guard lock{mutex};
        announced = false;
        urgent = !waiting.empty();  // it may all have been taken along by then
        if (gathering && company && !hurried) return;
    }
    wake.notify_one();
}

Progress Committer::progress() const {
    const std::lock_guard lock{inbox_->mutex};
    return inbox_->progress;
}

void Committer::run() {
    Batch batch;
    while (next_batch(batch)) {
        if (batch.empty()) {
            clean_up(true);
            continue;
        }
        commit_batch(batch);
        batch.clear();
        if (steady_clock::now() >= next_cleaning_) clean_up(false);
    }
}

bool Committer::next_batch(Batch& batch) {
    Inbox& inbox = *inbox_;
    std::unique_lock lock{inbox.mutex};
    const auto at_once = [&] { return inbox.stopping || inbox.urgent; };
    const auto due = [&] { return inbox.stopping || !inbox.waiting.empty(); };
    const Moment now = steady_clock::now(), idle = now + idle_after;
    // For a while a patient operation need not wake the thread, which looks by itself.
    inbox.wake.wait_until(lock, std::min(now + patience, next_cleaning_), at_once);
    if (!due()) {
        inbox.asleep = true;
        inbox.wake.wait_until(lock, dirty_ ? std::min(idle, next_cleaning_) : next_cleaning_, due);
        inbox.asleep = false;
    }
    if (!inbox.waiting.empty()) inbox.wake.wait_until(lock, inbox.since + patience, at_once);
    if (inbox.urgent && inbox.company && !inbox.hurried) {
        inbox.gathering = true;
        inbox.wake.wait_for(lock, blink,
                            [&] { return inbox.stopping || inbox.hurried || !inbox.company; });
        inbox.gathering = false;
    }
    take_waiting(batch);
    return !batch.empty() || !inbox.stopping;
}

// The inbox is locked.
void Committer::take_waiting(Batch& batch) {
    Batch& waiting = inbox_->waiting;
    if (waiting.size() <= most_in_batch) {
        batch.swap(waiting);
        inbox_->urgent = inbox_->company = false;
    } else {
        const auto end = waiting.begin() + most_in_batch;
        batch.assign(std::move_iterator{waiting.begin()}, std::move_iterator{end});
        waiting.erase(waiting.begin(), end);
    }
}

void Committer::commit_batch(Batch& batch) {
    dirty_ = true;
    const Outcome<> outcome = try_batch(batch);
    const bool final = outcome || outcome.error().problem == Problem::unsynced;
    if (final || batch.size() == 1) {
        for (Operation& operation : batch) finish(operation, outcome);
    } else {
        // One bad operation must not fail the others (but a sync is not tried again: the system
        // tells of what it dropped only once), nor may any of them be told "done" for
        // what was rolled back: each gets a transaction of its own.
        for (Operation& operation : batch) {
            finish(operation, try_batch(std::span{&operation, 1}));
        }
    }
    if (completions_.empty()) return;
    post_([completions = std::exchange(completions_, {})] {
        for (const std::function<void()>& completion : completions) completion();
    });
}

Outcome<> Committer::try_batch(std::span<Operation> operations) {
    const auto synced = static_cast<std::uint64_t>(
        std::ranges::count_if(operations, [](const Operation& o) { return o.synced; }));
    store_->begin(synced > 0);
    for (Operation& operation : operations) {
        if (!operation.apply) continue;
        if (Outcome<> applied = operation.apply(*store_); !applied) {
            store_->rollback();
            return applied;
        }
    }
    if (Outcome<> committed = store_->commit(); !committed) return committed;
    publish(synced);
    return {};
}

void Committer::finish(Operation& operation, const Outcome<>& outcome) {
    if (operation.finish) operation.finish(outcome, *store_, completions_);
}

void Committer::publish(std::uint64_t synced_operations) {
    const std::lock_guard lock{inbox_->mutex};
    Progress& progress = inbox_->progress;
    progress.totals = store_->totals();
    progress.synced_messages += synced_operations;
    if (synced_operations > 0) ++progress.commits;
}

void Committer::clean_up(bool idle) {
    bool more = false;
    if (store_->damaged()) return plan_cleaning(false, true);
    if (housekeeping_.keep_finished > base::Duration::zero()) {
        const base::Time limit = housekeeping_.clock->now() - housekeeping_.keep_finished;
        more = store_->purge(limit, purge_step);
        publish(0);
    }
    if (idle) {
        more = store_->give_back_space() || more;
        if (steady_clock::now() >= next_orphans_) {
            store_->forget_orphans(housekeeping_.clock->now());
            next_orphans_ = steady_clock::now() + orphans_interval;
        }
    }
    if (idle ? !more : store_->holds_files_back()) store_->checkpoint();
    plan_cleaning(more, idle);
}

void Committer::plan_cleaning(bool more, bool idle) {
    const Moment now = steady_clock::now();
    if (more) {
        next_cleaning_ = now + between_steps;
    } else if (idle) {
        dirty_ = false;
        // A reader in the way of the checkpoint will have gone.
        next_cleaning_ =
            store_->holds_files_back() ? now + between_cleanings : now + purge_interval;
    } else {
        next_cleaning_ = now + between_cleanings;
    }
}

}  // namespace spool
