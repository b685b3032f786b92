#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "spool/directory.hpp"
#include "spool/free_space.hpp"
#include "spool/spool.hpp"
#include "spool/worker.hpp"

namespace spool {

// A message's content once it is whole: in memory, or in the file that bears the message's id.
struct StoredBody {
    std::shared_ptr<const std::string> bytes;  // null when in a file
    std::uint64_t size = 0;
    std::optional<SpoolError> failure;  // why it could not be stored; then there is no file
    [[nodiscard]] bool in_file() const { return bytes == nullptr && !failure; }
};

// One file being written. The file and its descriptor belong to the file thread; the rest is
// guarded by BodyFiles.
struct PartFile {
    std::filesystem::path path;
    Descriptor file;
    std::uint64_t written = 0;
    std::uint64_t writeback = 0;  // up to here the disk has been asked to start
    std::optional<SpoolError> failure;
    std::function<void()> ready;  // who waits for room
};

// Writes large bodies on a thread of its own, with a bound on the bytes under way to it. A file
// is written under a name of its own, synced, and linked to its message's id when whole: what
// has an id is complete.
class BodyFiles : public std::enable_shared_from_this<BodyFiles> {
 public:
    static constexpr std::size_t most_under_way = 4 << 20;
    static constexpr std::chrono::days orphans_kept{7};

    BodyFiles(Layout layout, bool sync, Post post);

    // What the database says of the message that a file is named after.
    enum class Owner : std::uint8_t { waits, finished, none };
    // Removes unfinished files and those of finished messages, and puts aside those without a
    // message: a kill leaves such ones now and then, but so does a database that lost its rows.
    // Tells how many it put aside. Before anything is written.
    [[nodiscard]] Outcome<std::size_t> sweep(const std::function<Owner(MessageId)>& owner_of,
                                             base::Time now);
    // Removes what was put aside long ago.
    void forget_orphans(base::Time now) const;

    [[nodiscard]] std::unique_ptr<BodyWriter> new_writer(std::size_t inline_limit);
    [[nodiscard]] std::size_t writers() const { return writers_; }  // alive
    // Makes the body whole and hands it over, on the calling or on the file thread. The writer
    // must come from new_writer(); null stands for an empty body.
    void finish(std::unique_ptr<BodyWriter> writer, MessageId id,
                std::function<void(StoredBody)> done);
    void remove(MessageId id);       // the file of a message that is no more
    [[nodiscard]] Outcome<> sync();  // the names given by finish(), any thread
    [[nodiscard]] std::size_t under_way() const;
    [[nodiscard]] FreeSpace& free_space() { return free_space_; }  // knows what is under way
    // Ends the thread after its jobs. Writers that still live fail from then on.
    void stop();

 private:
    friend class PartWriter;
    using Part = std::shared_ptr<PartFile>;

    [[nodiscard]] Outcome<> put_aside(const std::vector<std::filesystem::path>& files,
                                      base::Time now) const;
    [[nodiscard]] Part new_part();
    [[nodiscard]] bool append(const Part& part, std::string chunk);  // false: wait for room
    void when_ready(const Part& part, std::function<void()> ready);
    void discard(const Part& part);
    void submit(Worker::Job job);
    void write_chunk(PartFile& part, std::string_view chunk) const;
    void chunk_done(std::size_t size);
    [[nodiscard]] StoredBody complete(PartFile& part, MessageId id) const;
    void call_ready(std::vector<Part> parts);

    Layout layout_;
    bool sync_;
    Post post_;
    FreeSpace free_space_;
    mutable std::mutex mutex_;
    std::size_t under_way_ = 0;
    std::uint64_t next_part_ = 0;
    std::atomic<std::size_t> writers_ = 0;
    std::vector<std::weak_ptr<PartFile>> waiting_;
    std::unique_ptr<Worker> worker_;
};

}  // namespace spool
