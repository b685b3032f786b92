#include "spool/free_space.hpp"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "base/units.hpp"

namespace spool {

std::uint64_t FreeSpace::bytes() const {
    const std::lock_guard lock{mutex_};
    const auto now = std::chrono::steady_clock::now();
    if (asked_ && now - *asked_ < good_for_) return bytes_;
    struct statvfs status{};
    if (::statvfs(folder_.c_str(), &status) == 0) {
        bytes_ = std::uint64_t{status.f_bavail} * std::uint64_t{status.f_frsize};
    }
    asked_ = now;
    return bytes_;
}

void FreeSpace::take(std::uint64_t bytes) {
    const std::lock_guard lock{mutex_};
    bytes_ -= std::min(bytes_, bytes);
}

void FreeSpace::give_back(std::uint64_t bytes) {
    const std::lock_guard lock{mutex_};
    bytes_ += bytes;
}

std::string free_words(const std::filesystem::path& folder) {
    return base::human_size(FreeSpace{folder}.bytes()) + " free";
}

Outcome<> check_free(std::uint64_t free, std::uint64_t min_free, std::uint64_t size,
                     const std::filesystem::path& folder) {
    if (free >= size && free - size >= min_free) return {};
    return SpoolError{
        Problem::full,
        fmt::format("only {} free on the disk of {}: {} needs to leave "
                    "spool.min_free = {} free; delete something there or lower spool.min_free",
                    base::human_size(free), folder.string(),
                    size > 1 ? "a message of " + base::human_size(size) : "any message",
                    base::human_size(min_free))};
}

Outcome<> check_held(std::uint64_t held, std::optional<std::uint64_t> max_size, std::uint64_t size,
                     const std::filesystem::path& folder) {
    if (!max_size || (size <= *max_size && held <= *max_size - size)) return {};
    return SpoolError{
        Problem::full,
        fmt::format("the spool {} holds {}: a message of {} goes beyond spool.max_size = {}; wait "
                    "until mail has left, or raise spool.max_size",
                    folder.string(), base::human_size(held), base::human_size(size),
                    base::human_size(*max_size))};
}

}  // namespace spool
