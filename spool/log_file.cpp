#include "spool/log_file.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace spool {
namespace {

constexpr std::size_t most_joined = 100 << 10;  // bytes; SQLite writes less than 128 KiB at once

// A commit that makes the file longer syncs its new length too, and takes half as long again: so
// the file grows for the next ones as well. SQLite reads no further than the last whole frame.
constexpr sqlite3_int64 growth = 256 << 10;  // bytes
char zeros[64 << 10];                        // never touched, so that it takes no memory

// Lies in memory of SQLite's, with the file that does the work behind it.
struct JoinedLog : sqlite3_file {
    std::vector<char> joined;  // not written yet
    sqlite3_int64 at = 0;      // where it goes
    sqlite3_int64 length = 0;  // up to here nothing is to be grown
    bool sync_commits = true;

    [[nodiscard]] sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(this + 1); }
    [[nodiscard]] sqlite3_int64 end() const {
        return at + static_cast<sqlite3_int64>(joined.size());
    }
    [[nodiscard]] int write_joined();
    void grow();
};

JoinedLog& log_of(sqlite3_file* file) { return *static_cast<JoinedLog*>(file); }

int JoinedLog::write_joined() {
    if (joined.empty()) return SQLITE_OK;
    const int code =
        file()->pMethods->xWrite(file(), joined.data(), static_cast<int>(joined.size()), at);
    if (code == SQLITE_OK && end() > length) grow();
    joined.clear();
    return code;
}

void JoinedLog::grow() {
    const sqlite3_io_methods& methods = *file()->pMethods;
    const sqlite3_int64 from = end();
    if (methods.xFileSize(file(), &length) != SQLITE_OK || length > from) return;
    length = (from / growth + 1) * growth;
    for (sqlite3_int64 there = from; there < length; there += sizeof zeros) {
        const auto size = static_cast<int>(std::min<sqlite3_int64>(sizeof zeros, length - there));
        if (methods.xWrite(file(), zeros, size, there) == SQLITE_OK) continue;
        // What room is left belongs to the mail. The next try comes behind this length.
        methods.xTruncate(file(), from);
        return;
    }
}

// All that is joined is written first, then the file is asked.
template <auto method, class... Arguments>
int ask(sqlite3_file* file, Arguments... arguments) noexcept {
    JoinedLog& log = log_of(file);
    if (const int code = log.write_joined(); code != SQLITE_OK) return code;
    return (log.file()->pMethods->*method)(log.file(), arguments...);
}

// What it says of the system below.
template <auto method>
int tell(sqlite3_file* file) noexcept {
    JoinedLog& log = log_of(file);
    return (log.file()->pMethods->*method)(log.file());
}

// What is rolled back is read from where it was before, and need not be written for that.
int read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 at) noexcept {
    JoinedLog& log = log_of(file);
    const bool joined = at < log.end() && at + size > log.at;
    // SQLite was told that it is written: the whole transaction must go, and SQLITE_FULL of a read
    // would only end the statement.
    if (joined && log.write_joined() != SQLITE_OK) return SQLITE_IOERR_WRITE;
    return log.file()->pMethods->xRead(log.file(), bytes, size, at);
}

int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) noexcept {
    JoinedLog& log = log_of(file);
    if (at != log.end() || log.joined.size() + static_cast<std::size_t>(size) > most_joined) {
        if (const int code = log.write_joined(); code != SQLITE_OK) return code;
    }
    if (log.joined.empty()) log.at = at;
    const char* first = static_cast<const char*>(bytes);
    log.joined.insert(log.joined.end(), first, first + size);
    return SQLITE_OK;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) noexcept {
    JoinedLog& log = log_of(file);
    if (const int code = log.write_joined(); code != SQLITE_OK) return code;
    log.length = 0;
    return log.file()->pMethods->xTruncate(log.file(), size);
}

int sync(sqlite3_file* file, int flags) noexcept {
    JoinedLog& log = log_of(file);
    if (const int code = log.write_joined(); code != SQLITE_OK) return code;
    if (flags == SQLITE_SYNC_NORMAL && !log.sync_commits) return SQLITE_OK;
    return log.file()->pMethods->xSync(log.file(), flags);
}

int close(sqlite3_file* file) noexcept {
    JoinedLog& log = log_of(file);
    const int code = log.file()->pMethods->xClose(log.file());
    std::destroy_at(&log);
    return code;
}

constexpr sqlite3_io_methods log_methods{
    .iVersion = 1,
    .xClose = close,
    .xRead = read,
    .xWrite = write,
    .xTruncate = truncate,
    .xSync = sync,
    .xFileSize = ask<&sqlite3_io_methods::xFileSize, sqlite3_int64*>,
    .xLock = ask<&sqlite3_io_methods::xLock, int>,
    .xUnlock = ask<&sqlite3_io_methods::xUnlock, int>,
    .xCheckReservedLock = ask<&sqlite3_io_methods::xCheckReservedLock, int*>,
    .xFileControl = ask<&sqlite3_io_methods::xFileControl, int, void*>,
    .xSectorSize = tell<&sqlite3_io_methods::xSectorSize>,
    .xDeviceCharacteristics = tell<&sqlite3_io_methods::xDeviceCharacteristics>,
    // Version 1 ends here: only the database is shared memory's and may be mapped.
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

sqlite3_vfs& system_files() {
    static sqlite3_vfs& files = *sqlite3_vfs_find(nullptr);
    return files;
}

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) noexcept {
    if ((flags & SQLITE_OPEN_WAL) == 0) {
        return system_files().xOpen(&system_files(), name, file, flags, flags_out);
    }
    auto* log = new (file) JoinedLog{};
    log->joined.reserve(most_joined);  // nothing is allocated later
    const int code = system_files().xOpen(&system_files(), name, log->file(), flags, flags_out);
    if (code == SQLITE_OK) {
        log->pMethods = &log_methods;
    } else {
        std::destroy_at(log);
        file->pMethods = nullptr;
    }
    return code;
}

JoinedLog* log_behind(sqlite3* handle) {
    sqlite3_file* file = nullptr;
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    if (file == nullptr || file->pMethods != &log_methods) return nullptr;
    return &log_of(file);
}

}  // namespace

const char* joined_log_files() {
    static sqlite3_vfs files = [] {
        sqlite3_vfs made = system_files();
        made.zName = "relay-joined-log";
        made.szOsFile += static_cast<int>(sizeof(JoinedLog));
        made.xOpen = open;
        return made;
    }();
    static const int registered = sqlite3_vfs_register(&files, 0);
    return registered == SQLITE_OK ? files.zName : nullptr;
}

void drop_what_is_rolled_back(sqlite3* handle) {
    const auto drop = [](void* connection) {
        if (JoinedLog* log = log_behind(static_cast<sqlite3*>(connection))) log->joined.clear();
    };
    sqlite3_rollback_hook(handle, drop, handle);
}

void sync_commits(sqlite3* handle, bool synced) {
    if (JoinedLog* log = log_behind(handle)) log->sync_commits = synced;
}

}  // namespace spool
