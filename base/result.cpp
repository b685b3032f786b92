#include "base/result.hpp"

#include <boost/throw_exception.hpp>
#include <cctype>
#include <stdexcept>
#include <system_error>

namespace base {

std::string errno_text(int number) {
    std::string text = std::generic_category().message(number);
    // "No such file or directory" reads better behind a colon in lower case; "RST by peer" would
    // not.
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    }
    return text;
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
    boost::throw_exception(std::logic_error(error.message), where);
}

}  // namespace base
