#include "config/settings.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>

#include <array>
#include <cerrno>

#include "config/sections.hpp"

namespace config {
namespace {

constexpr std::size_t longest_file = std::size_t{1} << 20;

struct FileText {
    std::string text;
    bool readable_by_others = false;
};

base::Result<FileText> read_text(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        const int reason = errno;
        const char* remedy = reason == EACCES ? "; let the user that relay runs as read it" : "";
        return base::error(fmt::format("cannot be read: {}{}", base::errno_text(reason), remedy));
    }
    struct stat about{};
    ::fstat(descriptor, &about);
    FileText file{{}, (about.st_mode & S_IROTH) != 0};
    std::array<char, 16384> buffer{};
    ssize_t count = 0;
    while (file.text.size() <= longest_file &&
           (count = ::read(descriptor, buffer.data(), buffer.size())) > 0) {
        file.text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    const int reason = errno;
    ::close(descriptor);
    if (S_ISDIR(about.st_mode)) return base::error("is a folder, not a file");
    if (count < 0) return base::error(fmt::format("cannot be read: {}", base::errno_text(reason)));
    if (file.text.size() > longest_file) {
        return base::error("is larger than 1 MiB and cannot be a configuration");
    }
    return file;
}

// Keys that stand before the first section, and sections nobody knows.
void check_root(Report& report, const Table& root) {
    constexpr std::array<std::string_view, 10> sections{"server", "smarthost", "route",  "delivery",
                                                        "spool",  "rewrite",   "policy", "probe",
                                                        "admin",  "log"};
    const std::vector<std::string> names(sections.begin(), sections.end());
    for (const Member& item : root) {
        if (std::find(names.begin(), names.end(), item.key) != names.end()) continue;
        const bool section =
            std::holds_alternative<Table>(item.value.data) ||
            (std::holds_alternative<List>(item.value.data) &&
             !std::get<List>(item.value.data).empty() &&
             std::holds_alternative<Table>(std::get<List>(item.value.data).front().data));
        if (!section) {
            report.unknown("", item.key, item.place);
            continue;
        }
        report.unknown_section(item.key, item.place, names);
    }
}

void read_sections(Report& report, const Table& root, Settings& settings) {
    read_server(report, root, settings);
    read_smarthosts(report, root, settings);
    read_routes(report, root);
    read_delivery(report, root, settings);
    read_spool(report, root, settings);
    read_rewrite(report, root, settings);
    read_policy(report, root);
    read_probe(report, root, settings);
    read_admin(report, root, settings);
    read_log(report, root, settings);
    check_root(report, root);
}

LoadResult load(const FileText& file, const std::string& name, const std::filesystem::path& folder,
                Reading reading) {
    LoadResult result;
    result.settings.file = name;
    Report report{name, file.text, folder};
    report.set_reading(reading);
    report.set_readable_by_others(file.readable_by_others);
    const auto root = parse_document(file.text);
    if (root) {
        read_sections(report, *root, result.settings);
    } else {
        report.fault(root.error().place, root.error().message);
    }
    report.finish(result);
    return result;
}

}  // namespace

std::string Problem::text() const {
    if (file.empty()) return message;
    if (line == 0) return fmt::format("{}: {}", file, message);
    return fmt::format("{}:{}:{}: {}", file, line, column, message);
}

bool LoadResult::ok_but_secrets() const {
    return std::all_of(problems.begin(), problems.end(),
                       [](const Problem& problem) { return problem.secret; });
}

LoadResult load_file(const std::filesystem::path& path, Reading reading) {
    const auto file = read_text(path);
    if (file) {
        std::error_code ignored;
        const std::filesystem::path full = std::filesystem::absolute(path, ignored);
        return load(*file, path.string(), full.parent_path(), reading);
    }
    LoadResult result;
    result.settings.file = path;
    result.problems.push_back({path.string(), 0, 0, file.error().message, {}});
    return result;
}

LoadResult load_text(std::string_view text, const std::string& name) {
    std::error_code ignored;
    return load({std::string{text}, false}, name, std::filesystem::current_path(ignored),
                Reading::everything);
}

}  // namespace config
