#include "tests/unit/spool/recorded_disk.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <utility>

namespace spool::test {
namespace {

using Kind = RecordedDisk::Kind;
using Step = RecordedDisk::Step;

// SQLite's index of the log is rebuilt after a crash: what becomes of it does not matter.
bool is_tracked(std::string_view name) { return !name.ends_with("-shm") && name != "lock"; }

struct Recorder {
    std::mutex mutex;
    std::string folder;  // empty: nothing is recorded
    std::vector<Step> steps;
    std::map<std::string, std::size_t> names;  // of files
    std::map<int, std::size_t> open;           // descriptor: file
    std::map<int, std::uint64_t> positions;    // for write()
    std::map<int, std::string> folders;        // descriptor of a folder: its name
    std::size_t files = 0, fitting = 0;
    RecordedDisk::Fault fault;
    bool happened = false;

    [[nodiscard]] std::string below(const char* path) const {
        const std::string_view whole = path;
        if (folder.empty() || !whole.starts_with(folder + "/")) return {};
        return std::string(whole.substr(folder.size() + 1));
    }
    // Whether this call is the one that fails.
    bool fails(Kind kind) {
        if (!fault.fits || !fault.fits(kind)) return false;
        const std::size_t number = fitting++;
        const bool now = number == fault.at || (fault.lasting && number > fault.at);
        happened = happened || now;
        return now;
    }
};

Recorder& recorder() {
    static auto* const made = new Recorder;  // descriptors are closed until the very end
    return *made;
}

template <class Function>
Function* real(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

int note_open(const char* path, int flags, int descriptor) {
    Recorder& r = recorder();
    const std::string name = r.below(path);
    if (descriptor < 0 || name.empty() || !is_tracked(name)) return descriptor;
    struct stat status{};
    if (::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
        r.folders[descriptor] = name;
        return descriptor;
    }
    auto found = r.names.find(name);
    if (found == r.names.end()) {
        if ((flags & O_CREAT) == 0) return descriptor;
        found = r.names.emplace(name, r.files++).first;
        r.steps.push_back({Kind::create, found->second, 0, {}, name});
    }
    r.open[descriptor] = found->second;
    r.positions[descriptor] = 0;
    return descriptor;
}

template <class Open>
int open_recorded(Open* system_open, const char* path, int flags, mode_t mode) {
    Recorder& r = recorder();
    const std::lock_guard lock{r.mutex};
    const std::string name = r.below(path);
    const bool makes =
        (flags & O_CREAT) != 0 && !name.empty() && is_tracked(name) && !r.names.contains(name);
    if (makes && r.fails(Kind::create)) {
        errno = r.fault.error;
        return -1;
    }
    // The folder itself may be opened to be synced.
    const int descriptor = system_open(path, flags, mode);
    if (descriptor >= 0 && !r.folder.empty() && r.folder == path) r.folders[descriptor] = "";
    return note_open(path, flags, descriptor);
}

template <class Write>
ssize_t write_recorded(int descriptor, const void* bytes, std::size_t count, std::uint64_t offset,
                       std::size_t file, Write write) {
    Recorder& r = recorder();
    std::size_t allowed = count;
    bool fails = r.fails(Kind::write);
    if (fails) allowed = r.fault.torn ? count / 2 : 0;
    ssize_t written = 0;
    if (allowed > 0) written = write(allowed);
    if (written > 0) {
        const auto size = static_cast<std::size_t>(written);
        r.steps.push_back(
            {Kind::write, file, offset, std::string(static_cast<const char*>(bytes), size), {}});
        r.positions[descriptor] = offset + size;
    }
    if (!fails) return written;
    errno = r.fault.error;
    return -1;
}

template <class Truncate>
int truncate_recorded(int descriptor, std::uint64_t length, Truncate truncate) {
    Recorder& r = recorder();
    const std::lock_guard lock{r.mutex};
    const auto found = r.open.find(descriptor);
    if (found == r.open.end()) return truncate();
    if (r.fails(Kind::truncate)) {
        errno = r.fault.error;
        return -1;
    }
    const int result = truncate();
    if (result == 0) r.steps.push_back({Kind::truncate, found->second, length, {}, {}});
    return result;
}

// The system is not asked to sync: the model knows what would be on the disk.
int sync_recorded(int descriptor, const char* system_call) {
    Recorder& r = recorder();
    const std::lock_guard lock{r.mutex};
    if (const auto folder = r.folders.find(descriptor); folder != r.folders.end()) {
        const bool fails = r.fails(Kind::sync_folder);
        r.steps.push_back({Kind::sync_folder, 0, 0, {}, folder->second, fails});
        if (!fails) return 0;
        errno = r.fault.error;
        return -1;
    }
    const auto found = r.open.find(descriptor);
    if (found == r.open.end()) return real<int(int)>(system_call)(descriptor);
    const bool fails = r.fails(Kind::sync);
    r.steps.push_back({Kind::sync, found->second, 0, {}, {}, fails});
    if (!fails) return 0;
    errno = r.fault.error;
    return -1;
}

}  // namespace

RecordedDisk::RecordedDisk(std::filesystem::path folder) : folder_(std::move(folder)) {
    Recorder& r = recorder();
    const std::lock_guard lock{r.mutex};
    r.folder = folder_.string();
    r.steps.clear();
    r.names.clear();
    r.open.clear();
    r.positions.clear();
    r.folders.clear();
    r.files = r.fitting = 0;
    r.fault = {};
    r.happened = false;
}

RecordedDisk::~RecordedDisk() {
    Recorder& r = recorder();
    const std::lock_guard lock{r.mutex};
    r.folder.clear();
    r.fault = {};
}

void RecordedDisk::plan(Fault fault) {
    Recorder& r = recorder();
    const std::lock_guard lock{r.mutex};
    r.fault = std::move(fault);
    r.fitting = 0;
    r.happened = false;
}

void RecordedDisk::mend() {
    Recorder& r = recorder();
    const std::lock_guard lock{r.mutex};
    r.fault.fits = nullptr;
}

void RecordedDisk::go_on_in(const std::filesystem::path& folder) {
    Recorder& r = recorder();
    const std::lock_guard lock{r.mutex};
    r.folder = folder.string();
    r.open.clear();
    r.positions.clear();
    r.folders.clear();
}

bool RecordedDisk::fault_happened() const {
    const std::lock_guard lock{recorder().mutex};
    return recorder().happened;
}

std::size_t RecordedDisk::steps() const {
    const std::lock_guard lock{recorder().mutex};
    return recorder().steps.size();
}

std::vector<Step> RecordedDisk::trace() const {
    const std::lock_guard lock{recorder().mutex};
    return recorder().steps;
}

namespace {

constexpr std::uint64_t sector = 512;

struct DiskFile {
    std::string bytes;           // on the disk
    std::vector<Step> unsynced;  // written since
};

void replay(std::string& bytes, const Step& step) {
    if (step.kind == Kind::truncate) {
        bytes.resize(step.offset);
        return;
    }
    const std::uint64_t end = step.offset + step.bytes.size();
    if (bytes.size() < end) bytes.resize(end);
    bytes.replace(step.offset, step.bytes.size(), step.bytes);
}

// Sectors of one write reach the disk in any order.
void replay_torn(std::string& bytes, const Step& step, std::mt19937_64& random) {
    for (std::uint64_t at = 0; at < step.bytes.size(); at += sector) {
        if (random() % 2 == 0) continue;
        Step part = step;
        part.offset = step.offset + at;
        part.bytes = step.bytes.substr(at, sector);
        replay(bytes, part);
    }
}

class Disk {
 public:
    void take(const Step& step) {
        if (step.kind == Kind::create) files_.resize(step.file + 1);
        switch (step.kind) {
            case Kind::create:
            case Kind::link:
            case Kind::unlink:
                pending_names_.push_back(step);
                return;
            case Kind::write:
            case Kind::truncate:
                files_[step.file].unsynced.push_back(step);
                return;
            case Kind::sync:
                // After a sync that failed Linux calls the pages clean: they are not written again.
                if (!step.lost) {
                    for (const Step& write : files_[step.file].unsynced) {
                        replay(files_[step.file].bytes, write);
                    }
                }
                files_[step.file].unsynced.clear();
                return;
            case Kind::sync_folder:
                sync_names(step);
                return;
        }
    }

