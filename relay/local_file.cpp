#include "relay/local_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.hpp"

namespace relay {

base::Result<std::string> read_local_file(const std::string& path) {
    const auto failed = [&](int reason) {
        return base::error(reason == EISDIR
                               ? fmt::format("{} is a folder, not a file", path)
                               : fmt::format("cannot read {}: {}", path, base::errno_text(reason)));
    };
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return failed(errno);
    std::string content;
    std::array<char, 64 * 1024> buffer{};
    ssize_t count = 0;
    while ((count = ::read(descriptor, buffer.data(), buffer.size())) > 0) {
        content.append(buffer.data(), static_cast<std::size_t>(count));
    }
    const int reason = errno;
    ::close(descriptor);
    if (count < 0) return failed(reason);
    return content;
}

base::Result<std::string> read_first_line(const std::string& path) {
    base::Result<std::string> content = read_local_file(path);
    if (!content) return content;
    content->resize(std::min(content->size(), content->find('\n')));
    if (content->ends_with('\r')) content->pop_back();
    return content;
}

}  // namespace relay
