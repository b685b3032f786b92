#pragma once

#include "spool/mark.hpp"

namespace spool {

// Before SQLite sees the files: it would begin an empty database for one that was lost, and drop
// of the log what it cannot read, without a word. Nothing is changed, but for a copy of a log that
// SQLite is going to cut.
[[nodiscard]] Outcome<> check_not_lost(const Layout& layout, const Mark& mark);
[[nodiscard]] Outcome<> check_log(const Layout& layout, const Mark& mark);

}  // namespace spool
