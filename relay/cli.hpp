#pragma once

namespace relay {

// The whole program: parses the command line, runs the command, returns the exit status.
[[nodiscard]] int run_cli(int argc, char** argv);

// RELAY_VERSION of the build.
[[nodiscard]] const char* version_text();

}  // namespace relay
