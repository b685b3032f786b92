#include "base/bug.hpp"

#include "base/log.hpp"

namespace base {

std::string words_of(const std::exception_ptr& problem) {
    try {
        std::rethrow_exception(problem);
    } catch (const std::exception& known) {
        return known.what();
    } catch (...) {
        return "an unknown exception";
    }
}

void log_bug(std::string_view message, const std::exception_ptr& problem) {
    if (problem) log_error(message, {{"problem", words_of(problem)}});
}

}  // namespace base
