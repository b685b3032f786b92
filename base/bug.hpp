#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace base {

// What an exception says, for the log alone: it was not written for a peer or a client.
[[nodiscard]] std::string words_of(const std::exception_ptr& problem);

// An exception is a bug. Logs the message with what the exception says, if there is one.
void log_bug(std::string_view message, const std::exception_ptr& problem);

// The end of a coroutine that nobody waits for, as co_spawn() takes it. Keeps the message's
// address: give a literal.
[[nodiscard]] inline auto bug_logger(const char* message) {
    return [message](const std::exception_ptr& problem) { log_bug(message, problem); };
}

}  // namespace base
