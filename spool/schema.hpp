#pragma once

#include <span>
#include <string>

#include "spool/database.hpp"

namespace spool {

// One step forward, from the version before it. Version n is the n-th of the list.
struct Migration {
    std::string sql;
};

// All versions this program knows, oldest first.
[[nodiscard]] std::span<const Migration> known_migrations();

// Brings a database of any known version, or an empty one, to the newest; each step is one
// synced transaction, so that a crash leaves a whole version. A database written by a newer
// program is refused.
[[nodiscard]] Outcome<> migrate(Database& database, std::span<const Migration> migrations);

}  // namespace spool
