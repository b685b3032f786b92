#include "spool/sqlite_spool.hpp"

#include <algorithm>
#include <utility>

namespace spool {
namespace {

// So many messages are changed in one transaction of a command for many.
constexpr std::size_t selection_step = 500;

Leased leased_from(NewMessage&& from, const StoredBody& body) {
    Leased leased;
    Message& message = leased.message;
    message.id = from.id;
    if (!from.take) return leased;
    message.received = message.due = from.received;
    message.envelope = std::move(from.envelope);
    for (const smtp::Recipient& recipient : message.envelope.recipients) {
        message.recipients.push_back({recipient, RecipientState::pending, {}, {}});
    }
    message.size = body.size;
    message.origin = std::move(from.origin);
    message.message_id = std::move(from.message_id);
    message.subject = std::move(from.subject);
    message.from = std::move(from.from);
    if (body.bytes) leased.body = Body{body.bytes, {}, body.size};
    return leased;
}

}  // namespace

struct SqliteSpool::AddJob {
    Draft draft;
    Done<Leased> done;
    std::shared_ptr<void> pending;
    std::optional<SpoolError> refused;
    bool company = false;  // as Operation::company
};

struct SqliteSpool::RecordJob {
    Report report;
    Done<> done;
    std::shared_ptr<void> pending;
    std::vector<Draft> drafts;
};

struct SqliteSpool::SelectionJob {
    Selection selection;
    Change change;
    Done<std::uint64_t> done;
    std::shared_ptr<void> pending;
    std::size_t next = 0;  // of selection.ids
    std::uint64_t changed = 0, changed_now = 0;
};

SqliteSpool::SqliteSpool(Parts parts)
    : options_(std::move(parts.options)),
      post_(std::move(parts.post)),
      clock_(*parts.clock),
      after_crash_(parts.store->after_crash()),
      layout_(std::move(parts.layout)),
      lock_(std::move(parts.lock)),
      damage_(std::move(parts.damage)),
      files_(std::move(parts.files)),
      loads_(layout_, damage_),
      searches_(layout_, damage_),
      committer_(std::make_unique<Committer>(std::move(parts.store), post_,
                                             Housekeeping{options_.keep_delivered, &clock_})),
      load_thread_(std::make_unique<Worker>()),
      search_thread_(std::make_unique<Worker>()) {}

SqliteSpool::~SqliteSpool() {
    committer_->hurry();
    pending_.wait();
    search_thread_.reset();
    load_thread_.reset();
    searches_.close();
    loads_.close();
    // The last connection to close moves the log into the database.
    committer_.reset();
    files_->stop();
}

template <class T>
void SqliteSpool::post(const Done<T>& done, Outcome<T> outcome) {
    post_([done, outcome = std::move(outcome)]() mutable { done(std::move(outcome)); });
}

template <class T, class Read>
void SqliteSpool::read(Worker& worker, Done<T> done, Read read) {
    worker.submit([this, done = std::move(done), read = std::move(read),
                   pending = pending_.begin()] { post<T>(done, read()); });
}

std::unique_ptr<BodyWriter> SqliteSpool::new_body() {
    return files_->new_writer(options_.inline_limit);
}

Outcome<> SqliteSpool::room_for(std::uint64_t size) const {
    if (auto sound = damage_->check(); !sound) return sound;
    const auto held = static_cast<std::uint64_t>(committer_->progress().totals.bytes);
    if (auto room = check_held(held, options_.max_size, size, layout_.directory); !room) {
        return room;
    }
    return check_free(files_->free_space().bytes(), options_.min_free, size, layout_.directory);
}

void SqliteSpool::add(NewMessage message, Done<Leased> done) {
    auto job = std::make_shared<AddJob>();
    job->done = std::move(done);
    job->pending = pending_.begin();
    std::unique_ptr<BodyWriter> body = std::move(message.body);
    job->company = files_->writers() > (body ? 1U : 0U);
    job->draft.message = std::move(message);
    files_->finish(std::move(body), job->draft.message.id, [this, job](StoredBody stored) {
        if (!stored.in_file()) files_->free_space().take(stored.size);
        job->draft.body = std::move(stored);
        submit_add(job);
    });
}

void SqliteSpool::submit_add(const std::shared_ptr<AddJob>& job) {
    Operation operation;
    operation.synced = true;
    operation.company = job->company;
    operation.pending = job->pending;
    // A refusal of this message alone is no failure of the batch.
    operation.apply = [job](Store& store) -> Outcome<> {
        job->refused = job->draft.body.failure;
        if (job->refused) return {};
        if (Outcome<> room = store.check_size(job->draft.body.size); !room) {
            job->refused = room.error();
            return {};
        }
        return store.add(job->draft);
    };
    operation.finish = [this, job](const Outcome<>& outcome, Store&, Completions& completions) {
        if (!outcome || job->refused) {
            forget_files(std::span{&job->draft, 1});
            completions.push_back(
                [done = job->done, error = outcome ? *job->refused : outcome.error()] {
                    done(error);
                });
            return;
        }
        completions.push_back([done = job->done, leased = leased_from(std::move(job->draft.message),
                                                                      job->draft.body)]() mutable {
            done(std::move(leased));
        });
    };
    committer_->submit(std::move(operation));
}

void SqliteSpool::forget_files(std::span<const Draft> drafts) {
    for (const Draft& draft : drafts) {
        if (draft.body.in_file()) files_->remove(draft.message.id);
    }
}

void SqliteSpool::take_due(base::Time now, std::size_t limit, Done<Due> done) {
    Operation operation;
    operation.pending = pending_.begin();
    operation.finish = [this, now, limit, done = std::move(done), pending = operation.pending](
                           const Outcome<>&, Store& store, Completions& completions) {
        Outcome<Store::Taken> taken = store.take_due(now, limit);
        if (!taken) {
            completions.push_back([done, error = taken.error()] { done(error); });
        } else if (taken->ids.empty()) {
            completions.push_back([done, next = taken->next] { done(Due{{}, next}); });
        } else {
            load_taken(std::move(*taken), done, pending);
        }
    };
    committer_->submit(std::move(operation));
}

// The rows are read on the reading thread: leased, they do not change meanwhile.
void SqliteSpool::load_taken(Store::Taken taken, Done<Due> done, std::shared_ptr<void> pending) {
    load_thread_->submit(
        [this, taken = std::move(taken), done = std::move(done), pending = std::move(pending)] {
            Outcome<std::vector<Leased>> messages = loads_.ask(&Queries::load, taken.ids);
            if (!messages) {
                for (const MessageId id : taken.ids) release(id);
                post<Due>(done, messages.error());
                return;
            }
            post<Due>(done, Due{std::move(*messages), taken.next});
        });
}

void SqliteSpool::load_body(MessageId id, Done<Body> done) {
    read<Body>(*load_thread_, std::move(done),
               [this, id] { return loads_.ask(&Queries::load_body, id); });
}

void SqliteSpool::record(Report report, Done<> done) {
    auto job = std::make_shared<RecordJob>();
    job->done = std::move(done);
    job->pending = pending_.begin();
    job->report = std::move(report);
    job->drafts.reserve(job->report.reports.size());
    finish_reports(job);
}

void SqliteSpool::finish_reports(const std::shared_ptr<RecordJob>& job) {
    const std::size_t next = job->drafts.size();
    if (next == job->report.reports.size()) {
        submit_record(job);
        return;
    }
    NewMessage& report = job->report.reports[next];
    std::unique_ptr<BodyWriter> body = std::move(report.body);
    const MessageId id = report.id;
    report.take = false;  // nobody asked to deliver it; it is due at once
    files_->finish(std::move(body), id, [this, job, next](StoredBody stored) {
        job->drafts.push_back({std::move(job->report.reports[next]), std::move(stored)});
        finish_reports(job);
    });
}

void SqliteSpool::submit_record(const std::shared_ptr<RecordJob>& job) {
    Operation operation;
    operation.synced = !job->drafts.empty();
    operation.patient = !operation.synced;
    operation.pending = job->pending;
    operation.apply = [this, job](Store& store) {
        return store.record(job->report, job->drafts, clock_.now());
    };
    operation.finish = [this, job](const Outcome<>& outcome, Store&, Completions& completions) {
        if (!outcome) forget_files(job->drafts);
        completions.push_back([done = job->done, outcome] { done(outcome); });
    };
    committer_->submit(std::move(operation));
}

void SqliteSpool::release(MessageId id) {
    Operation operation;
    operation.apply = [id](Store& store) { return store.release(id); };
    committer_->submit(std::move(operation));
}

void SqliteSpool::mark_dot(MessageId id) {
    Operation operation;
    operation.patient = true;
    operation.apply = [id](Store& store) { return store.mark_dot(id); };
    committer_->submit(std::move(operation));
}

void SqliteSpool::mark_begun(MessageId id, Done<> done) {
    Operation operation;
    operation.apply = [id](Store& store) { return store.mark_begun(id); };
    if (done) {
        operation.pending = pending_.begin();
        operation.finish = [done = std::move(done)](const Outcome<>& outcome, Store&,
                                                    Completions& completions) {
            completions.push_back([done, outcome] { done(outcome); });
        };
    }
    committer_->submit(std::move(operation));
}

void SqliteSpool::pull_in(base::Time now, base::Time latest) {
    Operation operation;
    operation.apply = [now, latest](Store& store) { return store.pull_in(now, latest); };
    committer_->submit(std::move(operation));
}

void SqliteSpool::move_received(base::Time from, base::Time to, base::Duration by) {
    Operation operation;
    operation.apply = [from, to, by](Store& store) { return store.move_received(from, to, by); };
    committer_->submit(std::move(operation));
}

void SqliteSpool::list(Query query, Done<std::vector<Summary>> done) {
    read<std::vector<Summary>>(*search_thread_, std::move(done), [this, query = std::move(query)] {
        return searches_.ask(&Queries::list, query);
    });
}

void SqliteSpool::show(MessageId id, Done<Details> done) {
    search_thread_->submit([this, id, done = std::move(done), pending = pending_.begin()] {
        Outcome<Details> details = searches_.ask(&Queries::show, id);
        if (!details) return post<Details>(done, std::move(details));
        add_lease(std::move(*details), done, pending);
    });
}

// Who has a message leased is known to the committing thread alone.
void SqliteSpool::add_lease(Details details, Done<Details> done, std::shared_ptr<void> pending) {
    Operation operation;
    operation.pending = std::move(pending);
    operation.finish = [details = std::move(details), done = std::move(done)](
                           const Outcome<>&, Store& store, Completions& completions) mutable {
        const std::optional<Lease> lease = store.lease(details.message.id);
        details.under_way = lease.has_value();
        details.hold_asked = lease && lease->hold;
        details.removal_asked = lease && lease->remove;
        completions.push_back([details = std::move(details), done] { done(details); });
    };
    committer_->submit(std::move(operation));
}

void SqliteSpool::stats(Done<Stats> done) {
    read<Stats>(*search_thread_, std::move(done), [this]() -> Outcome<Stats> {
        auto oldest = searches_.ask(&Queries::oldest_waiting);
        if (!oldest) return oldest.error();
        const Progress progress = committer_->progress();
        Stats stats;
        const auto count = [&](MessageState state) {
            return static_cast<std::uint64_t>(
                progress.totals.messages[static_cast<std::size_t>(state)]);
        };
        stats.queued = count(MessageState::queued);
        stats.held = count(MessageState::held);
        stats.unknown = count(MessageState::unknown);
        stats.delivered = count(MessageState::delivered);
        stats.failed = count(MessageState::failed);
        stats.bytes = static_cast<std::uint64_t>(progress.totals.bytes);
        stats.oldest = *oldest;
        stats.free_bytes = files_->free_space().bytes();
        stats.commits = progress.commits;
        stats.synced_messages = progress.synced_messages;
        return stats;
    });
}

void SqliteSpool::retry(Selection selection, base::Time now, Done<std::uint64_t> done) {
    change_selected(
        std::move(selection), [now](Store& store, MessageId id) { return store.retry(id, now); },
        std::move(done));
}

void SqliteSpool::hold(Selection selection, Done<std::uint64_t> done) {
    change_selected(
        std::move(selection), [](Store& store, MessageId id) { return store.hold(id); },
        std::move(done));
}

void SqliteSpool::unhold(Selection selection, base::Time now, Done<std::uint64_t> done) {
    change_selected(
        std::move(selection), [now](Store& store, MessageId id) { return store.unhold(id, now); },
        std::move(done));
}

void SqliteSpool::remove(Selection selection, Done<std::uint64_t> done) {
    change_selected(
        std::move(selection), [](Store& store, MessageId id) { return store.remove(id); },
        std::move(done));
}

void SqliteSpool::flush(Done<> done) {
    Operation operation;
    operation.pending = pending_.begin();
    operation.finish = [done = std::move(done)](const Outcome<>& outcome, Store&,
                                                Completions& completions) {
        completions.push_back([done, outcome] { done(outcome); });
    };
    committer_->submit(std::move(operation));
}

void SqliteSpool::change_selected(Selection selection, Change change, Done<std::uint64_t> done) {
    auto job = std::make_shared<SelectionJob>();
    job->selection = std::move(selection);
    job->change = std::move(change);
    job->done = std::move(done);
    job->pending = pending_.begin();
    if (job->selection.query) {
        search(job);
    } else {
        change_next(job);
    }
}

// What was submitted before is committed first, so that the search sees it.
void SqliteSpool::search(const std::shared_ptr<SelectionJob>& job) {
    Operation operation;
    operation.pending = job->pending;
    operation.finish = [this, job](const Outcome<>&, Store&, Completions&) {
        search_thread_->submit([this, job] {
            auto ids = searches_.ask(&Queries::select, *job->selection.query);
            if (!ids) {
                post<std::uint64_t>(job->done, ids.error());
                return;
            }
            job->selection.ids = std::move(*ids);
            change_next(job);
        });
    };
    committer_->submit(std::move(operation));
}

// A step at a time, so that new mail need not wait for a command that moves a million messages.
void SqliteSpool::change_next(const std::shared_ptr<SelectionJob>& job) {
    Operation operation;
    operation.pending = job->pending;
    operation.apply = [job](Store& store) -> Outcome<> {
        const auto& ids = job->selection.ids;
        const std::size_t end = std::min(job->next + selection_step, ids.size());
        job->changed_now = 0;
        for (std::size_t i = job->next; i < end; ++i) {
            const Outcome<bool> changed = job->change(store, ids[i]);
            if (!changed) return changed.error();
            if (*changed) ++job->changed_now;
        }
        return {};
    };
    operation.finish = [this, job](const Outcome<>& outcome, Store&, Completions& completions) {
        job->changed += job->changed_now;
        job->next += selection_step;
        if (!outcome) {
            completions.push_back([done = job->done, error = outcome.error()] { done(error); });
        } else if (job->next < job->selection.ids.size()) {
            change_next(job);
        } else {
            completions.push_back([done = job->done, count = job->changed] { done(count); });
        }
    };
    committer_->submit(std::move(operation));
}

}  // namespace spool
