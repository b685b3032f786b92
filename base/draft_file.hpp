#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace base {

// A file of mode 0600 beside one that it is to replace, under a name nobody can guess: so neither a
// link nor an older file's mode at that place has a say. Removed again unless it was placed. After
// a failure errno tells why.
class DraftFile {
 public:
    explicit DraftFile(const std::filesystem::path& file);
    DraftFile(const DraftFile&) = delete;
    DraftFile& operator=(const DraftFile&) = delete;
    ~DraftFile();

    [[nodiscard]] bool open() const { return descriptor_ >= 0; }
    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool write(std::string_view text) const;
    [[nodiscard]] bool sync() const;
    [[nodiscard]] bool place();  // in the file's stead

 private:
    std::filesystem::path file_;
    std::string name_;
    int descriptor_ = -1;
    bool placed_ = false;
};

}  // namespace base
