#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "spool/spool.hpp"

namespace spool {

// How much is free on the file system of a folder, asked now and then. Any thread.
class FreeSpace {
 public:
    explicit FreeSpace(std::filesystem::path folder,
                       std::chrono::milliseconds good_for = std::chrono::seconds{1})
        : folder_(std::move(folder)), good_for_(good_for) {}

    // As last heard while the folder cannot be asked: a spool that was moved away is not full.
    [[nodiscard]] std::uint64_t bytes() const;
    // So much was written, or removed, since: counts at once, not when it is asked again.
    void take(std::uint64_t bytes);
    void give_back(std::uint64_t bytes);

 private:
    std::filesystem::path folder_;
    std::chrono::milliseconds good_for_;
    mutable std::mutex mutex_;
    mutable std::optional<std::chrono::steady_clock::time_point> asked_;
    mutable std::uint64_t bytes_ = 0;
};

// "1.2MiB free", for a message about a write that failed for want of space.
[[nodiscard]] std::string free_words(const std::filesystem::path& folder);

// The two limits on what is taken; both answers name the place, the figures and the setting.
[[nodiscard]] Outcome<> check_free(std::uint64_t free, std::uint64_t min_free, std::uint64_t size,
                                   const std::filesystem::path& folder);
[[nodiscard]] Outcome<> check_held(std::uint64_t held, std::optional<std::uint64_t> max_size,
                                   std::uint64_t size, const std::filesystem::path& folder);

}  // namespace spool
