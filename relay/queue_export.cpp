#include "relay/queue_export.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "admin/target.hpp"
#include "base/draft_file.hpp"
#include "relay/output.hpp"

namespace relay {

namespace {

base::Error cannot_write(const std::string& path) {
    return base::error("cannot write " + path + ": " + base::errno_text(errno));
}

bool is_device(const std::string& path) { return path.starts_with("/dev/"); }

base::Result<void> write_device(const std::string& path, std::string_view content) {
    std::FILE* file = std::fopen(path.c_str(), "we");
    if (file == nullptr) return cannot_write(path);
    const bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
    if (std::fclose(file) != 0 || !written) return cannot_write(path);
    return {};
}

// Mail is private: the file is a new one, its owner's only. In a folder like /tmp a stranger may
// have put a link or a readable file of that name there before.
base::Result<void> write_file(const std::string& path, std::string_view content) {
    struct stat present{};
    const bool exists = ::lstat(path.c_str(), &present) == 0;
    if (exists && !S_ISREG(present.st_mode) && !S_ISLNK(present.st_mode)) {
        return base::error(path + " is in the way: it is no file; name another one");
    }
    base::DraftFile draft{path};
    if (!draft.open() || !draft.write(content) || !draft.place()) return cannot_write(path);
    return {};
}

base::Result<void> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return base::error("cannot make the folder " + path + ": " + base::errno_text(errno));
}

base::Result<std::string> fetch(ControlChannel& channel, const std::string& id) {
    admin::ApiRequest request;
    request.method = "GET";
    request.target = "/api/v1/messages/" + admin::percent_encode(id) + "/raw";
    auto response = channel.call(std::move(request));
    if (!response) return response.error();
    if (response->status >= 400) return base::error(error_message(*response));
    return std::move(response->body);
}

base::Result<void> export_one(ControlChannel& channel, const std::string& id,
                              const ExportOptions& where) {
    const auto content = fetch(channel, id);
    if (!content) return content.error();
    if (!where.directory.empty()) {
        const std::string path = (std::filesystem::path(where.directory) / (id + ".eml")).string();
        const auto written = write_file(path, *content);
        if (written) print(path + "\n");
        return written;
    }
    if (!where.file.empty() && where.file != "-") {
        return is_device(where.file) ? write_device(where.file, *content)
                                     : write_file(where.file, *content);
    }
    print(*content);
    return {};
}

base::Result<std::vector<std::string>> selected_ids(ControlChannel& channel,
                                                    const SelectionOptions& options) {
    if (!options.ids.empty()) return options.ids;
    std::vector<std::string> ids;
    const auto listed = for_each_page(channel, options, [&](const boost::json::array& page) {
        for (const ApiView message : objects(page)) ids.push_back(message.text("id"));
    });
    if (!listed) return listed.error();
    return ids;
}

}  // namespace

ExitStatus export_messages(ControlChannel& channel, const SelectionOptions& options,
                           const ExportOptions& where) {
    const auto ids = selected_ids(channel, options);
    if (!ids) return fail(ids.error().message);
    if (ids->size() > 1 && where.directory.empty()) {
        return fail("several messages need --directory DIR", ExitStatus::usage);
    }
    if (!ids->empty() && !where.directory.empty()) {
        if (const auto made = make_directory(where.directory); !made) {
            return fail(made.error().message);
        }
    }
    bool failed = false;
    for (const std::string& id : *ids) {
        const auto exported = export_one(channel, id, where);
        if (!exported) fail(exported.error().message);
        failed = failed || !exported;
    }
    return failed ? ExitStatus::bad : ExitStatus::done;
}

}  // namespace relay
