#include "spool/mark.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <string>

namespace spool {
namespace {

constexpr std::size_t boot_id_size = 36;

// Empty where the system has none to tell.
std::string boot_id() {
    std::string id;
    std::getline(std::ifstream{boot_id_file}, id);
    return id;
}

// Every mark of a machine has the same length, and is far smaller than a sector: it is overwritten
// in place, and a power cut leaves the old one or the new one.
std::string mark_text(Mark::State state) {
    return fmt::format(
        "{} {:{}}\nThis folder has a spool.db: relay begins no other one while this file is "
        "here.\n",
        state == Mark::State::open ? "open  " : "closed", boot_id(), boot_id_size);
}

Outcome<> write_text(const Layout& layout, std::string_view text, bool sync) {
    const Descriptor file{::open(layout.mark().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
    if (!file.open()) return file_failure("open", layout.mark(), errno);
    const ssize_t written = ::write(file.number(), text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size())) {
        return file_failure("write", layout.mark(), written < 0 ? errno : ENOSPC);
    }
    if (sync && ::fdatasync(file.number()) != 0) return sync_failure(layout.mark(), errno);
    return {};
}

// Of the mark's first line.
Mark::Boot boot_of(std::string_view line) {
    const std::string now = boot_id();
    const std::string_view then = line.substr(line.find_last_of(' ') + 1);
    if (now.empty() || then.size() != boot_id_size) return Mark::Boot::unknown;
    return then == now ? Mark::Boot::present : Mark::Boot::earlier;
}

}  // namespace

bool boot_is_known() { return !boot_id().empty(); }

Outcome<Mark> read_mark(const Layout& layout) {
    const Descriptor file{::open(layout.mark().c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file.open()) {
        if (errno == ENOENT) return Mark{};
        return file_failure("open", layout.mark(), errno);
    }
    std::array<char, 64> bytes{};
    const ssize_t count = ::read(file.number(), bytes.data(), bytes.size());
    if (count < 0) return file_failure("read", layout.mark(), errno);
    if (count == 0) return Mark{};
    const std::string_view text{bytes.data(), static_cast<std::size_t>(count)};
    Mark mark;
    // What cannot be read is no proof that the log may be missing.
    mark.state = text.starts_with("closed ") ? Mark::State::closed : Mark::State::open;
    mark.boot = boot_of(text.substr(0, text.find('\n')));
    return mark;
}

Outcome<> write_mark(const Layout& layout, Mark::State state, bool sync) {
    // The log's name must not be lost later than a mark that says it is needed.
    if (sync && state == Mark::State::open) {
        if (auto synced = sync_folder(layout.directory); !synced) return synced;
    }
    std::error_code failure;
    const bool made = !std::filesystem::exists(layout.mark(), failure);
    if (auto written = write_text(layout, mark_text(state), sync); !written) return written;
    return sync && made ? sync_folder(layout.directory) : Outcome<>{};
}

}  // namespace spool
