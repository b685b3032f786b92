#pragma once

// Private to the pool's own files.

#include <chrono>
#include <optional>
#include <utility>

#include "delivery/pool.hpp"

namespace delivery {

// A connection's place in the pool's lists, given up also when an exception ends it.
class Pool::Membership {
 public:
    Membership(Pool& pool, Connection& connection) : pool_(pool), connection_(connection) {
        pool_.members_.push_back(this);
    }
    ~Membership() {
        opened();
        asks_for_work();
        std::erase(pool_.members_, this);
        std::erase(pool_.idle_, this);
        --pool_.connections_;
    }
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

    [[nodiscard]] Connection& connection() { return connection_; }
    void serves(base::MessageId id) {
        serving_ = id;
        since_ = std::chrono::steady_clock::now();
    }
    void serves_nothing() { serving_.reset(); }

    // Chosen while the message before it is sent: it is served next, or put back.
    void set_next(JobPtr job) {
        next_ = std::move(job);
        next_begun_ = never;
    }
    void next_begins() { next_begun_ = std::chrono::steady_clock::now(); }
    [[nodiscard]] bool has_next() const { return next_ != nullptr; }
    [[nodiscard]] JobPtr take_next() { return std::move(next_); }
    [[nodiscard]] bool keeps_next_waiting(base::Duration limit) const {
        return next_ && next_begun_ != never &&
               std::chrono::steady_clock::now() - next_begun_ >= limit;
    }

    // Once for each message that it has served for so long.
    [[nodiscard]] std::optional<base::MessageId> long_served(base::Duration limit) {
        if (!serving_ || std::chrono::steady_clock::now() - since_ < limit) return std::nullopt;
        return std::exchange(serving_, std::nullopt);
    }
    void stop_opening() {
        if (opening_) connection_.cancel();
    }
    void opened() {
        if (std::exchange(opening_, false)) --pool_.opening_;
    }
    void wake() {
        if (!std::exchange(woken_, true)) ++pool_.woken_;
        connection_.wake();
    }
    void asks_for_work() {
        if (std::exchange(woken_, false)) --pool_.woken_;
    }

 private:
    static constexpr auto never = std::chrono::steady_clock::time_point::max();

    Pool& pool_;
    Connection& connection_;
    bool opening_ = true, woken_ = false;
    std::optional<base::MessageId> serving_;
    std::chrono::steady_clock::time_point since_;
    JobPtr next_;
    std::chrono::steady_clock::time_point next_begun_ = never;
};

}  // namespace delivery
