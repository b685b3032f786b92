#include "smtp/envelope.hpp"

#include "smtp/envelope_names.hpp"

namespace smtp {

std::string_view body_name(BodyType body) {
    switch (body) {
        case BodyType::seven_bit:
            return "7BIT";
        case BodyType::eight_bit_mime:
            return "8BITMIME";
        case BodyType::binary_mime:
            return "BINARYMIME";
    }
    return "7BIT";
}

std::string_view ret_name(Ret ret) {
    switch (ret) {
        case Ret::unset:
            return "";
        case Ret::full:
            return "FULL";
        case Ret::headers:
            return "HDRS";
    }
    return "";
}

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
