#include "tests/unit/spool/watching_vfs.hpp"

#include <sqlite3.h>

#include <atomic>
#include <new>

#include "tests/support/catch.hpp"

namespace spool::test {
namespace {

std::atomic<std::size_t> unsynced_bytes, sync_count;
std::atomic<bool> disk_full;
sqlite3_vfs* real_vfs;
sqlite3_vfs watching;

// Lies behind the system's own file in the same block of memory.
struct WatchedFile {
    sqlite3_io_methods methods;      // the real ones, with two replaced
    const sqlite3_io_methods* real;  // to pass calls on
};

WatchedFile& watched(sqlite3_file* file) {
    return *reinterpret_cast<WatchedFile*>(reinterpret_cast<char*>(file) + real_vfs->szOsFile);
}

int write_log(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
    if (disk_full) return SQLITE_FULL;
    unsynced_bytes += static_cast<std::size_t>(size);
    return watched(file).real->xWrite(file, bytes, size, offset);
}

int sync_log(sqlite3_file* file, int flags) {
    const int code = watched(file).real->xSync(file, flags);
    if (code == SQLITE_OK) unsynced_bytes = 0;
    ++sync_count;
    return code;
}

int open_file(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out) {
    const int code = real_vfs->xOpen(real_vfs, name, file, flags, out);
    if (code != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0) return code;
    auto* log = new (&watched(file)) WatchedFile{};
    log->real = file->pMethods;
    log->methods = *file->pMethods;
    log->methods.xWrite = write_log;
    log->methods.xSync = sync_log;
    file->pMethods = &log->methods;
    return code;
}

// Before anybody asks which files are the system's.
[[maybe_unused]] const bool registered = [] {
    real_vfs = sqlite3_vfs_find(nullptr);
    watching = *real_vfs;
    watching.zName = "watching";
    watching.szOsFile = real_vfs->szOsFile + static_cast<int>(sizeof(WatchedFile));
    watching.xOpen = open_file;
    return sqlite3_vfs_register(&watching, 1) == SQLITE_OK;
}();

}  // namespace

WatchingVfs::WatchingVfs() {
    REQUIRE(registered);
    unsynced_bytes = 0;
    sync_count = 0;
    disk_full = false;
}

WatchingVfs::~WatchingVfs() { disk_full = false; }

std::size_t WatchingVfs::unsynced() const { return unsynced_bytes; }
std::size_t WatchingVfs::syncs() const { return sync_count; }
void WatchingVfs::fill_disk(bool full) const { disk_full = full; }

}  // namespace spool::test
