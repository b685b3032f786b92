#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "config/edit.hpp"
#include "config/settings.hpp"

namespace config {
namespace {

namespace fs = std::filesystem;

std::string reason() { return std::generic_category().message(errno); }

// A file beside the one to be replaced, removed again unless it took that one's place.
class Draft {
 public:
    explicit Draft(const fs::path& file) : name_((file.parent_path() / ".relay.toml.XXXXXX")) {
        descriptor_ = ::mkostemp(name_.data(), O_CLOEXEC);  // of mode 0600
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() {
        if (descriptor_ < 0) return;
        ::close(descriptor_);
        if (!placed_) ::unlink(name_.c_str());
    }

    [[nodiscard]] bool open() const { return descriptor_ >= 0; }
    [[nodiscard]] const std::string& name() const { return name_; }
    // The owner can be kept by root only; others own what they may replace.
    [[nodiscard]] bool take_after(const struct stat& old) const {
        const bool owned = ::fchown(descriptor_, old.st_uid, old.st_gid) == 0 ||
                           (old.st_uid == ::geteuid() && old.st_gid == ::getegid());
        return owned && ::fchmod(descriptor_, old.st_mode & 07777U) == 0;
    }
    [[nodiscard]] bool write(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t count = ::write(descriptor_, text.data(), text.size());
            if (count < 0) return false;
            text.remove_prefix(static_cast<std::size_t>(count));
        }
        return ::fsync(descriptor_) == 0;
    }
    [[nodiscard]] bool place(const fs::path& file) {
        placed_ = ::rename(name_.c_str(), file.c_str()) == 0;
        return placed_;
    }

 private:
    std::string name_;
    int descriptor_ = -1;
    bool placed_ = false;
};

// A rename is on disk once its folder is.
void sync_folder(const fs::path& folder) {
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);
    ::close(descriptor);
}

// The draft lies in the same folder, so that paths relative to it mean the same.
base::Result<> validate(const Draft& draft, const fs::path& file) {
    LoadResult loaded = load_file(draft.name());
    if (loaded.ok()) return {};
    Problem problem = loaded.problems.front();
    problem.file = file.string();
    return base::error(
        fmt::format("{} would not be a good configuration: {}", file.string(), problem.text()));
}

}  // namespace

base::Result<> replace_file(const fs::path& named, std::string_view text) {
    std::error_code missing;
    const fs::path real = fs::canonical(named, missing);
    const fs::path file = missing ? fs::absolute(named) : real;
    Draft draft{file};
    if (!draft.open()) {
        return base::error(
            fmt::format("{} cannot be written to: {}", file.parent_path().string(), reason()));
    }
    struct stat old{};
    if (::stat(file.c_str(), &old) == 0 && !draft.take_after(old)) {
        return base::error(
            fmt::format("the owner of {} cannot be kept: {}", file.string(), reason()));
    }
    if (!draft.write(text)) {
        return base::error(fmt::format("{} cannot be written: {}", file.string(), reason()));
    }
    if (base::Result<> good = validate(draft, file); !good) return good;
    if (!draft.place(file)) {
        return base::error(fmt::format("{} cannot be replaced: {}", file.string(), reason()));
    }
    sync_folder(file.parent_path());
    return {};
}

}  // namespace config
