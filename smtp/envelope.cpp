#include "smtp/envelope.hpp"

namespace smtp {

std::string Notify::text() const {
    if (never) return "NEVER";  // RFC 3461 section 4.1: never stands alone
    std::string list;
    const auto add = [&](bool wanted, const char* keyword) {
        if (!wanted) return;
        if (!list.empty()) list += ',';
        list += keyword;
    };
    add(success, "SUCCESS");
    add(failure, "FAILURE");
    add(delay, "DELAY");
    return list;
}

}  // namespace smtp
