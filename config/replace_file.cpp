#include "base/replace_file.hpp"

#include <fmt/format.h>

#include "config/edit.hpp"
#include "config/settings.hpp"

namespace config {

namespace fs = std::filesystem;

base::Result<> replace_file(const fs::path& named, std::string_view text) {
    const auto approve = [](const std::string& draft, const fs::path& file) -> base::Result<> {
        LoadResult loaded = load_file(draft);
        if (loaded.ok()) return {};
        Problem problem = loaded.problems.front();
        problem.file = file.string();
        return base::error(
            fmt::format("{} would not be a good configuration: {}", file.string(), problem.text()));
    };
    return base::replace_file(named, text, approve);
}

}  // namespace config
