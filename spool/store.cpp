#include "spool/store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spool/free_space.hpp"
#include "spool/log_file.hpp"
#include "spool/statements.hpp"

namespace spool {
void Store::begin(bool synced) {
    synced_ = synced;
    totals_before_ = totals_;
}

void Store::change() {
    if (in_transaction_) return;
    if (options_.durability == Durability::full) {
        if (synced_ && log_doubtful_) renew_log();
        // The next synced commit syncs the whole log file, and with it all that was written before.
        sync_commits(database_->handle(), synced_);
        commits_synced_ = synced_;
    }
    statements_->begin.run();
    in_transaction_ = true;
}

Outcome<> Store::commit() {
    const bool wrote = in_transaction_;
    if (in_transaction_) {
        if (new_files_) {
            if (auto synced = files_->sync(); !synced) {
                rollback();
                return synced.error();
            }
        }
        // Most of them have their result in the same transaction, and need no mark.
        for (const MessageId id : new_dots_) statements_->mark_dot.bind(id).run();
        new_dots_.clear();
        write_totals();
        statements_->commit.run();
        if (std::optional<SpoolError> failure = finish_commit()) {
            rollback();
            return *std::move(failure);
        }
    }
    in_transaction_ = false;
    new_files_ = false;
    leases_.keep();
    forgotten_files_.insert(forgotten_files_.end(), dead_files_.begin(), dead_files_.end());
    dead_files_.clear();
    if (wrote && commits_synced_) remove_forgotten_files();
    return {};
}

// Only once what forgets them is on the disk: after a power cut a message that is in the queue
// again must find its content.
void Store::remove_forgotten_files() {
    for (const MessageId id : std::exchange(forgotten_files_, {})) {
        if (!options_.damage->found()) files_->remove(id);
    }
}

std::optional<SpoolError> Store::finish_commit() {
    if (database_->failed()) {
        SpoolError failure = database_->take_error();
        if (failure.problem == Problem::unsynced) log_doubtful_ = true;
        return failure;
    }
    if (!synced_ || database_->in_place()) return std::nullopt;
    return SpoolError{Problem::io,
                      fmt::format("the spool database {} was removed or replaced while relay runs: "
                                  "put it back, or restart relay to begin with what is there now",
                                  database_->file().string())};
}

// Commits that needed no sync wait in the log for the next one. If that fails, Linux counts their
// pages as written, and a later sync of the log would succeed with a hole before it, where
// recovery ends. So all of the log goes to the database, is synced there, and a new log begins.
void Store::renew_log() {
    checkpoint_log(SQLITE_CHECKPOINT_TRUNCATE);
    if (database_->failed()) return;
    log_doubtful_ = false;
}

bool Store::checkpoint_log(int mode) {
    int in_log = 0, moved = 0;
    const int code = sqlite3_wal_checkpoint_v2(database_->handle(), nullptr, mode, &in_log, &moved);
    if (code == SQLITE_OK) {
        if (in_log != moved) return false;
        remove_forgotten_files();  // all of the log was synced for it
        return true;
    }
    // A reader in the way only puts a passive one off.
    const bool log_failed = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_FULL;
    if (log_failed) log_doubtful_ = true;
    if (mode != SQLITE_CHECKPOINT_PASSIVE) database_->note_failure(code);
    return false;
}

// In place of SQLite's own hook, which keeps a failure to itself.
int Store::log_grew(void* store, sqlite3*, const char*, int pages) {
    constexpr int most_pages = 8192;  // 32 MiB
    if (pages >= most_pages) static_cast<Store*>(store)->checkpoint_log(SQLITE_CHECKPOINT_PASSIVE);
    return SQLITE_OK;
}

void Store::rollback() {
    if (database_->failed() && database_->take_error().problem == Problem::unsynced) {
        log_doubtful_ = true;
    }
    if (sqlite3_get_autocommit(database_->handle()) == 0) {
        // Some failures (a full disk) have rolled back by themselves. This one cannot fail in a
        // way that matters: without COMMIT nothing of the transaction counts.
        sqlite3_exec(database_->handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    in_transaction_ = false;
    new_files_ = false;
    leases_.undo();
    new_dots_.clear();
    dead_files_.clear();
    totals_ = totals_before_;
}

Outcome<> Store::outcome() {
    if (database_->failed()) return database_->take_error();
    return {};
}

SpoolError Store::unknown_message(MessageId id) const {
    return {Problem::not_found, fmt::format("no message {} in the spool", id.text())};
}

std::optional<Store::Row> Store::find(MessageId id) {
    Statement& row = statements_->find.bind(id);
    const ResetGuard guard{row};
    if (!row.step()) return std::nullopt;
    return Row{static_cast<MessageState>(row.integer(0)),
               row.optional_time(1),
               row.integer(2),
               row.integer(3),
               row.integer(4),
               row.integer(5) != 0};
}

Outcome<> Store::check_size(std::uint64_t size) const {
    return check_held(static_cast<std::uint64_t>(totals_.bytes), options_.max_size, size,
                      options_.layout.directory);
}

Outcome<> Store::add(const Draft& draft) {
    if (draft.body.failure) return *draft.body.failure;
    if (auto sound = options_.damage->check(); !sound) return sound;
    const NewMessage& message = draft.message;
    change();
    insert_message(draft);
    insert_recipients(message);
    totals_.of(MessageState::queued) += 1;
    totals_.bytes += static_cast<std::int64_t>(draft.body.size);
    if (message.take) {
        leases_.set(message.id, {});
    } else {
        earliest_due_ = std::min(earliest_due_, message.received);
    }
    return outcome();
}

void Store::insert_message(const Draft& draft) {
    const NewMessage& m = draft.message;
    const smtp::Envelope& envelope = m.envelope;
    statements_->insert_message
        .bind(m.id, m.received, m.received, draft.body.size, draft.body.in_file(),
              std::string_view{envelope.reverse_path}, static_cast<int>(envelope.body),
              envelope.smtputf8, static_cast<int>(envelope.ret), std::string_view{envelope.envid},
              std::string_view{m.origin.client}, std::string_view{m.origin.client_name},
              std::string_view{m.origin.user}, std::string_view{m.origin.protocol},
              std::string_view{m.message_id}, std::string_view{m.subject}, std::string_view{m.from})
        .run();
    if (draft.body.in_file()) {
        new_files_ = true;
    } else {
        statements_->insert_body.bind(m.id, Blob{*draft.body.bytes}).run();
    }
}

void Store::insert_recipients(const NewMessage& message) {
    std::int64_t position = 0;
    for (const smtp::Recipient& recipient : message.envelope.recipients) {
        statements_->insert_recipient
            .bind(message.id, position++, std::string_view{recipient.address},
                  notify_bits(recipient.notify), std::string_view{recipient.orcpt})
            .run();
    }
}

void Store::insert_attempt(MessageId id, const Attempt& attempt) {
    const std::string& words = attempt.reply.empty() ? attempt.problem : attempt.reply;
    statements_->insert_attempt
        .bind(id, attempt.at, std::string_view{attempt.smarthost}, std::string_view{attempt.remote},
              std::string_view{attempt.tls}, smtp::stage_name(attempt.stage),
              std::string_view{attempt.outcome}, std::string_view{words},
              std::int64_t{attempt.took.count()})
        .run();
}

Outcome<> Store::record(const Report& report, std::span<const Draft> reports, base::Time now) {
    const std::optional<Row> row = find(report.id);
    if (database_->failed()) return database_->take_error();
    const Lease lease = leases_.end(report.id);
    if (!row) return unknown_message(report.id);
    change();
    apply_changes(report);
    for (const Attempt& attempt : report.earlier) insert_attempt(report.id, attempt);
    if (report.attempt) insert_attempt(report.id, *report.attempt);
    // The mark has told what it had to: by an attempt's result, or by the recovery after a crash.
    if (report.attempt || report.state == MessageState::unknown) {
        forget_dot(report.id);
    } else if (lease.begun) {
        statements_->end_begun.bind(report.id).run();
    }
    Next next = decide(report, *row, progress(report.id), now);
    apply_lease(lease, next);
    if (lease.remove || (is_finished(next.state) && !options_.keep_finished)) {
        erase(report.id, *row);
    } else {
        update(report.id, *row, next);
    }
    for (const Draft& draft : reports) {
        if (auto added = add(draft); !added) return added;
    }
    return outcome();
}

void Store::apply_changes(const Report& report) {
    for (const Report::Change& change : report.changes) {
        statements_->update_recipient
            .bind(static_cast<int>(change.state), change.reply.code,
                  std::string_view{change.reply.enhanced}, std::string_view{change.reply.text},
                  std::string_view{change.problem}, report.id,
                  static_cast<std::int64_t>(change.recipient))
            .run();
    }
}

Store::Progress Store::progress(MessageId id) {
    Statement& row = statements_->progress.bind(id);
    const ResetGuard guard{row};
    if (!row.step()) return {};
    return {row.integer(0), row.integer(1)};
}

Store::Next Store::decide(const Report& report, const Row& row, const Progress& progress,
                          base::Time now) const {
    Next next;
    next.attempts = row.attempts + (report.attempt && report.whole ? 1 : 0);
    next.wedged = row.wedged + (report.wedged ? 1 : 0);
    next.warned = report.warned;
    if (progress.waiting == 0) {
        next.state = progress.failed > 0 ? MessageState::failed : MessageState::delivered;
        next.finished = now;
        return next;
    }
    next.state = is_finished(report.state) ? MessageState::queued : report.state;
    // No attempt was made: what is not known about the last one is still not known.
    if (!report.attempt && row.state == MessageState::unknown &&
        next.state == MessageState::queued) {
        next.state = MessageState::unknown;
    }
    if (next.state != MessageState::held) next.due = report.due;
    return next;
}

void Store::apply_lease(const Lease& lease, Next& next) {
    if (is_finished(next.state)) return;
    if (lease.hold) next.state = MessageState::held;
    if (next.state == MessageState::held) {
        next.due = std::nullopt;
    } else if (lease.retry) {
        next.due = lease.retry;
    }
}

void Store::update(MessageId id, const Row& row, const Next& next) {
    statements_->update
        .bind(static_cast<int>(next.state), next.due, next.finished, next.attempts, next.wedged,
              next.warned, id)
        .run();
    totals_.of(row.state) -= 1;
    totals_.of(next.state) += 1;
    if (next.due) earliest_due_ = std::min(earliest_due_, *next.due);
    if (is_finished(next.state)) forget_body(id, row);
}

void Store::forget_body(MessageId id, const Row& row) {
    if (is_finished(row.state)) return;
    totals_.bytes -= row.size;
    if (row.in_file) {
        dead_files_.push_back(id);
    } else {
        statements_->delete_body.bind(id).run();
    }
}

void Store::erase(MessageId id, const Row& row) {
    change();
    forget_body(id, row);
    statements_->delete_message.bind(id).run();
    statements_->delete_recipients.bind(id).run();
    statements_->delete_attempts.bind(id).run();
    forget_dot(id);
    totals_.of(row.state) -= 1;
}

void Store::forget_dot(MessageId id) {
    new_dots_.erase(id);
    statements_->delete_dot.bind(id).run();
}

Outcome<> Store::release(MessageId id) {
    if (!leases_.has(id)) return {};
    const Lease lease = leases_.end(id);
    earliest_due_ = base::Time::min();
    if (lease.dot_marked) {
        change();
        new_dots_.erase(id);
        statements_->delete_new_dot.bind(id).run();
    }
    if (lease.begun) {
        change();
        statements_->end_begun.bind(id).run();
    }
    if (!lease.remove && !lease.hold && !lease.retry) return outcome();
    const std::optional<Row> row = find(id);
    if (!row) return outcome();
    if (lease.remove) {
        erase(id, *row);
        return outcome();
    }
    change();
    Next next{row->state, row->due, std::nullopt, row->attempts, row->wedged, false};
    apply_lease(lease, next);
    update(id, *row, next);
    return outcome();
}

Outcome<> Store::mark_dot(MessageId id) {
    std::optional<Lease> lease = leases_.find(id);
    if (lease && !lease->dot_marked) {
        lease->dot_marked = true;
        leases_.set(id, *lease);
    }
    change();
    new_dots_.insert(id);
    return outcome();
}

Outcome<> Store::mark_begun(MessageId id) {
    std::optional<Lease> lease = leases_.find(id);
    // The mark of a delivery that has ended meanwhile would count against the next one.
    if (!lease || lease->begun) return {};
    lease->begun = true;
    leases_.set(id, *lease);
    change();
    statements_->mark_begun.bind(id).run();
    return outcome();
}

Outcome<Store::Taken> Store::take_due(base::Time now, std::size_t limit) {
    if (now < earliest_due_)
        return Taken{
            {}, earliest_due_ == base::Time::max() ? std::nullopt : std::optional{earliest_due_}};
    Taken taken;
    {
        Statement& rows = statements_->due.bind();
        const ResetGuard guard{rows};
        while (rows.step()) {
            const MessageId id{rows.integer(0)};
            const base::Time due = rows.time(1);
            if (leases_.has(id)) continue;
            if (due > now || taken.ids.size() >= limit) {
                taken.next = due;
                break;
            }
            taken.ids.push_back(id);
        }
    }
    if (database_->failed()) return database_->take_error();
    earliest_due_ = taken.next.value_or(base::Time::max());
    for (const MessageId id : taken.ids) leases_.set(id, {});
    leases_.keep();
    return taken;
}

}  // namespace spool
