#pragma once

#include <cstddef>

namespace spool::test {

// While it lives, SQLite's log files are written through it: it counts bytes written and not yet
// synced, and can play a full disk. One at a time, and made before the spool is opened.
class WatchingVfs {
 public:
    WatchingVfs();
    ~WatchingVfs();
    WatchingVfs(const WatchingVfs&) = delete;
    WatchingVfs& operator=(const WatchingVfs&) = delete;

    [[nodiscard]] std::size_t unsynced() const;
    [[nodiscard]] std::size_t syncs() const;
    void fill_disk(bool full) const;
};

}  // namespace spool::test
