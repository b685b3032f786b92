#include "spool/database.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/text.hpp"
#include "spool/directory.hpp"
#include "spool/free_space.hpp"
#include "spool/log_file.hpp"

namespace spool {
namespace {

// SQL functions so that a search in the spool means what the same glob means elsewhere.
std::string_view argument(sqlite3_value* value) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
    if (text == nullptr) return {};
    return {text, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

void sql_glob(sqlite3_context* context, int, sqlite3_value** arguments) {
    const bool matches = base::glob_match(argument(arguments[0]), argument(arguments[1]));
    sqlite3_result_int(context, matches ? 1 : 0);
}

void sql_contains(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string needle = base::to_lower(argument(arguments[0]));
    const std::string text = base::to_lower(argument(arguments[1]));
    sqlite3_result_int(context, text.find(needle) != std::string::npos ? 1 : 0);
}

void add_functions(sqlite3* handle) {
    constexpr int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    sqlite3_create_function(handle, "relay_glob", 2, flags, nullptr, sql_glob, nullptr, nullptr);
    sqlite3_create_function(handle, "relay_contains", 2, flags, nullptr, sql_contains, nullptr,
                            nullptr);
}

SpoolError describe_system_failure(int number, const std::filesystem::path& file) {
    const std::string folder = file.parent_path().string();
    if (number == ENOSPC || number == EDQUOT) {
        return {Problem::full, fmt::format("no space left for the spool in {} ({}): free some, or "
                                           "move spool.directory to a larger disk",
                                           folder, free_words(folder))};
    }
    if (number == EROFS) {
        return {Problem::read_only,
                fmt::format("the file system that holds the spool {} is read-only", folder)};
    }
    return {Problem::io, fmt::format("cannot read or write the spool database {}: {}",
                                     file.string(), base::errno_text(number))};
}

void set_up_library() {
    static const bool done = [] {
        // Otherwise each connection begins with twenty pages of cache, and a fault for every one.
        sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0);
        // Counting the memory in use takes a lock for each allocation.
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        return true;
    }();
    static_cast<void>(done);
}

}  // namespace

SpoolError describe_failure(sqlite3* handle, int code, const std::filesystem::path& file) {
    const std::string name = file.string();
    const int system_error = handle == nullptr ? 0 : sqlite3_system_errno(handle);
    switch (code & 0xff) {
        case SQLITE_FULL:
            return describe_system_failure(ENOSPC, file);
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
            if (system_error == ENOSPC || system_error == EROFS) {
                return describe_system_failure(system_error, file);
            }
            return {Problem::read_only,
                    fmt::format("cannot open {} for writing: the user relay runs as must own the "
                                "folder and the files in it",
                                name)};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {Problem::corrupt,
                    fmt::format("the spool database {} is damaged. Stop relay and keep a copy of "
                                "the folder; what can still be read is saved with `relay queue "
                                "export --all --directory DIR` or `sqlite3 {} .recover`. relay "
                                "begins an empty spool when all that is in the folder has been "
                                "moved away",
                                name, name)};
        case SQLITE_IOERR:
            if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) {
                return sync_failure(file, system_error);
            }
            if (system_error != 0) return describe_system_failure(system_error, file);
            break;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {Problem::io, fmt::format("another program keeps {} locked: close it, then it "
                                             "works again",
                                             name)};
        case SQLITE_CONSTRAINT:
            return {Problem::io,
                    fmt::format("the spool {} already holds a message of this id: was the clock "
                                "set back?",
                                name)};
        default:
            break;
    }
    return {Problem::io,
            fmt::format("the spool database {} failed: {}", name,
                        handle == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle))};
}

Database::Database(std::filesystem::path file, sqlite3* handle)
    : file_(std::move(file)), handle_(handle) {}

Database::~Database() { sqlite3_close_v2(handle_); }

Outcome<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file,
                                                  Access access) {
    set_up_library();
    sqlite3* handle = nullptr;
    // Each connection belongs to one thread, so SQLite need not lock it.
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                      (access == Access::read ? 0 : SQLITE_OPEN_CREATE);
    const char* files = access == Access::write_joined ? joined_log_files() : nullptr;
    const int code = sqlite3_open_v2(file.c_str(), &handle, flags, files);
    std::unique_ptr<Database> database{new Database{file, handle}};
    if (code != SQLITE_OK) return describe_failure(handle, code, file);
    sqlite3_extended_result_codes(handle, 1);
    // Only a person's sqlite3 shell can be in the way, and only for moments.
    sqlite3_busy_timeout(handle, 5000);
    // Closing leaves the files as they are: only Store moves the log into the database.
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    add_functions(handle);
    if (access == Access::write_joined) {
        drop_what_is_rolled_back(handle);
        database->execute("PRAGMA synchronous = FULL; PRAGMA checkpoint_fullfsync = ON");
    }
    return database;
}

