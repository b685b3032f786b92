#include "spool/body_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "spool/part_writer.hpp"

namespace spool {
namespace {

constexpr std::string_view part_suffix = ".part";
// So much may gather in memory before the disk is asked to start: the sync at the end is short.
constexpr std::uint64_t writeback_step = 8 << 20;

// A file's age counts from when it was put aside. A failure only makes it go earlier or later.
void set_age(const std::filesystem::path& file, base::Time since) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since.time_since_epoch());
    const timespec time{static_cast<time_t>(seconds.count()), 0};
    const std::array times{time, time};
    ::utimensat(AT_FDCWD, file.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
}

}  // namespace

BodyFiles::BodyFiles(Layout layout, bool sync, Post post)
    : layout_(std::move(layout)),
      sync_(sync),
      post_(std::move(post)),
      free_space_(layout_.directory),
      worker_(std::make_unique<Worker>()) {}

Outcome<std::size_t> BodyFiles::sweep(const std::function<Owner(MessageId)>& owner_of,
                                      base::Time now) {
    std::error_code failure;
    std::vector<std::filesystem::path> rubbish, orphans;
    for (std::filesystem::directory_iterator entry{layout_.bodies(), failure}, end;
         !failure && entry != end; entry.increment(failure)) {
        const std::string name = entry->path().filename().string();
        if (name.ends_with(part_suffix)) rubbish.push_back(entry->path());
        const std::optional<MessageId> id = MessageId::parse(name);
        if (!id) continue;
        const Owner owner = owner_of(*id);
        if (owner == Owner::finished) rubbish.push_back(entry->path());
        if (owner == Owner::none) orphans.push_back(entry->path());
    }
    if (failure) return file_failure("read the folder", layout_.bodies(), failure.value());
    for (const std::filesystem::path& file : rubbish) {
        if (::unlink(file.c_str()) != 0) return file_failure("remove", file, errno);
    }
    forget_orphans(now);
    if (auto aside = put_aside(orphans, now); !aside) return aside.error();
    return orphans.size();
}

// The new names are on the disk before the old ones go.
Outcome<> BodyFiles::put_aside(const std::vector<std::filesystem::path>& files,
                               base::Time now) const {
    if (files.empty()) return {};
    const std::filesystem::path folder = layout_.orphans();
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
        return file_failure("make the folder", folder, errno);
    }
    for (const std::filesystem::path& file : files) {
        const std::filesystem::path aside = folder / file.filename();
        if (::link(file.c_str(), aside.c_str()) != 0 && errno != EEXIST) {
            return file_failure("create", aside, errno);
        }
        set_age(aside, now);
    }
    if (sync_) {
        for (const std::filesystem::path& changed : {folder, layout_.bodies()}) {
            if (auto synced = sync_folder(changed); !synced) return synced;
        }
    }
    for (const std::filesystem::path& file : files) {
        if (::unlink(file.c_str()) != 0) return file_failure("remove", file, errno);
    }
    return {};
}

