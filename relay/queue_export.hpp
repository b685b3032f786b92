#pragma once

#include <string>

#include "relay/commands.hpp"
#include "relay/queue_selection.hpp"

namespace relay {

// Where exported messages go; both empty: standard output.
struct ExportOptions {
    std::string file, directory;
};

[[nodiscard]] ExitStatus export_messages(ControlChannel& channel, const SelectionOptions& options,
                                         const ExportOptions& where);

}  // namespace relay
