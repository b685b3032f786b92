#include "relay/loaded_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <tuple>
#include <utility>

#include "relay/users_file.hpp"
#include "tls/context.hpp"

namespace relay {
namespace {

namespace fs = std::filesystem;

void add(config::LoadResult& loaded, const std::string& key, const std::string& what) {
    config::Problem problem;
    problem.file = loaded.settings.file.string();
    problem.message = fmt::format("{}: {}", key, what);
    problem.section = key.substr(0, key.find_first_of("[."));
    for (const config::SettingLine& line : loaded.settings.effective) {
        if (line.key != key) continue;
        problem.line = line.line;
        problem.column = line.column;
    }
    loaded.problems.push_back(std::move(problem));
}

struct PairKeys {
    std::string certificate, key;  // as in "server.certificate", "server.private_key"
};

// A message about the pair names the file that is to blame, or with it the other as well.
void add_pair(config::LoadResult& loaded, const PairKeys& keys, const std::string& certificate,
              const std::string& key, const base::Error& error) {
    // Both may be in one file.
    const bool of_key = key == certificate ? error.message.find("PRIVATE KEY") != std::string::npos
                                           : error.message.find(key) != std::string::npos;
    add(loaded, of_key ? keys.key : keys.certificate, error.message);
}

void check_server(config::LoadResult& loaded) {
    const ListenerOptions& listener = loaded.settings.listener;
    const tls::ServerOptions& tls = listener.tls;
    if (!tls.certificate.empty() && !tls.private_key.empty()) {
        const auto context = tls::ServerContext::load(tls);
        const PairKeys keys{"server.certificate", "server.private_key"};
        if (!context) add_pair(loaded, keys, tls.certificate, tls.private_key, context.error());
    }
    if (!listener.users_file.empty()) {
        const auto users = UsersFile::load(listener.users_file);
        if (!users) add(loaded, "server.users_file", users.error().message);
    }
}

void check_smarthost(config::LoadResult& loaded, const tls::ClientOptions& options,
                     const std::string& section) {
    if (!options.ca_file.empty()) {
        tls::ClientOptions anchors;
        anchors.ca_file = options.ca_file;
        const auto context = tls::ClientContext::load(anchors);
        if (!context) add(loaded, section + ".ca_file", context.error().message);
    }
    if (!options.certificate.empty() && !options.private_key.empty()) {
        tls::ClientOptions pair;
        pair.certificate = options.certificate;
        pair.private_key = options.private_key;
        const auto context = tls::ClientContext::load(pair);
        const PairKeys keys{section + ".client_certificate", section + ".client_key"};
        if (!context) {
            add_pair(loaded, keys, options.certificate, options.private_key, context.error());
        }
    }
}

// Opening the log makes it, and the folders it is in; this only looks whether that can be done.
void check_log(config::LoadResult& loaded) {
    const fs::path file = loaded.settings.log.file;
    if (file.empty()) return;
    std::error_code ignored;
    if (fs::is_directory(file, ignored)) {
        return add(loaded, "log.file", file.string() + " is a folder: name a file in it");
    }
    fs::path there = file;
    while (!fs::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
    if (::access(there.c_str(), W_OK) == 0) return;
    const int reason = errno;
    add(loaded, "log.file",
        fmt::format("{} cannot be written: {}; let the user that runs relay write there",
                    there.string(), base::errno_text(reason)));
}

}  // namespace

void check_files(config::LoadResult& loaded) {
    check_server(loaded);
    const auto smarthosts = loaded.settings.delivery.smarthosts;
    for (std::size_t i = 0; i < smarthosts.size(); ++i) {
        const std::string section =
            smarthosts.size() == 1 ? "smarthost" : fmt::format("smarthost[{}]", i + 1);
        check_smarthost(loaded, smarthosts[i].verification, section);
    }
    check_log(loaded);
    std::stable_sort(loaded.problems.begin(), loaded.problems.end(),
                     [](const config::Problem& a, const config::Problem& b) {
                         return std::tie(a.line, a.column) < std::tie(b.line, b.column);
                     });
}

}  // namespace relay
