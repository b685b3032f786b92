#include "smtp/envelope.hpp"

#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/text.hpp"
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

void drop_repeated_recipients(std::vector<Recipient>& recipients) {
    if (recipients.size() < 2) return;
    std::set<std::tuple<std::string, std::string, std::string>> seen;
    std::vector<Recipient> kept;
    kept.reserve(recipients.size());
    for (Recipient& recipient : recipients) {
        std::string address = recipient.address;
        const std::size_t at = address.rfind('@');
        if (at != std::string::npos) {
            const std::string domain = base::to_lower(std::string_view{address}.substr(at));
            address.replace(at, std::string::npos, domain);
        }
        const bool fresh =
            seen.emplace(std::move(address), recipient.notify.text(), recipient.orcpt).second;
        if (fresh) kept.push_back(std::move(recipient));
    }
    recipients = std::move(kept);
}

}  // namespace smtp