Outcome<std::unique_ptr<Database>> Database::open_untouched(const std::filesystem::path& file) {
    std::error_code ignored;
    if (std::filesystem::exists(file.string() + "-wal", ignored)) {
        auto database = open(file, Access::read);
        // Alone with it, SQLite keeps the index of the log in memory, not in a file.
        if (database) {
            (*database)->execute("PRAGMA query_only = ON; PRAGMA locking_mode = EXCLUSIVE");
        }
        return database;
    }
    // SQLite would make a log, and then nobody could tell that it was missing.
    sqlite3* handle = nullptr;
    std::string escaped;
    for (const char c : file.string()) {
        escaped += c == '?' || c == '#' || c == '%'
                       ? fmt::format("%{:02x}", static_cast<unsigned char>(c))
                       : std::string{c};
    }
    const int code =
        sqlite3_open_v2(("file:" + escaped + "?immutable=1").c_str(), &handle,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, nullptr);
    std::unique_ptr<Database> database{new Database{file, handle}};
    if (code != SQLITE_OK) return describe_failure(handle, code, file);
    sqlite3_extended_result_codes(handle, 1);
    add_functions(handle);
    return database;
}

void Database::execute(const std::string& sql) {
    if (failed()) return;
    const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) note_failure(code);
}

std::int64_t Database::number(const std::string& sql) {
    Statement statement{*this, sql};
    return statement.step() ? statement.integer(0) : 0;
}

bool Database::in_place() const {
    int moved = 0;
    if (sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK) {
        return true;
    }
    if (moved != 0) return false;
    // Nothing but its being there is asked for: since Linux 6.13 the first write after somebody has
    // asked for a file's times takes a new one, and on ext4 without a journal the sync behind it
    // writes the inode too.
    struct statx status{};
    const std::string log = file_.string() + "-wal";
    return ::statx(AT_FDCWD, log.c_str(), 0, STATX_INO, &status) == 0 ||
           (errno != ENOENT && errno != ENOTDIR);
}

void Database::remove_log_on_close() {
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
}

SpoolError Database::take_error() { return *std::exchange(error_, std::nullopt); }

void Database::note_failure(int code) {
    if (error_) return;
    error_ = describe_failure(handle_, code, file_);
    if (damage_ && error_->problem == Problem::corrupt) damage_->note(*error_);
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
    if (database_.failed()) return;
    const int code =
        sqlite3_prepare_v3(database_.handle(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
    if (code != SQLITE_OK) database_.note_failure(code);
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::bind_at(int index, std::int64_t value) {
    sqlite3_bind_int64(statement_, index, value);
}

void Statement::bind_at(int index, std::string_view value) {
    // A null pointer would bind NULL, and an empty view may hold one.
    sqlite3_bind_text64(statement_, index, value.empty() ? "" : value.data(), value.size(),
                        SQLITE_STATIC, SQLITE_UTF8);
}

void Statement::bind_at(int index, Blob value) {
    sqlite3_bind_blob64(statement_, index, value.bytes.empty() ? "" : value.bytes.data(),
                        value.bytes.size(), SQLITE_STATIC);
}

void Statement::bind_at(int index, base::Time value) {
    bind_at(index, std::int64_t{value.time_since_epoch().count()});
}

void Statement::bind_at(int index, std::optional<base::Time> value) {
    if (value) {
        bind_at(index, *value);
    } else {
        sqlite3_bind_null(statement_, index);
    }
}

bool Statement::step() {
    if (database_.failed() || statement_ == nullptr) return false;
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) database_.note_failure(code);
    reset();
    return false;
}

void Statement::run() {
    while (step()) {
    }
}

void Statement::reset() {
    // Its result only repeats what step() said.
    if (statement_ != nullptr) sqlite3_reset(statement_);
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::text(int column) const {
    // The bytes as stored: column_text would be wrong for the blobs of bodies.
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    const int size = sqlite3_column_bytes(statement_, column);
    return bytes == nullptr ? std::string_view{}
                            : std::string_view{bytes, static_cast<std::size_t>(size)};
}

base::Time Statement::time(int column) const { return base::Time{base::Duration{integer(column)}}; }

std::optional<base::Time> Statement::optional_time(int column) const {
    if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
    return time(column);
}

Snapshot::~Snapshot() {
    // Also after a failure: the connection must not keep its view, or the log cannot be
    // checkpointed.
    sqlite3_exec(database_.handle(), "COMMIT", nullptr, nullptr, nullptr);
}

}  // namespace spool
