#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "spool/body_files.hpp"
#include "spool/database.hpp"
#include "spool/leases.hpp"
#include "spool/schema.hpp"
#include "spool/spool.hpp"

namespace spool {

// What the spool holds, by MessageState; kept in memory and, with each transaction, on disk.
struct Totals {
    std::array<std::int64_t, 5> messages{};
    std::int64_t bytes = 0;
    [[nodiscard]] std::int64_t& of(MessageState state) {
        return messages[static_cast<std::size_t>(state)];
    }
    friend bool operator==(const Totals&, const Totals&) = default;
};

// A message whose body is whole.
struct Draft {
    NewMessage message;
    StoredBody body;
};

struct StoreOptions {
    Layout layout;
    Durability durability = Durability::full;
    std::optional<std::uint64_t> max_size;
    bool keep_finished = true;
    std::span<const Migration> migrations;
    std::shared_ptr<Damage> damage;
};

// Everything that is written, on the one connection that writes. Operations belong between
// begin() and commit(); what they change in memory (leases, totals) is undone with rollback().
// Only the committing thread calls it.
class Store {
 public:
    [[nodiscard]] static Outcome<std::unique_ptr<Store>> open(StoreOptions options,
                                                              std::shared_ptr<BodyFiles> files,
                                                              base::Time now);
    ~Store();

    // The transaction itself starts with the first change. synced: commit() returns only when
    // all of it, and all that was committed before, would survive a power cut.
    void begin(bool synced);
    [[nodiscard]] Outcome<> commit();
    void rollback();

    [[nodiscard]] Outcome<> add(const Draft& draft);
    // Whether a body of this size goes beyond max_size; reports are stored all the same.
    [[nodiscard]] Outcome<> check_size(std::uint64_t size) const;
    [[nodiscard]] Outcome<> record(const Report& report, std::span<const Draft> reports,
                                   base::Time now);
    [[nodiscard]] Outcome<> release(MessageId id);
    [[nodiscard]] Outcome<> mark_dot(MessageId id);
    [[nodiscard]] Outcome<> mark_begun(MessageId id);
    [[nodiscard]] Outcome<> pull_in(base::Time now, base::Time latest);
    [[nodiscard]] Outcome<> move_received(base::Time from, base::Time to, base::Duration by);
    // Each tells whether it changed, or will change, the message.
    [[nodiscard]] Outcome<bool> retry(MessageId id, base::Time now);
    [[nodiscard]] Outcome<bool> hold(MessageId id);
    [[nodiscard]] Outcome<bool> unhold(MessageId id, base::Time now);
    [[nodiscard]] Outcome<bool> remove(MessageId id);

    [[nodiscard]] std::optional<Lease> lease(MessageId id) const { return leases_.find(id); }
    // Outside of a transaction: leases what is due.
    struct Taken {
        std::vector<MessageId> ids;
        std::optional<base::Time> next;
    };
    [[nodiscard]] Outcome<Taken> take_due(base::Time now, std::size_t limit);

    // Housekeeping, in small steps, outside of a transaction. Each tells whether more is left.
    [[nodiscard]] bool purge(base::Time finished_before, std::size_t limit);
    [[nodiscard]] bool give_back_space();
    void checkpoint();
    // Files that a checkpoint would let go.
    [[nodiscard]] bool holds_files_back() const { return !forgotten_files_.empty() && !damaged(); }
    void forget_orphans(base::Time now) { files_->forget_orphans(now); }

    [[nodiscard]] bool damaged() const { return options_.damage->found(); }
    [[nodiscard]] const Totals& totals() const { return totals_; }
    [[nodiscard]] bool after_crash() const { return after_crash_; }
    [[nodiscard]] Database& database() { return *database_; }

 private:
    struct Statements;
    struct Row {  // what decides about a message's next state
        MessageState state = MessageState::queued;
        std::optional<base::Time> due;
        std::int64_t size = 0, attempts = 0, wedged = 0;
        bool in_file = false;
    };
    struct Next {
        MessageState state = MessageState::queued;
        std::optional<base::Time> due, finished;
        std::int64_t attempts = 0, wedged = 0;
        bool warned = false;
    };
    struct Progress {
        std::int64_t waiting = 0, failed = 0;
    };

    Store(StoreOptions options, std::shared_ptr<BodyFiles> files,
          std::unique_ptr<Database> database);
    [[nodiscard]] Outcome<> prepare(base::Time now);
    [[nodiscard]] Outcome<> sweep_bodies(base::Time now, bool synced);
    void recover_dots(base::Time now);
    void recover_dot(MessageId id, base::Time now);
    void recover_begun(base::Time now);
    void count_begun(MessageId id, std::int64_t crashes, base::Time now);

    void change();  // begins the transaction if that has not happened
    [[nodiscard]] std::optional<SpoolError> finish_commit();
    void renew_log();
    void remove_forgotten_files();
    bool checkpoint_log(int mode);  // whether all of the log is synced and in the database
    void close_log();
    static int log_grew(void* store, sqlite3* handle, const char* name, int pages);
    [[nodiscard]] std::optional<Row> find(MessageId id);
    void insert_message(const Draft& draft);
    void insert_recipients(const NewMessage& message);
    void insert_attempt(MessageId id, const Attempt& attempt);
    void apply_changes(const Report& report);
    [[nodiscard]] Progress progress(MessageId id);
    [[nodiscard]] Next decide(const Report& report, const Row& row, const Progress& progress,
                              base::Time now) const;
    static void apply_lease(const Lease& lease, Next& next);
    void update(MessageId id, const Row& row, const Next& next);
    void forget_body(MessageId id, const Row& row);
    void forget_dot(MessageId id);
    void erase(MessageId id, const Row& row);
    [[nodiscard]] Outcome<> outcome();
    [[nodiscard]] SpoolError unknown_message(MessageId id) const;
    void read_totals();
    void write_totals();

    StoreOptions options_;
    std::shared_ptr<BodyFiles> files_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<Statements> statements_;  // goes before the connection
    Leases leases_;
    Totals totals_, totals_before_;
    std::vector<MessageId> dead_files_;       // of messages that this transaction ends
    std::vector<MessageId> forgotten_files_;  // the same, committed; synced they are not yet
    bool after_crash_ = false;
    bool marked_ = false;                     // as open
    std::unordered_set<MessageId> new_dots_;  // marked in this transaction, written at its end
    bool in_transaction_ = false;
    bool new_files_ = false;      // names in bodies/ to be synced before the commit
    bool synced_ = false;         // what this batch asked for
    bool commits_synced_ = true;  // those of the last transaction that changed something
    bool log_doubtful_ = false;  // a sync of the log failed: what it holds may never reach the disk
    base::Time earliest_due_ =
        base::Time::min();  // nothing is due before; may be too early, never too late
};

}  // namespace spool
