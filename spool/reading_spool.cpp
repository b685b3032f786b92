#include "spool/reading_spool.hpp"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "spool/open_checks.hpp"

namespace spool {
namespace {

SpoolError unreadable(const Layout& layout, const SpoolError& cause) {
    if (cause.problem != Problem::corrupt) return cause;
    return {Problem::corrupt,
            fmt::format("the first page of the spool database {0} is damaged, which tells where "
                        "everything is: relay can read nothing of it. `sqlite3 {0} .recover` may "
                        "find messages, and large bodies are files in {1}",
                        layout.database().string(), layout.bodies().string())};
}

// What the next start of relay will make of it.
void see_unknown(Message& message) {
    if (message.dot_marked && message.state == MessageState::queued) {
        message.state = MessageState::unknown;
    }
}

bool is_damage(const SpoolError& error) { return error.problem == Problem::corrupt; }

}  // namespace

Outcome<std::unique_ptr<ReadingSpool>> ReadingSpool::open(const Options& options, Post post) {
    const Layout layout{options.directory};
    auto lock = share_directory(layout, options);
    if (!lock) return lock.error();
    const auto mark = read_mark(layout);
    if (!mark) return mark.error();
    if (auto checked = check_not_lost(layout, *mark); !checked) return checked.error();
    std::error_code ignored;
    if (!std::filesystem::exists(layout.database(), ignored)) {
        return std::unique_ptr<ReadingSpool>{};
    }
    auto database = Database::open_untouched(layout.database());
    if (!database) return unreadable(layout, database.error());
    (*database)->watch(std::make_shared<Damage>());
    if ((*database)->number("PRAGMA user_version") == 0 && !(*database)->failed()) {
        return std::unique_ptr<ReadingSpool>{};  // a kill left it before anything was in it
    }
    if ((*database)->failed()) return unreadable(layout, (*database)->take_error());
    auto queries = Queries::over(layout, std::move(*database));
    if (!queries) return unreadable(layout, queries.error());
    return std::unique_ptr<ReadingSpool>{
        new ReadingSpool{layout, std::move(post), std::move(*lock), std::move(*queries)}};
}

ReadingSpool::ReadingSpool(Layout layout, Post post, Descriptor lock,
                           std::unique_ptr<Queries> queries)
    : layout_(std::move(layout)),
      post_(std::move(post)),
      lock_(std::move(lock)),
      queries_(std::move(queries)),
      salvage_(layout_, queries_->database()) {}

template <class T>
void ReadingSpool::answer(const Done<T>& done, Outcome<T> outcome) {
    post_([done, outcome = std::move(outcome)] { done(outcome); });
}

void ReadingSpool::load_body(MessageId id, Done<Body> done) {
    Outcome<Body> body = queries_->load_body(id);
    if (!body && is_damage(body.error())) body = salvage_.load_body(id);
    // A message whose row is gone may have its content still.
    if (!body && body.error().problem == Problem::not_found) {
        if (Outcome<Body> found = salvage_.load_body(id)) body = std::move(found);
    }
    answer<Body>(done, std::move(body));
}

void ReadingSpool::list(Query query, Done<std::vector<Summary>> done) {
    Outcome<std::vector<Summary>> found = queries_->list(query);
    if (!found && is_damage(found.error())) found = salvage_.list(query);
    if (found) {
        for (Summary& each : *found) see_unknown(each.message);
    }
    answer<std::vector<Summary>>(done, std::move(found));
}

void ReadingSpool::show(MessageId id, Done<Details> done) {
    Outcome<Details> details = queries_->show(id);
    if (!details && is_damage(details.error())) details = salvage_.show(id);
    if (details) see_unknown(details->message);
    answer<Details>(done, std::move(details));
}

void ReadingSpool::stats(Done<Stats> done) { answer<Stats>(done, read_stats()); }

Outcome<Stats> ReadingSpool::read_stats() {
    Database& database = queries_->database();
    Stats stats;
    {
        Statement row{database,
                      "SELECT queued, held, unknown, delivered, failed, bytes FROM totals"};
        if (row.step()) {
            const auto figure = [&row](int column) {
                return static_cast<std::uint64_t>(row.integer(column));
            };
            stats.queued = figure(0);
            stats.held = figure(1);
            stats.unknown = figure(2);
            stats.delivered = figure(3);
            stats.failed = figure(4);
            stats.bytes = figure(5);
        }
    }
    if (database.failed()) return database.take_error();
    const auto oldest = queries_->oldest_waiting();
    if (!oldest) return oldest.error();
    stats.oldest = *oldest;
    stats.free_bytes = FreeSpace{layout_.directory}.bytes();
    return stats;
}

SpoolError ReadingSpool::refusal() const {
    return {Problem::read_only,
            fmt::format("the spool {} is opened for reading only", layout_.directory.string())};
}

std::unique_ptr<BodyWriter> ReadingSpool::new_body() { return nullptr; }
Outcome<> ReadingSpool::room_for(std::uint64_t) const { return refusal(); }
void ReadingSpool::add(NewMessage, Done<Leased> done) { answer<Leased>(done, refusal()); }
void ReadingSpool::take_due(base::Time, std::size_t, Done<Due> done) {
    answer<Due>(done, refusal());
}
void ReadingSpool::record(Report, Done<> done) { answer<void>(done, refusal()); }
void ReadingSpool::release(MessageId) {}
void ReadingSpool::mark_dot(MessageId) {}
void ReadingSpool::mark_begun(MessageId, Done<> done) {
    if (done) answer<void>(done, refusal());
}
void ReadingSpool::pull_in(base::Time, base::Time) {}
void ReadingSpool::move_received(base::Time, base::Time, base::Duration) {}
void ReadingSpool::retry(Selection, base::Time, Done<std::uint64_t> done) {
    answer<std::uint64_t>(done, refusal());
}
void ReadingSpool::hold(Selection, Done<std::uint64_t> done) {
    answer<std::uint64_t>(done, refusal());
}
void ReadingSpool::unhold(Selection, base::Time, Done<std::uint64_t> done) {
    answer<std::uint64_t>(done, refusal());
}
void ReadingSpool::remove(Selection, Done<std::uint64_t> done) {
    answer<std::uint64_t>(done, refusal());
}
void ReadingSpool::flush(Done<> done) { answer<void>(done, {}); }

}  // namespace spool
