#pragma once

#include <concepts>
#include <utility>

namespace base {

// Does the work when its scope ends, also when an exception ends it. The work must not throw; in
// a coroutine what it touches outlives the loop, which may go while the coroutine waits.
template <std::invocable Work>
class [[nodiscard]] AtEnd {
 public:
    explicit AtEnd(Work work) : work_(std::move(work)) {}
    ~AtEnd() { work_(); }
    AtEnd(const AtEnd&) = delete;
    AtEnd& operator=(const AtEnd&) = delete;

 private:
    Work work_;
};

}  // namespace base
