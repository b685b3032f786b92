#include "relay/queue_export.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "admin/target.hpp"
#include "relay/output.hpp"

namespace relay {

namespace {

// Mail is private: the file is its owner's only.
base::Result<void> write_file(const std::string& path, std::string_view content) {
    const auto failure = [&] {
        return base::error("cannot write " + path + ": " + base::errno_text(errno));
    };
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0) return failure();
    while (!content.empty()) {
        const ssize_t count = ::write(descriptor, content.data(), content.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            const base::Error error = failure();
            ::close(descriptor);
            return error;
        }
        content.remove_prefix(static_cast<std::size_t>(count));
    }
    if (::close(descriptor) != 0) return failure();
    return {};
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
    if (!where.file.empty() && where.file != "-") return write_file(where.file, *content);
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
    bool failed = false;
    for (const std::string& id : *ids) {
        const auto exported = export_one(channel, id, where);
        if (!exported) fail(exported.error().message);
        failed = failed || !exported;
    }
    return failed ? ExitStatus::bad : ExitStatus::done;
}

}  // namespace relay
