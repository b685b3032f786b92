// How the store is opened: settings of the connection, schema, what a crash left behind.
#include <sys/stat.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/log.hpp"
#include "spool/open_checks.hpp"
#include "spool/statements.hpp"
#include "spool/store.hpp"
#include "spool/structure.hpp"

namespace spool {
namespace {

void configure(Database& database, Durability durability) {
    if (database.number("PRAGMA user_version") == 0) {  // to a database in use the second writes
        database.execute("PRAGMA page_size = 4096");
        database.execute("PRAGMA auto_vacuum = INCREMENTAL");
    }
    database.execute("PRAGMA journal_mode = WAL");
    // Debian's build wipes freed pages unless told otherwise, which costs a quarter.
    database.execute("PRAGMA secure_delete = OFF");
    database.execute("PRAGMA journal_size_limit = 67108864");  // after an exceptional growth
    database.execute("PRAGMA cache_size = -6144");             // KiB
    database.execute("PRAGMA temp_store = MEMORY");
    if (durability == Durability::none) database.execute("PRAGMA synchronous = OFF");
}

// Of a spool without a mark: whoever closed it moved its log into the database and removed the log.
bool log_left_behind(const Layout& layout) {
    std::error_code failure;
    const std::uintmax_t size = std::filesystem::file_size(layout.log(), failure);
    return !failure && size > 0;
}

Outcome<std::unique_ptr<Database>> open_private(const std::filesystem::path& file,
                                                Durability durability) {
    // SQLite gives its log and shared memory the mode of the database.
    const mode_t before = ::umask(0077);
    const auto access =
        durability == Durability::full ? Database::Access::write_joined : Database::Access::write;
    auto database = Database::open(file, access);
    if (database) (*database)->execute("PRAGMA schema_version");
    ::umask(before);
    return database;
}

void log_hold(MessageId id) {
    base::log_warning("message put on hold: relay ended in each of its last deliveries",
                      {{"id", id}, {"deliveries", most_wedged}, {"remedy", "relay queue release"}});
}

}  // namespace

Store::Store(StoreOptions options, std::shared_ptr<BodyFiles> files,
             std::unique_ptr<Database> database)
    : options_(std::move(options)),
      files_(std::move(files)),
      database_(std::move(database)),
      statements_(std::make_unique<Statements>(*database_)) {}

Store::~Store() {
    if (marked_ && !options_.damage->found()) close_log();
}

Outcome<std::unique_ptr<Store>> Store::open(StoreOptions options, std::shared_ptr<BodyFiles> files,
                                            base::Time now) {
    const auto mark = read_mark(options.layout);
    if (!mark) return mark.error();
    if (auto checked = check_not_lost(options.layout, *mark); !checked) return checked.error();
    if (auto checked = check_log(options.layout, *mark); !checked) return checked.error();
    const bool after_crash = mark->state == Mark::State::none ? log_left_behind(options.layout)
                                                              : mark->state == Mark::State::open;
    auto database = open_private(options.layout.database(), options.durability);
    if (!database) return database.error();
    configure(**database, options.durability);
    if ((*database)->failed()) return (*database)->take_error();
    if (auto migrated = migrate(**database, options.migrations); !migrated) {
        return migrated.error();
    }
    // Of a spool without a mark (an older relay made it, or a person removed it) nothing is known.
    auto checked =
        mark->state == Mark::State::none ? check_whole(**database) : check_briefly(**database);
    if (!checked) return checked.error();
    std::unique_ptr<Store> store{
        new Store{std::move(options), std::move(files), std::move(*database)}};
    store->after_crash_ = after_crash;
    sqlite3_wal_hook(store->database_->handle(), log_grew, store.get());
    if (auto prepared = store->prepare(now); !prepared) return prepared.error();
    store->database_->watch(store->options_.damage);
    return store;
}

// All goes from the log to the database; then the mark may say so; then the log may go. Whatever
// fails leaves the files and the mark as after a kill, which the next start is made for.
void Store::close_log() {
    if (!database_->in_place()) return;
    checkpoint_log(SQLITE_CHECKPOINT_TRUNCATE);
    if (database_->failed()) return;
    if (write_mark(options_.layout, Mark::State::closed, options_.durability == Durability::full)) {
        database_->remove_log_on_close();
    }
}

Outcome<> Store::prepare(base::Time now) {
    if (auto written =
            write_mark(options_.layout, Mark::State::open, options_.durability == Durability::full);
        !written) {
        return written;
    }
    marked_ = true;
    read_totals();
    if (database_->failed()) return database_->take_error();
    begin(true);
    recover_dots(now);
    recover_begun(now);
    if (database_->failed()) {
        SpoolError failure = database_->take_error();
        rollback();
        return failure;
    }
    if (auto committed = commit(); !committed) return committed;
    // What a killed relay noted without a sync may still be undone by a power cut; and a sync that
    // failed, it took with it.
    const bool synced = !after_crash_ || checkpoint_log(SQLITE_CHECKPOINT_PASSIVE);
    if (!synced) log_doubtful_ = true;
    return sweep_bodies(now, synced);
}

Outcome<> Store::sweep_bodies(base::Time now, bool synced) {
    Statement waits{*database_,
                    "SELECT in_file = 1 AND finished IS NULL FROM message WHERE id = ?"};
    const auto owner_of = [&](MessageId id) {
        const ResetGuard guard{waits.bind(id)};
        const bool known = waits.step();
        if (database_->failed()) return BodyFiles::Owner::waits;  // when in doubt the file stays
        if (!known) return BodyFiles::Owner::none;
        const bool finished = waits.integer(0) == 0 && synced;
        return finished ? BodyFiles::Owner::finished : BodyFiles::Owner::waits;
    };
    const Outcome<std::size_t> orphans = files_->sweep(owner_of, now);
    if (database_->failed()) return database_->take_error();
    if (!orphans) return orphans.error();
    if (*orphans == 0) return {};
    base::log_error(
        "message bodies without a row in the spool's database were put aside: they were cut off "
        "before they were acknowledged, or delivered or deleted just before relay ended, or the "
        "database lost them. They are removed after 7 days",
        {{"bodies", *orphans}, {"folder", options_.layout.orphans().string()}});
    return {};
}

// A mark that no open has counted: relay ended between the final dot and the reply's record.
void Store::recover_dots(base::Time now) {
    std::vector<MessageId> ids;
    Statement rows{*database_, "SELECT message FROM dot WHERE counted = 0"};
    while (rows.step()) ids.emplace_back(rows.integer(0));
    for (const MessageId id : ids) recover_dot(id, now);
    if (ids.empty()) return;
    change();
    database_->execute("UPDATE dot SET counted = 1");
}

void Store::recover_dot(MessageId id, base::Time now) {
    const std::optional<Row> row = find(id);
    if (!row || is_finished(row->state)) return;
    change();
    Attempt attempt;
    attempt.at = now;
    attempt.outcome = "unknown";
    attempt.problem = "relay stopped after the final dot, before the reply";
    insert_attempt(id, attempt);
    Next next{MessageState::unknown, row->due.value_or(now), std::nullopt,
              row->attempts + 1,     row->wedged + 1,        false};
    if (next.wedged >= most_wedged || row->state == MessageState::held) {
        next.state = MessageState::held;
        next.due = std::nullopt;
    }
    if (next.state != row->state && next.state == MessageState::held) log_hold(id);
    update(id, *row, next);
}

// A transaction under way before its final dot. Whatever ended the process, up to
// max_connections of messages were: only one that was under way at three ends in a row, without
// any result in between, is taken for the cause.
void Store::recover_begun(base::Time now) {
    std::vector<std::pair<MessageId, std::int64_t>> begun;
    Statement rows{*database_,
                   "SELECT message, counted FROM dot WHERE counted > 2 AND counted & 1"};
    while (rows.step()) begun.emplace_back(MessageId{rows.integer(0)}, (rows.integer(1) - 1) / 2);
    for (const auto& [id, crashes] : begun) count_begun(id, crashes, now);
}

void Store::count_begun(MessageId id, std::int64_t crashes, base::Time now) {
    const std::optional<Row> row = find(id);
    if (!row) return;
    change();
    Attempt attempt;
    attempt.at = now;
    attempt.stage = smtp::Stage::mail;
    attempt.outcome = "deferred";
    attempt.problem = "relay ended while it delivered this message, before the final dot";
    insert_attempt(id, attempt);
    const bool hold = crashes >= most_wedged && row->state != MessageState::held;
    if (crashes >= most_wedged) {
        statements_->delete_dot.bind(id).run();
    } else {
        Statement{*database_, "UPDATE dot SET counted = counted + 1 WHERE message = ?"}
            .bind(id)
            .run();
    }
    Next next{row->state, row->due, std::nullopt, row->attempts + 1, row->wedged, false};
    if (hold) {
        next.state = MessageState::held;
        next.due = std::nullopt;
        log_hold(id);
    }
    update(id, *row, next);
}

void Store::read_totals() {
    Statement row{*database_, "SELECT queued, held, unknown, delivered, failed, bytes FROM totals"};
    const ResetGuard guard{row};
    if (!row.step()) return;
    for (int i = 0; i < 5; ++i) totals_.messages[static_cast<std::size_t>(i)] = row.integer(i);
    totals_.bytes = row.integer(5);
    totals_before_ = totals_;
}

void Store::write_totals() {
    if (totals_ == totals_before_) return;
    const auto& m = totals_.messages;
    statements_->update_totals.bind(m[0], m[1], m[2], m[3], m[4], totals_.bytes).run();
}

}  // namespace spool
