#include "relay/loaded_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "admin/access.hpp"
#include "base/text.hpp"
#include "diagnose/inbound/listeners.hpp"
#include "net/cidr.hpp"
#include "relay/occupied_places.hpp"
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

// Opening the log makes the file, but no folder; this only looks whether that can be done.
void check_log(config::LoadResult& loaded) {
    const fs::path file = loaded.settings.log.file;
    if (file.empty()) return;
    std::error_code ignored;
    if (fs::is_directory(file, ignored)) {
        return add(loaded, "log.file", file.string() + " is a folder: name a file in it");
    }
    const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path{"."};
    const fs::path there = fs::exists(file, ignored) ? file : folder;
    if (::access(there.c_str(), W_OK) == 0) return;
    const int reason = errno;
    const char* remedy = reason == ENOENT ? "make that folder, for the user that runs relay"
                                          : "let the user that runs relay write there";
    add(loaded, "log.file",
        fmt::format("{} cannot be written: {}; {}", there.string(), base::errno_text(reason),
                    remedy));
}

// Opening the spool makes its folder, and those that it is in.
void check_spool(config::LoadResult& loaded) {
    const fs::path directory = loaded.settings.spool.directory;
    std::error_code ignored;
    fs::path there = directory;
    while (!fs::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
    if (there.empty()) there = ".";
    if (!fs::is_directory(there, ignored)) {
        return add(loaded, "spool.directory", there.string() + " is no folder: name another place");
    }
    if (there == directory || ::access(there.c_str(), W_OK | X_OK) == 0) return;
    const int reason = errno;
    add(loaded, "spool.directory",
        fmt::format("{} cannot be made in {}: {}; make it for the user that runs relay",
                    directory.string(), there.string(), base::errno_text(reason)));
}

bool own_address(const std::string& host) {
    const std::vector<diagnose::HostAddress> all = diagnose::host_addresses();
    return std::any_of(all.begin(), all.end(),
                       [&](const diagnose::HostAddress& own) { return own.address == host; });
}

bool every_interface(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

// Whether a listener at `bound` takes what is meant for `host`, as far as the words tell.
bool listens_for(const std::string& bound, const std::string& host) {
    const auto is_localhost = [](const std::string& name) {
        return base::equals_ignoring_case(name, "localhost");
    };
    const bool here = is_localhost(host) || net::is_loopback_address(host);
    const bool bound_here = is_localhost(bound) || every_interface(bound);
    return bound == host || (here && bound_here) || (every_interface(bound) && own_address(host)) ||
           (is_localhost(host) && net::is_loopback_address(bound));
}

std::optional<std::string> listener_for(const std::vector<std::string>& listen,
                                        const std::string& host, unsigned short port) {
    for (const std::string& text : listen) {
        const auto bound = admin::parse_host_port(text, 0);
        if (bound && bound->port != 0 && bound->port == port && listens_for(bound->host, host)) {
            return text;
        }
    }
    return std::nullopt;
}

std::vector<std::string> mail_listeners(const config::Settings& settings) {
    std::vector<std::string> all = settings.listener.listen;
    const std::vector<std::string>& tls = settings.listener.tls_listen;
    all.insert(all.end(), tls.begin(), tls.end());
    return all;
}

void check_admin_addresses(config::LoadResult& loaded) {
    const std::vector<std::string> mail = mail_listeners(loaded.settings);
    const std::vector<std::string> admin_listen = loaded.settings.admin.listen;
    for (const std::string& text : admin_listen) {
        const auto address = admin::parse_host_port(text, 0);
        if (!address) continue;
        const auto taken = listener_for(mail, address->host, address->port);
        if (!taken) continue;
        add(loaded, "admin.listen",
            fmt::format("{} is taken by \"{}\", where clients bring mail: give it another port",
                        text, *taken));
    }
}

// Each message would come back to relay itself, until its hops are too many.
void check_loop(config::LoadResult& loaded, const delivery::SmarthostOptions& smarthost,
                const std::string& section) {
    const std::vector<std::string> mail = mail_listeners(loaded.settings);
    for (const unsigned short port : smarthost.ports) {
        const auto own = listener_for(mail, smarthost.host, port);
        if (!own) continue;
        add(loaded, section + ".host",
            fmt::format("{}:{} is this relay's own listener \"{}\": name the server that takes "
                        "your mail out",
                        smarthost.host, port, *own));
    }
}

}  // namespace

void check_files(config::LoadResult& loaded) {
    check_server(loaded);
    const auto smarthosts = loaded.settings.delivery.smarthosts;
    for (std::size_t i = 0; i < smarthosts.size(); ++i) {
        const std::string section =
            smarthosts.size() == 1 ? "smarthost" : fmt::format("smarthost[{}]", i + 1);
        check_smarthost(loaded, smarthosts[i].verification, section);
        check_loop(loaded, smarthosts[i], section);
    }
    check_log(loaded);
    check_spool(loaded);
    for (const PlaceFault& fault : occupied_places(loaded.settings)) {
        add(loaded, fault.key, fault.what);
    }
    check_admin_addresses(loaded);
    std::stable_sort(loaded.problems.begin(), loaded.problems.end(),
                     [](const config::Problem& a, const config::Problem& b) {
                         return std::tie(a.line, a.column) < std::tie(b.line, b.column);
                     });
}

}  // namespace relay
