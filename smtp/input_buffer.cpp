#include "smtp/input_buffer.hpp"

#include <openssl/crypto.h>

#include <algorithm>

namespace smtp {
namespace {

constexpr std::size_t kept_capacity = 1024;

}  // namespace

void InputBuffer::append(std::string_view bytes) {
    if (empty()) {
        bytes_.clear();
        start_ = scanned_ = 0;
    } else if (start_ >
               bytes_.size() / 2) {  // moves fewer bytes than were read since the last time
        bytes_.erase(0, start_);
        scanned_ -= std::min(scanned_, start_);
        start_ = 0;
    }
    bytes_.append(bytes);
}

std::string_view InputBuffer::view() const { return std::string_view{bytes_}.substr(start_); }

void InputBuffer::consume(std::size_t count) {
    start_ += count;
    scanned_ = std::max(scanned_, start_);
}

InputBuffer::Line InputBuffer::next_line(std::size_t limit) {
    if (skipping_) return skip_line();
    const std::size_t feed = bytes_.find('\n', std::max(scanned_, start_));
    if (feed == std::string::npos) {
        scanned_ = bytes_.size();
        if (bytes_.size() - start_ <= limit + 1) return {};  // the CR of its end may be there
        skipping_ = true;
        return skip_line();
    }
    const bool with_return = feed > start_ && bytes_[feed - 1] == '\r';
    const std::size_t length = feed - start_ - (with_return ? 1 : 0);
    if (length > limit) {
        skipping_ = true;
        return skip_line();
    }
    const std::string_view text = std::string_view{bytes_}.substr(start_, length);
    consume(feed + 1 - start_);
    return {with_return ? LineKind::line : LineKind::bare_lf, text};
}

// Only CRLF ends a line that is too long, lest its content be taken for commands.
InputBuffer::Line InputBuffer::skip_line() {
    const std::size_t end = bytes_.find("\r\n", start_);
    if (end == std::string::npos) {
        const bool half_end = bytes_.ends_with('\r') && !empty();
        consume(bytes_.size() - start_ - (half_end ? 1 : 0));
        return {};
    }
    skipping_ = false;
    consume(end + 2 - start_);
    return {LineKind::too_long, {}};
}

void InputBuffer::wipe(std::string_view line) {
    if (line.empty()) return;
    const auto offset = static_cast<std::size_t>(line.data() - bytes_.data());
    OPENSSL_cleanse(bytes_.data() + offset, line.size());
}

void InputBuffer::clear() {
    bytes_.clear();
    start_ = scanned_ = 0;
    skipping_ = false;
}

void InputBuffer::release() {
    if (!empty() || bytes_.capacity() <= kept_capacity) return;
    std::string{}.swap(bytes_);
    start_ = scanned_ = 0;
}

}  // namespace smtp