    void cut(PowerCut how) {
        if (how.keep == PowerCut::Keep::nothing) return;
        std::mt19937_64 random{how.seed};
        const bool all = how.keep == PowerCut::Keep::all;
        for (DiskFile& file : files_) {
            for (const Step& write : file.unsynced) {
                const auto choice = all ? 0 : random() % 3;
                if (choice == 0) replay(file.bytes, write);
                if (choice == 1) replay_torn(file.bytes, write, random);
            }
        }
        // Names are journalled: what was done first is there first.
        const std::size_t kept =
            all ? pending_names_.size() : random() % (pending_names_.size() + 1);
        for (std::size_t i = 0; i < kept; ++i) apply_name(pending_names_[i]);
    }

    void write_to(const std::filesystem::path& folder) const {
        for (const auto& [name, file] : names_) {
            std::filesystem::create_directories((folder / name).parent_path());
            std::ofstream{folder / name, std::ios::binary} << files_[file].bytes;
        }
    }

 private:
    static std::string folder_of(const std::string& name) {
        const std::size_t slash = name.rfind('/');
        return slash == std::string::npos ? "" : name.substr(0, slash);
    }
    void apply_name(const Step& step) {
        if (step.kind == Kind::unlink) {
            names_.erase(step.name);
        } else {
            names_[step.name] = step.file;
        }
    }
    void sync_names(const Step& step) {
        std::vector<Step> left;
        for (const Step& change : pending_names_) {
            if (folder_of(change.name) != step.name) {
                left.push_back(change);
            } else if (!step.lost) {
                apply_name(change);
            }
        }
        pending_names_ = std::move(left);
    }

