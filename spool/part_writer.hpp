#pragma once

#include <memory>
#include <string>

#include "spool/body_files.hpp"

namespace spool {

// The BodyWriter behind BodyFiles: memory first, then pieces of a handy size to the file thread.
class PartWriter final : public BodyWriter {
 public:
    PartWriter(std::shared_ptr<BodyFiles> files, std::size_t inline_limit);
    ~PartWriter() override;

    [[nodiscard]] bool write(std::string_view bytes) override;
    void when_ready(std::function<void()> ready) override;
    [[nodiscard]] std::uint64_t size() const override { return size_; }

    [[nodiscard]] bool in_file() const { return in_file_; }
    [[nodiscard]] StoredBody take_memory();
    [[nodiscard]] std::shared_ptr<PartFile> take_part();  // with its last piece under way

 private:
    [[nodiscard]] bool send_piece();

    std::shared_ptr<BodyFiles> files_;
    std::size_t inline_limit_;
    std::uint64_t size_ = 0;
    std::string buffer_;
    bool in_file_ = false;
    std::shared_ptr<PartFile> part_;  // once there is a file, or somebody waits for room
};

}  // namespace spool
