#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace spool::test {

// While it lives, every call by which this process changes files below a folder is recorded, and
// one of them can be made to fail. It stands in front of the C library's open, write, pwrite,
// ftruncate, fsync, fdatasync, link and unlink, so SQLite and the body files both go through it.
// What the processes read stays what the system's page cache would show; disk_after() tells what
// a power cut would have left. One at a time.
class RecordedDisk {
 public:
    enum class Kind : std::uint8_t { create, write, truncate, sync, link, unlink, sync_folder };
    struct Step {
        Kind kind;
        std::size_t file = 0;  // which file, in order of creation; for names: what they stand for
        std::uint64_t offset = 0;
        std::string bytes;  // written
        std::string name;   // below the folder
        bool lost = false;  // a sync that failed: what was written before it never reaches the disk
    };
    // What a failing call does: error is its errno; a torn write writes its first half first.
    struct Fault {
        std::size_t at = SIZE_MAX;  // counts the calls that fit
        std::function<bool(Kind)> fits;
        int error = 0;
        bool torn = false;
        bool lasting = false;  // all fitting calls from there on fail
    };

    explicit RecordedDisk(std::filesystem::path folder);
    ~RecordedDisk();
    RecordedDisk(const RecordedDisk&) = delete;
    RecordedDisk& operator=(const RecordedDisk&) = delete;

    void plan(Fault fault);
    void mend();  // no call fails any more
    // The process is killed and begins anew: from here on its files are those of this folder, a
    // copy of the one before. What was not synced is so still.
    void go_on_in(const std::filesystem::path& folder);
    [[nodiscard]] bool fault_happened() const;
    [[nodiscard]] std::size_t steps() const;
    [[nodiscard]] std::vector<Step> trace() const;

 private:
    std::filesystem::path folder_;
};

// How much of what was not synced a power cut leaves: nothing, all, or a choice by the seed, in
// which each write may be whole, torn at a sector, or missing.
struct PowerCut {
    enum class Keep : std::uint8_t { nothing, some, all } keep = Keep::nothing;
    std::uint64_t seed = 0;
};

// Makes below `folder` the files that the disk would hold after the first `count` steps.
void write_disk_after(const std::vector<RecordedDisk::Step>& trace, std::size_t count, PowerCut cut,
                      const std::filesystem::path& folder);

}  // namespace spool::test
