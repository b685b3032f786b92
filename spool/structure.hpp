#pragma once

#include "spool/database.hpp"

namespace spool {

// Whether the database hangs together, all of it; takes seconds for a million messages.
[[nodiscard]] Outcome<> check_whole(Database& database);
// Steps over the rows, what is needed first at first, for half a second at most: finds pages that
// are none of the database's.
[[nodiscard]] Outcome<> check_briefly(Database& database);

}  // namespace spool
