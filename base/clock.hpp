#pragma once

#include <atomic>
#include <chrono>
#include <string>

namespace base {

using Duration = std::chrono::milliseconds;
using Time = std::chrono::sys_time<Duration>;  // wall clock, as kept in the spool

// The wall clock as an interface, so that a test of five days takes no time.
class Clock {
 public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual Time now() const = 0;
};

class SystemClock final : public Clock {
 public:
    [[nodiscard]] Time now() const override;
};

// One thread advances it, all may look.
class ManualClock final : public Clock {
 public:
    explicit ManualClock(Time start = Time{std::chrono::hours{24 * 365 * 50}}) : now_(start) {}
    [[nodiscard]] Time now() const override { return now_; }
    void advance(Duration by) { now_ = now_.load() + by; }

 private:
    std::atomic<Time> now_;
};

// "2026-11-24T11:12:13.123Z"
[[nodiscard]] std::string format_iso8601(Time time);

// RFC 5322 section 3.3 date-time in local time: "Tue, 24 Nov 2026 12:12:13 +0100"
[[nodiscard]] std::string format_rfc5322(Time time);

}  // namespace base
