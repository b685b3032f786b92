#include "config/command_output.hpp"

#include <fmt/format.h>

#include "base/child_process.hpp"
#include "base/units.hpp"

namespace config {

base::Result<std::string> first_line_of_command(const std::string& command, base::Duration limit) {
    const base::ChildLimits limits{.time = limit};
    const base::ChildResult child = base::run_child({"/bin/sh", "-c", command}, limits);
    if (child.end == base::ChildResult::End::not_started) {
        return base::error(
            fmt::format("the command cannot be started: {}", base::errno_text(child.error_number)));
    }
    if (child.end == base::ChildResult::End::timed_out) {
        return base::error(
            fmt::format("the command did not end within {}: run it by hand to see what "
                        "it waits for",
                        base::format_duration(limit)));
    }
    if (!child.succeeded()) {
        return base::error(
            fmt::format("the command {}: run it by hand to see why", child.how_it_ended()));
    }
    std::string line = child.output.substr(0, child.output.find('\n'));
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

}  // namespace config
