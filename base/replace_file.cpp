#include "base/replace_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/draft_file.hpp"

namespace base {
namespace {

namespace fs = std::filesystem;

std::string reason() { return errno_text(errno); }

// The owner can be kept by root only; others own what they may replace.
bool take_after(const DraftFile& draft, const struct stat& old) {
    const int descriptor = draft.descriptor();
    const bool owned = ::fchown(descriptor, old.st_uid, old.st_gid) == 0 ||
                       (old.st_uid == ::geteuid() && old.st_gid == ::getegid());
    return owned && ::fchmod(descriptor, old.st_mode & 07777U) == 0;
}

// A rename is on disk once its folder is.
void sync_folder(const fs::path& folder) {
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);
    ::close(descriptor);
}

}  // namespace

Result<> replace_file(const fs::path& named, std::string_view text, const Approval& approve) {
    std::error_code missing;
    const fs::path real = fs::canonical(named, missing);
    const fs::path file = missing ? fs::absolute(named) : real;
    struct stat old{};
    const bool exists = ::stat(file.c_str(), &old) == 0;
    if (exists && !S_ISREG(old.st_mode)) {  // root would put a file in the place of /dev/null
        return error(fmt::format("{} is no regular file: name one", file.string()));
    }
    DraftFile draft{file};
    if (!draft.open()) {
        return error(
            fmt::format("{} cannot be written to: {}", file.parent_path().string(), reason()));
    }
    if (exists && !take_after(draft, old)) {
        return error(fmt::format("the owner of {} cannot be kept: {}", file.string(), reason()));
    }
    if (!draft.write(text) || !draft.sync()) {
        return error(fmt::format("{} cannot be written: {}", file.string(), reason()));
    }
    if (approve) {
        if (Result<> good = approve(draft.name(), file); !good) return good;
    }
    if (!draft.place()) {
        return error(fmt::format("{} cannot be replaced: {}", file.string(), reason()));
    }
    sync_folder(file.parent_path());
    return {};
}

}  // namespace base
