#include "spool/part_writer.hpp"

#include <algorithm>
#include <utility>

namespace spool {
namespace {

constexpr std::size_t piece_size = 128 << 10;

}  // namespace

PartWriter::PartWriter(std::shared_ptr<BodyFiles> files, std::size_t inline_limit)
    : files_(std::move(files)), inline_limit_(inline_limit) {
    ++files_->writers_;
}

PartWriter::~PartWriter() {
    --files_->writers_;
    if (part_) files_->discard(part_);
}

bool PartWriter::write(std::string_view bytes) {
    size_ += bytes.size();
    if (!in_file_) {
        if (size_ <= inline_limit_) {
            buffer_.append(bytes);
            return true;
        }
        in_file_ = true;
        if (!part_) part_ = files_->new_part();
    }
    bool room = true;
    buffer_.reserve(piece_size);
    while (!bytes.empty()) {
        // Never more than a piece at once, however much the caller brings.
        const std::size_t space = piece_size - std::min(buffer_.size(), piece_size);
        const std::size_t count = std::min(space, bytes.size());
        buffer_.append(bytes.substr(0, count));
        bytes.remove_prefix(count);
        if (buffer_.size() < piece_size) break;
        room = send_piece();
        buffer_.reserve(std::min(piece_size, bytes.size()));
    }
    return room;
}

void PartWriter::when_ready(std::function<void()> ready) {
    if (!part_) part_ = files_->new_part();
    files_->when_ready(part_, std::move(ready));
}

StoredBody PartWriter::take_memory() {
    return {std::make_shared<const std::string>(std::move(buffer_)), size_, {}};
}

std::shared_ptr<PartFile> PartWriter::take_part() {
    // Also when empty: a file body has a file. There is room for one last piece.
    static_cast<void>(send_piece());
    return std::exchange(part_, nullptr);
}

bool PartWriter::send_piece() { return files_->append(part_, std::exchange(buffer_, {})); }

}  // namespace spool
