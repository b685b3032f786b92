#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "spool/spool.hpp"

namespace spool {

// Whether some connection met a page that is no part of a database. What is missing then may only
// be unreadable: from then on no mail is taken, and nothing is removed. Any thread.
class Damage {
 public:
    void note(const SpoolError& error);  // says the first one in the log
    [[nodiscard]] bool found() const { return found_; }
    [[nodiscard]] Outcome<> check() const;  // what was noted first

 private:
    std::atomic<bool> found_ = false;
    mutable std::mutex mutex_;
    std::optional<SpoolError> error_;
};

}  // namespace spool
