#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "spool/message.hpp"

namespace delivery {

// Gives out a message's content in pieces: all at once from memory, in chunks from a file. Files
// are read on `files`, a thread of their own, because a disk may keep one waiting.
class BodySource {
 public:
    BodySource(boost::asio::any_io_executor files, spool::Body body);
    // Of a file that is open already; closes it in the end. Its name is for messages only.
    BodySource(boost::asio::any_io_executor files, spool::Body body, int descriptor);
    BodySource(BodySource&& other) noexcept;
    BodySource& operator=(BodySource&&) = delete;
    ~BodySource();

    // The next piece, "" at the end; valid until the next call.
    [[nodiscard]] boost::asio::awaitable<base::Result<std::string_view>> next();
    // The first bytes, at most limit, without moving on.
    [[nodiscard]] boost::asio::awaitable<base::Result<std::string>> head(std::size_t limit);
    [[nodiscard]] std::uint64_t size() const { return body_.size; }
    [[nodiscard]] std::uint64_t left() const { return body_.size - offset_; }
    void rewind() { offset_ = 0; }
    [[nodiscard]] bool unreadable() const { return unreadable_; }  // next() has failed
    [[nodiscard]] bool in_memory() const { return body_.bytes != nullptr; }
    [[nodiscard]] const std::filesystem::path& file() const { return body_.file; }
    // Of a file, for the thread that may wait for disks: blocks. The old string's memory is used.
    [[nodiscard]] base::Result<std::string> read_now(std::uint64_t offset, std::size_t limit,
                                                     std::string bytes = {});

 private:
    boost::asio::awaitable<base::Result<std::string>> read_elsewhere(std::uint64_t offset,
                                                                     std::size_t limit,
                                                                     std::string old);

    boost::asio::any_io_executor files_;
    spool::Body body_;
    std::uint64_t offset_ = 0;
    int descriptor_ = -1;
    std::string chunk_;
    bool unreadable_ = false;
};

}  // namespace delivery
