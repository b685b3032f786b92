#include "delivery/body_source.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/run_on.hpp"

namespace delivery {
namespace asio = boost::asio;
namespace {

constexpr std::size_t chunk_size = 256 * 1024;

}  // namespace

BodySource::BodySource(asio::any_io_executor files, spool::Body body)
    : files_(std::move(files)), body_(std::move(body)) {}

BodySource::BodySource(asio::any_io_executor files, spool::Body body, int descriptor)
    : files_(std::move(files)), body_(std::move(body)), descriptor_(descriptor) {}

BodySource::BodySource(BodySource&& other) noexcept
    : files_(std::move(other.files_)),
      body_(std::move(other.body_)),
      offset_(other.offset_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      chunk_(std::move(other.chunk_)) {}

BodySource::~BodySource() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

asio::awaitable<base::Result<std::string_view>> BodySource::next() {
    if (left() == 0) co_return std::string_view{};
    if (body_.bytes) {
        const std::string_view rest = std::string_view{*body_.bytes}.substr(offset_);
        offset_ = body_.size;
        co_return rest;
    }
    base::Result<std::string> piece =
        co_await read_elsewhere(offset_, chunk_size, std::move(chunk_));
    unreadable_ = !piece;
    if (!piece) co_return piece.error();
    chunk_ = std::move(*piece);
    offset_ += chunk_.size();
    co_return std::string_view{chunk_};
}

asio::awaitable<base::Result<std::string>> BodySource::head(std::size_t limit) {
    if (body_.bytes) co_return body_.bytes->substr(0, limit);
    co_return co_await read_elsewhere(0, limit, {});
}

asio::awaitable<base::Result<std::string>> BodySource::read_elsewhere(std::uint64_t offset,
                                                                      std::size_t limit,
                                                                      std::string old) {
    const auto read = [&] { return read_now(offset, limit, std::move(old)); };
    co_return co_await net::run_on(files_, read);
}

base::Result<std::string> BodySource::read_now(std::uint64_t offset, std::size_t limit,
                                               std::string bytes) {
    if (descriptor_ < 0) descriptor_ = ::open(body_.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) {
        return base::error("its file in the spool cannot be opened: " + base::errno_text(errno));
    }
    bytes.resize(std::min<std::uint64_t>(limit, body_.size - std::min(body_.size, offset)));
    std::size_t have = 0;
    while (have < bytes.size()) {
        const ssize_t count = ::pread(descriptor_, bytes.data() + have, bytes.size() - have,
                                      static_cast<off_t>(offset + have));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            return base::error(
                "its file in the spool cannot be read: " +
                (count == 0 ? "it is shorter than it was" : base::errno_text(errno)));
        }
        have += static_cast<std::size_t>(count);
    }
    return bytes;
}

}  // namespace delivery
