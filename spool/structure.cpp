#include "spool/structure.hpp"

#include <fmt/format.h>

namespace spool {

Outcome<> check_whole(Database& database) {
    std::string found;
    {
        Statement row{database, "PRAGMA quick_check(1)"};
        if (row.step() && row.text(0) != "ok") found = row.string(0);
    }
    if (database.failed()) return database.take_error();
    if (found.empty()) return {};
    SpoolError failure = describe_failure(nullptr, SQLITE_CORRUPT, database.file());
    failure.message += fmt::format(" (found: {})", found);
    return failure;
}

}  // namespace spool
