#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace base {

// How another program ended and what it wrote to its standard output.
struct ChildResult {
    enum class End { exited, not_started, timed_out } end = End::not_started;
    int error_number = 0;  // when not started
    int wait_status = 0;   // when exited; as waitpid() tells it
    std::string output;
    bool output_cut = false;  // there was more than the limit

    [[nodiscard]] bool succeeded() const { return end == End::exited && wait_status == 0; }
    // "was ended by signal 9", "was not found (exit status 127)", "ended with exit status 2"
    [[nodiscard]] std::string how_it_ended() const;
};

struct ChildLimits {
    Duration time = std::chrono::seconds{10};
    std::size_t output = std::size_t{64} * 1024;
};

// Runs a program to its end; arguments[0] is its path. Its standard input is empty, its errors go
// nowhere. At the time limit it is killed with all that it started. Blocks: never on a network
// thread.
[[nodiscard]] ChildResult run_child(const std::vector<std::string>& arguments, ChildLimits limits);

}  // namespace base