    std::vector<DiskFile> files_;
    std::map<std::string, std::size_t> names_;
    std::vector<Step> pending_names_;
};

}  // namespace

void write_disk_after(const std::vector<Step>& trace, std::size_t count, PowerCut cut,
                      const std::filesystem::path& folder) {
    Disk disk;
    for (std::size_t i = 0; i < count; ++i) disk.take(trace[i]);
    disk.cut(cut);
    std::filesystem::create_directories(folder / "bodies");
    disk.write_to(folder);
}

}  // namespace spool::test

// The C library's names, which the program and SQLite find here first.
using spool::test::RecordedDisk;
using spool::test::recorder;

extern "C" {

int open(const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const auto mode = static_cast<mode_t>(va_arg(rest, int));
    va_end(rest);
    static auto* const system_open = spool::test::real<int(const char*, int, ...)>("open");
    return spool::test::open_recorded(system_open, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const auto mode = static_cast<mode_t>(va_arg(rest, int));
    va_end(rest);
    static auto* const system_open = spool::test::real<int(const char*, int, ...)>("open64");
    return spool::test::open_recorded(system_open, path, flags, mode);
}

int close(int descriptor) {
    static auto* const system_close = spool::test::real<int(int)>("close");
    auto& r = recorder();
    const std::lock_guard lock{r.mutex};
    r.open.erase(descriptor);
    r.folders.erase(descriptor);
    return system_close(descriptor);
}

ssize_t write(int descriptor, const void* bytes, std::size_t count) {
    static auto* const system_write =
        spool::test::real<ssize_t(int, const void*, std::size_t)>("write");
    auto& r = recorder();
    const std::lock_guard lock{r.mutex};
    const auto found = r.open.find(descriptor);
    if (found == r.open.end()) return system_write(descriptor, bytes, count);
    return spool::test::write_recorded(
        descriptor, bytes, count, r.positions[descriptor], found->second,
        [&](std::size_t allowed) { return system_write(descriptor, bytes, allowed); });
}

ssize_t pwrite64(int descriptor, const void* bytes, std::size_t count, off64_t offset) {
    static auto* const system_write =
        spool::test::real<ssize_t(int, const void*, std::size_t, off64_t)>("pwrite64");
    auto& r = recorder();
    const std::lock_guard lock{r.mutex};
    const auto found = r.open.find(descriptor);
    if (found == r.open.end()) return system_write(descriptor, bytes, count, offset);
    return spool::test::write_recorded(
        descriptor, bytes, count, static_cast<std::uint64_t>(offset), found->second,
        [&](std::size_t allowed) { return system_write(descriptor, bytes, allowed, offset); });
}

int ftruncate64(int descriptor, off64_t length) noexcept {
    static auto* const system_truncate = spool::test::real<int(int, off64_t)>("ftruncate64");
    return spool::test::truncate_recorded(descriptor, static_cast<std::uint64_t>(length),
                                          [&] { return system_truncate(descriptor, length); });
}

int fsync(int descriptor) { return spool::test::sync_recorded(descriptor, "fsync"); }
int fdatasync(int descriptor) { return spool::test::sync_recorded(descriptor, "fdatasync"); }

int link(const char* from, const char* to) noexcept {
    static auto* const system_link = spool::test::real<int(const char*, const char*)>("link");
    auto& r = recorder();
    const std::lock_guard lock{r.mutex};
    const auto found = r.names.find(r.below(from));
    if (found == r.names.end()) return system_link(from, to);
    if (r.fails(RecordedDisk::Kind::link)) {
        errno = r.fault.error;
        return -1;
    }
    const int result = system_link(from, to);
    if (result == 0) {
        r.names[r.below(to)] = found->second;
        r.steps.push_back({RecordedDisk::Kind::link, found->second, 0, {}, r.below(to)});
    }
    return result;
}

int unlink(const char* path) noexcept {
    static auto* const system_unlink = spool::test::real<int(const char*)>("unlink");
    auto& r = recorder();
    const std::lock_guard lock{r.mutex};
    const auto found = r.names.find(r.below(path));
    if (found != r.names.end() && r.fails(RecordedDisk::Kind::unlink)) {
        errno = r.fault.error;
        return -1;
    }
    const int result = system_unlink(path);
    if (result == 0 && found != r.names.end()) {
        r.steps.push_back({RecordedDisk::Kind::unlink, found->second, 0, {}, found->first});
        r.names.erase(found);
    }
    return result;
}

}  // extern "C"
