#pragma once

#include <cstdint>
#include <filesystem>

namespace spool {

// What is in SQLite's log (spool.db-wal), found out without SQLite: its recovery takes the log up
// to the first frame that is not whole, and drops the rest without a word.
struct LogFindings {
    bool present = false;
    std::uint32_t readable = 0;  // frames, up to the last commit that recovery finds
    std::uint32_t beyond = 0;    // commits behind the first frame that is not whole
    // Frames that were committed, as the index of the log (spool.db-shm) tells. It is written by
    // the process that wrote the log and never synced: it holds only while no power cut came
    // between. 0: it tells nothing.
    std::uint32_t committed = 0;
};

[[nodiscard]] LogFindings examine_log(const std::filesystem::path& database);

}  // namespace spool
