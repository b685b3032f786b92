#include "base/draft_file.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>

namespace base {

DraftFile::DraftFile(const std::filesystem::path& file)
    : file_(file), name_(file.parent_path() / ("." + file.filename().string() + ".XXXXXX")) {
    descriptor_ = ::mkostemp(name_.data(), O_CLOEXEC);  // of mode 0600
}

DraftFile::~DraftFile() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    if (!placed_) ::unlink(name_.c_str());
}

bool DraftFile::write(std::string_view text) const {
    while (!text.empty()) {
        const ssize_t count = ::write(descriptor_, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

bool DraftFile::sync() const { return ::fsync(descriptor_) == 0; }

bool DraftFile::place() {
    placed_ = ::rename(name_.c_str(), file_.c_str()) == 0;
    return placed_;
}

}  // namespace base
