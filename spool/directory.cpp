#include "spool/directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>

#include "base/log.hpp"
#include "base/text.hpp"
#include "spool/free_space.hpp"

namespace spool {
namespace {

Outcome<> make_private_folder(const std::filesystem::path& folder) {
    struct stat status{};
    if (::stat(folder.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) return {};
        return SpoolError{Problem::io, fmt::format("{} should be a folder for the spool, and is "
                                                   "something else",
                                                   folder.string())};
    }
    std::error_code failure;
    if (folder.has_parent_path()) {
        std::filesystem::create_directories(folder.parent_path(), failure);
    }
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
        SpoolError fault = file_failure("make the folder", folder, errno);
        if (fault.problem == Problem::io) {
            fault.message += "; let spool.directory name a place where one can be made";
        }
        return fault;
    }
    // A parent that we may not read cannot be synced; the folder is made all the same.
    if (folder.has_parent_path()) static_cast<void>(sync_folder(folder.parent_path()));
    return {};
}

// Whoever may write to the folder may put another spool into its place.
void warn_if_open_to_all(const std::filesystem::path& folder) {
    struct stat status{};
    if (::stat(folder.c_str(), &status) != 0 || (status.st_mode & S_IWOTH) == 0) return;
    base::log_warning("every user of this host can write to the spool's folder",
                      {{"folder", folder.string()}, {"remedy", "chmod 700 " + folder.string()}});
}

// Through a link the file of a stranger's choice would be emptied.
SpoolError lock_failure(const Layout& layout, int number) {
    if (number != ELOOP) return file_failure("open", layout.lock(), number);
    return {Problem::io,
            fmt::format("{} is a symbolic link, which relay does not follow: remove it",
                        layout.lock().string())};
}

// Who holds the lock, as far as the lock file tells: a command that reads leaves no word in it.
struct Owner {
    long process = 0;
    std::string word;
    // The file outlives who wrote it.
    [[nodiscard]] bool lives() const {
        return process > 0 && (::kill(static_cast<pid_t>(process), 0) == 0 || errno == EPERM);
    }

    static constexpr std::string_view server_word = "run", command_word = "queue";
};

Owner read_owner(int file) {
    std::array<char, 32> text{};
    const ssize_t count = ::pread(file, text.data(), text.size() - 1, 0);
    if (count <= 0) return {};
    char* end = nullptr;
    Owner owner;
    owner.process = std::strtol(text.data(), &end, 10);
    owner.word = base::trim(end);
    return owner;
}

Outcome<> write_owner(int file, Opener opener, const std::filesystem::path& path) {
    const std::string text = fmt::format(
        "{} {}\n", ::getpid(), opener == Opener::server ? Owner::server_word : Owner::command_word);
    if (::ftruncate(file, 0) != 0 ||
        ::pwrite(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        return file_failure("write", path, errno);
    }
    return {};
}

SpoolError in_use(const Layout& layout, const Owner& owner, bool by_readers, Opener opener) {
    const std::string directory = layout.directory.string();
    if (by_readers || owner.word == Owner::command_word) {
        const std::string process =
            by_readers ? "that reads it" : fmt::format("(process {})", owner.process);
        return {Problem::io, fmt::format("the spool {} is in use by a `relay queue` command {}, "
                                         "which has not ended yet: let it end, or stop it, and try "
                                         "again",
                                         directory, process)};
    }
    std::string name = "another process";
    if (owner.process > 0) name = fmt::format("process {}", owner.process);
    if (owner.process > 0 && owner.word == Owner::server_word) {
        name = fmt::format("relay run (process {})", owner.process);
    }
    const char* remedy = opener == Opener::server
                             ? "stop that one first, or give this one another spool.directory"
                             : "it may be about to start or to end; try again in a moment, and "
                               "stop it if that goes on";
    return {Problem::io, fmt::format("the spool {} is in use by {}: {}", directory, name, remedy)};
}

// A command has the spool for moments only, so whoever comes then waits for them to pass.
Outcome<> take_lock(int file, int kind, const Layout& layout, const Options& options) {
    constexpr std::chrono::milliseconds pause{20};
    const auto give_up = std::chrono::steady_clock::now() + options.patience;
    for (;;) {
        if (::flock(file, kind | LOCK_NB) == 0) return {};
        if (errno != EWOULDBLOCK) return file_failure("lock", layout.lock(), errno);
        const bool by_readers = kind == LOCK_EX && ::flock(file, LOCK_SH | LOCK_NB) == 0;
        if (by_readers) ::flock(file, LOCK_UN);
        const Owner owner = read_owner(file);
        const bool by_server = !by_readers && owner.word != Owner::command_word && owner.lives();
        if (by_server || std::chrono::steady_clock::now() >= give_up) {
            return in_use(layout, owner, by_readers, options.opener);
        }
        std::this_thread::sleep_for(pause);
    }
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        close();
        number_ = std::exchange(other.number_, -1);
    }
    return *this;
}

void Descriptor::close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
}

SpoolError file_failure(std::string_view doing, const std::filesystem::path& file, int number) {
    const std::string reason = base::errno_text(number);
    const std::string name = file.string();
    switch (number) {
        case ENOSPC:
        case EDQUOT:
            return {Problem::full,
                    fmt::format("cannot {} {}: {} ({}); free some space, or move spool.directory "
                                "to a larger disk",
                                doing, name, reason, free_words(file.parent_path()))};
        case EROFS:
            return {Problem::read_only,
                    fmt::format("cannot {} {}: {}; the spool needs a disk it can write to", doing,
                                name, reason)};
        case EACCES:
        case EPERM:
            return {Problem::read_only,
                    fmt::format("cannot {} {}: {}; the user relay runs as must own the spool's "
                                "folder (see spool.directory)",
                                doing, name, reason)};
        default:
            return {Problem::io, fmt::format("cannot {} {}: {}", doing, name, reason)};
    }
}

SpoolError sync_failure(const std::filesystem::path& file, int number) {
    return {
        Problem::unsynced,
        fmt::format("the disk did not confirm what was written to {} ({}): look at the kernel's "
                    "log and at the health of the disk; until it confirms, relay takes no mail",
                    file.string(), base::errno_text(number))};
}

Outcome<Descriptor> claim_directory(const Layout& layout, const Options& options) {
    if (auto made = make_private_folder(layout.directory); !made) return made.error();
    warn_if_open_to_all(layout.directory);
    Descriptor lock{::open(layout.lock().c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!lock.open()) return lock_failure(layout, errno);
    if (auto locked = take_lock(lock.number(), LOCK_EX, layout, options); !locked) {
        return locked.error();
    }
    if (auto written = write_owner(lock.number(), options.opener, layout.lock()); !written) {
        return written.error();
    }
    if (auto made = make_private_folder(layout.bodies()); !made) return made.error();
    return lock;
}

Outcome<Descriptor> share_directory(const Layout& layout, const Options& options) {
    Descriptor lock{::open(layout.lock().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
    if (!lock.open()) {
        if (errno == ENOENT) return lock;
        return lock_failure(layout, errno);
    }
    if (auto locked = take_lock(lock.number(), LOCK_SH, layout, options); !locked) {
        return locked.error();
    }
    return lock;
}

Outcome<> sync_folder(const std::filesystem::path& folder) {
    const Descriptor open_folder{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!open_folder.open()) return file_failure("open the folder", folder, errno);
    if (::fsync(open_folder.number()) != 0) return sync_failure(folder, errno);
    return {};
}

}  // namespace spool