void BodyFiles::forget_orphans(base::Time now) const {
    std::error_code failure;
    for (std::filesystem::directory_iterator entry{layout_.orphans(), failure}, end;
         !failure && entry != end; entry.increment(failure)) {
        struct stat status{};
        if (::lstat(entry->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
        const base::Time since{std::chrono::seconds{status.st_mtim.tv_sec}};
        if (now - since > orphans_kept) ::unlink(entry->path().c_str());
    }
}

std::unique_ptr<BodyWriter> BodyFiles::new_writer(std::size_t inline_limit) {
    return std::make_unique<PartWriter>(shared_from_this(), inline_limit);
}

void BodyFiles::finish(std::unique_ptr<BodyWriter> writer, MessageId id,
                       std::function<void(StoredBody)> done) {
    if (writer == nullptr) {
        done(StoredBody{std::make_shared<const std::string>(), 0, {}});
        return;
    }
    auto& body = static_cast<PartWriter&>(*writer);
    if (!body.in_file()) {
        done(body.take_memory());
        return;
    }
    const Part part = body.take_part();
    submit([self = shared_from_this(), part, id, done = std::move(done)] {
        done(self->complete(*part, id));
    });
}

void BodyFiles::remove(MessageId id) {
    submit([file = layout_.body(id)] { ::unlink(file.c_str()); });
}

Outcome<> BodyFiles::sync() {
    if (!sync_) return {};
    return sync_folder(layout_.bodies());
}

std::size_t BodyFiles::under_way() const {
    const std::lock_guard lock{mutex_};
    return under_way_;
}

void BodyFiles::stop() {
    std::unique_ptr<Worker> worker;
    {
        const std::lock_guard lock{mutex_};
        worker = std::move(worker_);
    }
}

BodyFiles::Part BodyFiles::new_part() {
    auto part = std::make_shared<PartFile>();
    const std::lock_guard lock{mutex_};
    part->path = layout_.bodies() / fmt::format("{}{}", ++next_part_, part_suffix);
    return part;
}

bool BodyFiles::append(const Part& part, std::string chunk) {
    free_space_.take(chunk.size());
    {
        const std::lock_guard lock{mutex_};
        under_way_ += chunk.size();
    }
    submit([self = shared_from_this(), part, chunk = std::move(chunk)] {
        self->write_chunk(*part, chunk);
        self->chunk_done(chunk.size());
    });
    return under_way() < most_under_way;
}

void BodyFiles::when_ready(const Part& part, std::function<void()> ready) {
    {
        const std::lock_guard lock{mutex_};
        part->ready = std::move(ready);
        if (under_way_ >= most_under_way) {
            waiting_.push_back(part);
            return;
        }
    }
    call_ready({part});
}

void BodyFiles::discard(const Part& part) {
    {
        const std::lock_guard lock{mutex_};
        part->ready = nullptr;
    }
    submit([self = shared_from_this(), part] {
        if (!part->file.open()) return;
        part->file.close();
        if (::unlink(part->path.c_str()) == 0) self->free_space_.give_back(part->written);
    });
}

void BodyFiles::submit(Worker::Job job) {
    {
        const std::lock_guard lock{mutex_};
        if (worker_) {
            worker_->submit(std::move(job));
            return;
        }
    }
    job();  // after stop() nobody else touches the files
}

void BodyFiles::write_chunk(PartFile& part, std::string_view chunk) const {
    if (part.failure) return;
    if (!part.file.open()) {
        part.file =
            Descriptor{::open(part.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
        if (!part.file.open()) {
            part.failure = file_failure("create", part.path, errno);
            return;
        }
    }
    while (!chunk.empty()) {
        const ssize_t count = ::write(part.file.number(), chunk.data(), chunk.size());
        if (count < 0) {
            if (errno == EINTR) continue;
            part.failure = file_failure("write", part.path, errno);
            return;
        }
        chunk.remove_prefix(static_cast<std::size_t>(count));
        part.written += static_cast<std::uint64_t>(count);
    }
    if (sync_ && part.written - part.writeback >= writeback_step) {
        ::sync_file_range(part.file.number(), static_cast<off_t>(part.writeback),
                          static_cast<off_t>(part.written - part.writeback), SYNC_FILE_RANGE_WRITE);
        part.writeback = part.written;
    }
}

void BodyFiles::chunk_done(std::size_t size) {
    std::vector<Part> ready;
    {
        const std::lock_guard lock{mutex_};
        under_way_ -= size;
        if (under_way_ >= most_under_way || waiting_.empty()) return;
        for (const std::weak_ptr<PartFile>& waiting : std::exchange(waiting_, {})) {
            if (Part part = waiting.lock()) ready.push_back(std::move(part));
        }
    }
    if (!ready.empty()) call_ready(std::move(ready));
}

void BodyFiles::call_ready(std::vector<Part> parts) {
    post_([self = shared_from_this(), parts = std::move(parts)] {
        for (const Part& part : parts) {
            std::function<void()> ready;  // taken only now: its writer may be gone since
            {
                const std::lock_guard lock{self->mutex_};
                ready = std::exchange(part->ready, nullptr);
            }
            if (ready) ready();
        }
    });
}

StoredBody BodyFiles::complete(PartFile& part, MessageId id) const {
    const std::filesystem::path body = layout_.body(id);
    if (!part.failure && sync_ && ::fdatasync(part.file.number()) != 0) {
        part.failure = sync_failure(part.path, errno);
    }
    // link() and not rename(): it never replaces the body of another message.
    if (!part.failure && ::link(part.path.c_str(), body.c_str()) != 0) {
        part.failure = file_failure("create", body, errno);
    }
    if (part.file.open()) ::unlink(part.path.c_str());
    part.file.close();
    return StoredBody{nullptr, part.written, std::move(part.failure)};
}

}  // namespace spool
