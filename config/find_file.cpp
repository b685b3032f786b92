#include <fmt/format.h>

#include "base/text.hpp"
#include "config/settings.hpp"
#include "config/system_defaults.hpp"

namespace config {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

std::vector<fs::path> usual_places() {
    std::vector<fs::path> places{"relay.toml"};
    const std::string xdg = environment("XDG_CONFIG_HOME");
    const std::string home = environment("HOME");
    if (xdg.starts_with('/')) {
        places.push_back(fs::path{xdg} / "relay/relay.toml");
    } else if (!home.empty()) {
        places.push_back(fs::path{home} / ".config/relay/relay.toml");
    }
    places.emplace_back(system_file);
    return places;
}

}  // namespace

base::Result<fs::path> find_file(const std::string& explicit_path) {
    if (!explicit_path.empty()) {
        if (is_there(explicit_path)) return fs::path{explicit_path};
        return base::error(fmt::format("the configuration {} does not exist", explicit_path));
    }
    // Taking another file than the one that was named would surprise.
    if (const std::string named = environment("RELAY_CONFIG"); !named.empty()) {
        if (is_there(named)) return fs::path{named};
        return base::error(fmt::format("$RELAY_CONFIG names {}, which does not exist", named));
    }
    std::vector<std::string> looked;
    for (const fs::path& place : usual_places()) {
        if (is_there(place)) return place;
        looked.push_back(place == "relay.toml" ? "./relay.toml" : place.string());
    }
    return base::error(
        fmt::format("there is no configuration: looked for {} ($RELAY_CONFIG is not set)",
                    base::join(looked, ", ")));
}

std::string_view minimal_example() {
    return "[smarthost]\n"
           "host = \"smtp.example.com\"\n"
           "username = \"app@example.com\"\n"
           "password_file = \"/etc/relay/password\"\n";
}

}  // namespace config
