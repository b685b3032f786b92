#include "base/errno_name.hpp"

#include <string.h>

namespace base {

std::string errno_name(int number) {
    const char* name = ::strerrorname_np(number);
    return name == nullptr ? std::to_string(number) : std::string{name};
}

int errno_of(std::string_view name) {
    constexpr int last = 133;  // EHWPOISON, on Linux
    for (int number = 1; number <= last; ++number) {
        const char* known = ::strerrorname_np(number);
        if (known != nullptr && name == known) return number;
    }
    return 0;
}

}  // namespace base
