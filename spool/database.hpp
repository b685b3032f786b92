#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
#include "spool/damage.hpp"
#include "spool/spool.hpp"

namespace spool {

// One SQLite connection, used by one thread. It keeps its first failure: from then on
// statements do nothing and return no rows until take_error() is called. So a transaction is
// written as a plain list of steps, and asked once, at its end, whether all of them worked.
class Database {
 public:
    // write_joined: with joined_log_files(), set up as those ask for.
    enum class Access : std::uint8_t { write, write_joined, read };
    [[nodiscard]] static Outcome<std::unique_ptr<Database>> open(const std::filesystem::path& file,
                                                                 Access access);
    // Leaves no trace: no file is made, changed or removed. Only while nobody else has it open.
    [[nodiscard]] static Outcome<std::unique_ptr<Database>> open_untouched(
        const std::filesystem::path& file);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    void execute(const std::string& sql);
    [[nodiscard]] std::int64_t number(const std::string& sql);  // first column of the first row

    [[nodiscard]] bool failed() const { return error_.has_value(); }
    [[nodiscard]] SpoolError take_error();  // only when failed()
    void note_failure(int code);            // a result code of SQLite
    // Whether the files that are written still bear the spool's names. A removed or replaced one
    // takes writes and syncs as ever, and nobody would find them again.
    [[nodiscard]] bool in_place() const;
    void remove_log_on_close();  // all of it is in the database
    void watch(std::shared_ptr<Damage> damage) { damage_ = std::move(damage); }
    [[nodiscard]] sqlite3* handle() const { return handle_; }
    [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
    Database(std::filesystem::path file, sqlite3* handle);

    std::filesystem::path file_;
    sqlite3* handle_;
    std::optional<SpoolError> error_;
    std::shared_ptr<Damage> damage_;  // who is to know of it; may be none
};

// What a result code of SQLite means for the person who runs the spool.
[[nodiscard]] SpoolError describe_failure(sqlite3* handle, int code,
                                          const std::filesystem::path& file);

struct Blob {
    std::string_view bytes;
};

// A prepared statement. Bound texts and blobs are not copied: they must live until the
// statement has run.
class Statement {
 public:
    Statement(Database& database, std::string_view sql);
    ~Statement();
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    // Binds all parameters, from the first on.
    template <class... Values>
    Statement& bind(const Values&... values) {
        reset();
        int index = 0;
        (bind_at(++index, values), ...);
        return *this;
    }
    void bind_at(int index, std::int64_t value);
    void bind_at(int index, std::string_view value);
    void bind_at(int index, Blob value);
    void bind_at(int index, base::Time value);
    void bind_at(int index, std::optional<base::Time> value);  // nullopt: NULL
    void bind_at(int index, MessageId value) { bind_at(index, value.value()); }

    [[nodiscard]] bool step();  // true: at a row. Resets itself behind the last one.
    void run();                 // for statements without rows
    void reset();

    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string_view text(int column) const;  // valid until the next step or reset
    [[nodiscard]] std::string string(int column) const { return std::string{text(column)}; }
    [[nodiscard]] base::Time time(int column) const;
    [[nodiscard]] std::optional<base::Time> optional_time(int column) const;

 private:
    Database& database_;
    sqlite3_stmt* statement_ = nullptr;
};

// Lets go of a statement that was not read to its end, and of the rows it locks.
class ResetGuard {
 public:
    explicit ResetGuard(Statement& statement) : statement_(statement) {}
    ~ResetGuard() { statement_.reset(); }
    ResetGuard(const ResetGuard&) = delete;
    ResetGuard& operator=(const ResetGuard&) = delete;

 private:
    Statement& statement_;
};

// Several reads that see the same moment.
class Snapshot {
 public:
    explicit Snapshot(Database& database) : database_(database) { database_.execute("BEGIN"); }
    ~Snapshot();
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

 private:
    Database& database_;
};

}  // namespace spool
