#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

namespace spool {

// Counts what was submitted and not yet answered, so that closing can wait for it.
class Pending {
 public:
    // One submission; it ends when the last copy goes away.
    [[nodiscard]] std::shared_ptr<void> begin() {
        const std::lock_guard lock{mutex_};
        ++count_;
        return {this, [](Pending* self) { self->end(); }};
    }

    void wait() {
        std::unique_lock lock{mutex_};
        none_.wait(lock, [this] { return count_ == 0; });
    }

 private:
    void end() {
        const std::lock_guard lock{mutex_};
        // Within the lock: the waiter may destroy this object as soon as it sees zero.
        if (--count_ == 0) none_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable none_;
    std::size_t count_ = 0;
};

}  // namespace spool
