#pragma once

#include <filesystem>
#include <utility>

#include "base/result.hpp"
#include "spool/spool.hpp"

namespace spool {

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor() { close(); }

    [[nodiscard]] int number() const { return number_; }
    [[nodiscard]] bool open() const { return number_ >= 0; }
    void close();

 private:
    int number_ = -1;
};

// Where things are in the spool's folder.
struct Layout {
    std::filesystem::path directory;
    [[nodiscard]] std::filesystem::path database() const { return directory / "spool.db"; }
    [[nodiscard]] std::filesystem::path bodies() const { return directory / "bodies"; }
    [[nodiscard]] std::filesystem::path body(MessageId id) const { return bodies() / id.text(); }
    [[nodiscard]] std::filesystem::path orphans() const { return bodies() / "orphaned"; }
    [[nodiscard]] std::filesystem::path lock() const { return directory / "lock"; }
    [[nodiscard]] std::filesystem::path mark() const { return directory / "spool.mark"; }
    [[nodiscard]] std::filesystem::path log() const { return directory / "spool.db-wal"; }
};

// Makes the folders, for this user alone, and takes the lock that keeps a second process out for
// as long as the descriptor lives. Waits options.patience for a command that has it.
[[nodiscard]] Outcome<Descriptor> claim_directory(const Layout& layout, const Options& options);
// Keeps only those out who would claim it, and makes nothing.
[[nodiscard]] Outcome<Descriptor> share_directory(const Layout& layout, const Options& options);

// After a sync that failed: the system may have dropped what was written, and says so only once.
[[nodiscard]] SpoolError sync_failure(const std::filesystem::path& file, int number);
// Syncs a folder, so that the names in it survive a power cut.
[[nodiscard]] Outcome<> sync_folder(const std::filesystem::path& folder);

// The words for a system call that failed on a file of the spool.
[[nodiscard]] SpoolError file_failure(std::string_view doing, const std::filesystem::path& file,
                                      int number);

}  // namespace spool
