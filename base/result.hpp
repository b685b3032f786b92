#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <utility>

namespace base {

// Why something could not be done, in words fit for a person: it names the
// thing, the place and, where there is one, the remedy. It never holds a secret.
// Has a constructor so that it is no aggregate: in C++20 an aggregate counts as constructible from
// a string, and then Result<std::string> could not tell a value from an error.
struct Error {
    Error() = default;
    std::string message;
};

// The one spelling of "a value or why not", so that std::expected can take its place.
template <class T = void, class E = Error>
using Result = boost::system::result<T, E>;

[[nodiscard]] inline Error error(std::string message) {
    Error made;
    made.message = std::move(message);
    return made;
}

// The reason for an errno value in lower-case words ("connection refused"), without the number.
[[nodiscard]] std::string errno_text(int number);

// Found by result<T, base::Error>::value() by way of its argument's namespace: asking a failed
// result for its value is a bug.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

}  // namespace base
