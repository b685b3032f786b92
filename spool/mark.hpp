#pragma once

#include <cstdint>

#include "spool/directory.hpp"

namespace spool {

// A small file beside the database. While it is there a database was begun, so one that is missing
// or empty was lost. It also tells how the last process that wrote to it ended: closed: all is in
// the database itself; open: the log is needed too.
struct Mark {
    enum class State : std::uint8_t { none, closed, open };
    // Written in the machine's present run, so that no power cut came between, or in an earlier
    // one; unknown where the system did not tell, then or now.
    enum class Boot : std::uint8_t { present, earlier, unknown };
    State state = State::none;
    Boot boot = Boot::unknown;
};

inline constexpr const char* boot_id_file = "/proc/sys/kernel/random/boot_id";

// Whether this system tells which run of the machine it is in.
[[nodiscard]] bool boot_is_known();

// A mark that is empty, as a power cut while it is made leaves it, counts as none.
[[nodiscard]] Outcome<Mark> read_mark(const Layout& layout);

// On the disk when it returns, if sync is asked for; so are the names of the other files, before.
[[nodiscard]] Outcome<> write_mark(const Layout& layout, Mark::State state, bool sync);

}  // namespace spool
