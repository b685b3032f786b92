#pragma once

#include <cstdint>

#include "spool/directory.hpp"

namespace spool {

// A small file beside the database. While it is there a database was begun, so one that is missing
// or empty was lost. It also tells how the last process that wrote to it ended: closed: all is in
// the database itself; open: the log is needed too.
struct Mark {
    enum class State : std::uint8_t { none, closed, open };
    State state = State::none;
    bool this_boot = false;  // written since the machine started: no power cut came between
};

// A mark that is empty, as a power cut while it is made leaves it, counts as none.
[[nodiscard]] Outcome<Mark> read_mark(const Layout& layout);

// On the disk when it returns, if sync is asked for; so are the names of the other files, before.
[[nodiscard]] Outcome<> write_mark(const Layout& layout, Mark::State state, bool sync);

}  // namespace spool
