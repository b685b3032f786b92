#pragma once

#include <string>
#include <vector>

#include "config/settings.hpp"

namespace relay {

struct PlaceFault {
    std::string key;  // "server.listen"
    std::string what;
};

// What keeps the server from using a place that its configuration names: a unix socket that cannot
// be made, a spool that a newer relay wrote. Only looks; nothing is opened for writing or made.
[[nodiscard]] std::vector<PlaceFault> occupied_places(const config::Settings& settings);

}  // namespace relay
