#include "relay/occupied_places.hpp"

#include <filesystem>
#include <system_error>

#include "relay/listen_socket.hpp"
#include "spool/directory.hpp"
#include "spool/schema.hpp"

namespace relay {
namespace {

namespace fs = std::filesystem;

// RuntimeDirectory= of a systemd unit makes such a folder at the start and removes it at the end.
bool comes_with_the_service(const std::string& address) {
    const fs::path folder =
        fs::path{address.substr(std::string_view{"unix:"}.size())}.parent_path();
    const bool runtime =
        folder.native().starts_with("/run/") || folder.native().starts_with("/var/run/");
    std::error_code ignored;
    return runtime && !fs::exists(folder, ignored);
}

void look_at_listeners(const std::vector<std::string>& addresses, const std::string& key,
                       std::vector<PlaceFault>& faults) {
    for (const std::string& address : addresses) {
        if (!address.starts_with("unix:") || comes_with_the_service(address)) continue;
        std::string obstacle = unix_obstacle(address, key);
        if (!obstacle.empty()) faults.push_back({key, std::move(obstacle)});
    }
}

}  // namespace

std::vector<PlaceFault> occupied_places(const config::Settings& settings) {
    std::vector<PlaceFault> faults;
    look_at_listeners(settings.listener.listen, "server.listen", faults);
    look_at_listeners(settings.listener.tls_listen, "server.tls_listen", faults);
    if (settings.spool.directory.empty()) return faults;
    const spool::Layout layout{settings.spool.directory};
    if (const auto known = spool::check_version(layout.database()); !known) {
        faults.push_back({"spool.directory", known.error().message});
    }
    return faults;
}

}  // namespace relay
