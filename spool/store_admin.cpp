// What is rarely asked of the store: hold, retry, remove, and amends for a clock that was set.
#include <algorithm>

#include "spool/log_file.hpp"
#include "spool/statements.hpp"
#include "spool/store.hpp"

namespace spool {
namespace {

bool waits(MessageState state) {
    return state == MessageState::queued || state == MessageState::unknown;
}

}  // namespace

Outcome<bool> Store::retry(MessageId id, base::Time now) {
    const std::optional<Row> row = find(id);
    if (database_->failed()) return database_->take_error();
    if (!row || !waits(row->state)) return false;
    if (std::optional<Lease> lease = leases_.find(id)) {
        lease->retry = now;
        leases_.set(id, *lease);
        return true;
    }
    change();
    update(id, *row, {row->state, now, std::nullopt, row->attempts, row->wedged, false});
    if (database_->failed()) return database_->take_error();
    return true;
}

Outcome<bool> Store::hold(MessageId id) {
    const std::optional<Row> row = find(id);
    if (database_->failed()) return database_->take_error();
    if (!row || !waits(row->state)) return false;
    if (std::optional<Lease> lease = leases_.find(id)) {
        lease->hold = true;
        leases_.set(id, *lease);
        return true;
    }
    change();
    update(id, *row,
           {MessageState::held, std::nullopt, std::nullopt, row->attempts, row->wedged, false});
    if (database_->failed()) return database_->take_error();
    return true;
}

Outcome<bool> Store::unhold(MessageId id, base::Time now) {
    const std::optional<Row> row = find(id);
    if (database_->failed()) return database_->take_error();
    if (!row) return false;
    if (std::optional<Lease> lease = leases_.find(id); lease && lease->hold) {
        lease->hold = false;
        leases_.set(id, *lease);
        return true;
    }
    if (row->state != MessageState::held) return false;
    change();
    // A person decided: the crashes that led here are forgiven.
    update(id, *row, {MessageState::queued, now, std::nullopt, row->attempts, 0, false});
    if (database_->failed()) return database_->take_error();
    return true;
}

Outcome<bool> Store::remove(MessageId id) {
    const std::optional<Row> row = find(id);
    if (database_->failed()) return database_->take_error();
    if (!row) return false;
    if (std::optional<Lease> lease = leases_.find(id)) {
        lease->remove = true;
        leases_.set(id, *lease);
        return true;
    }
    erase(id, *row);
    if (database_->failed()) return database_->take_error();
    return true;
}

Outcome<> Store::pull_in(base::Time now, base::Time latest) {
    Statement far{*database_, "SELECT 1 FROM message WHERE due > ? LIMIT 1"};
    if (!far.bind(latest).step()) return outcome();
    far.reset();
    change();
    Statement{*database_, "UPDATE message SET due = ? WHERE due > ?"}.bind(now, latest).run();
    earliest_due_ = std::min(earliest_due_, now);
    return outcome();
}

Outcome<> Store::move_received(base::Time from, base::Time to, base::Duration by) {
    change();
    Statement moved{*database_,
                    "UPDATE message INDEXED BY message_due SET received = received + ?"
                    " WHERE due IS NOT NULL AND received BETWEEN ? AND ?"};
    moved.bind(std::int64_t{by.count()}, from, to).run();
    return outcome();
}

bool Store::purge(base::Time finished_before, std::size_t limit) {
    std::vector<MessageId> ids;
    Statement& rows = statements_->finished.bind(finished_before, static_cast<std::int64_t>(limit));
    while (rows.step()) ids.emplace_back(rows.integer(0));
    if (ids.empty()) return false;
    begin(false);
    for (const MessageId id : ids) {
        if (const std::optional<Row> row = find(id)) erase(id, *row);
    }
    return commit().has_value() && ids.size() == limit;
}

bool Store::give_back_space() {
    // A megabyte stays for what comes next; moving pages to and fro would cost more.
    constexpr std::int64_t spare_pages = 256;
    constexpr std::int64_t step_pages = 256;
    const std::int64_t free_pages = database_->number("PRAGMA freelist_count");
    if (free_pages <= spare_pages || database_->failed()) {
        if (database_->failed()) rollback();
        return false;
    }
    const std::int64_t step = std::min(step_pages, free_pages - spare_pages);
    sync_commits(database_->handle(), false);
    database_->execute("PRAGMA incremental_vacuum(" + std::to_string(step) + ")");
    if (database_->failed()) {
        rollback();
        return false;
    }
    return free_pages - step > spare_pages;
}

void Store::checkpoint() { checkpoint_log(SQLITE_CHECKPOINT_PASSIVE); }

}  // namespace spool
