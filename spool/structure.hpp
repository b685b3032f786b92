#pragma once

#include "spool/database.hpp"

namespace spool {

// Whether the database hangs together, all of it; takes seconds for a million messages.
[[nodiscard]] Outcome<> check_whole(Database& database);

}  // namespace spool
