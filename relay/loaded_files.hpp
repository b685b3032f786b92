#pragma once

#include "config/settings.hpp"

namespace relay {

// Loads what the configuration names as `relay run` does (certificates, keys, trust anchors, the
// users file) and looks whether log, spool and unix sockets have their places, and adds what is
// wrong to the problems: that a file can be read does not say yet that the server starts with it.
// Nothing is created.
void check_files(config::LoadResult& loaded);

}  // namespace relay
