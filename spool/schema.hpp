#pragma once

#include <filesystem>
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

// Whether the database file was written by a newer program, by its first page alone: no lock is
// taken and nothing is opened as a database. Good where there is none, or it cannot be read.
[[nodiscard]] Outcome<> check_version(const std::filesystem::path& database);

}  // namespace spool
