#include "diagnose/ptr_name.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "diagnose/host_catalogue.hpp"

namespace diagnose {
namespace {

bool has_token(std::string_view name, const std::vector<std::string>& words) {
    // The registered domain is the operator's name, not a word about the host.
    std::string parts{name};
    for (int label = 0; label < 2; ++label) {
        const std::size_t dot = parts.rfind('.');
        parts.resize(dot == parts.npos ? 0 : dot);
    }
    std::replace(parts.begin(), parts.end(), '-', '.');
    for (const std::string_view part : base::split(parts, '.')) {
        const std::string_view word = part.substr(0, part.find_last_not_of("0123456789") + 1);
        if (std::find(words.begin(), words.end(), word) != words.end()) return true;
    }
    return false;
}

// The four octets of the address stand in the name, in order or reversed, however parted, or as
// hex.
bool embeds(std::string_view name, const boost::asio::ip::address& address) {
    if (!address.is_v4()) return false;
    const auto b = address.to_v4().to_bytes();
    const auto has = [&](const std::string& text) { return name.find(text) != name.npos; };
    for (const std::string_view separator : {"-", ".", "_", ""}) {
        if (has(fmt::format("{1}{0}{2}{0}{3}{0}{4}", separator, b[0], b[1], b[2], b[3])) ||
            has(fmt::format("{1}{0}{2}{0}{3}{0}{4}", separator, b[3], b[2], b[1], b[0]))) {
            return true;
        }
    }
    return has(fmt::format("{:02x}{:02x}{:02x}{:02x}", b[0], b[1], b[2], b[3]));
}

}  // namespace

bool generic_ptr(std::string_view name, const boost::asio::ip::address& address) {
    const std::string lower = base::to_lower(name);
    bool token = false;
    for (const PtrToken& row : host_catalogue().tokens) {
        if (!has_token(lower, row.words)) continue;
        if (row.negative) return false;
        token = true;
    }
    return token || embeds(lower, address);
}

}  // namespace diagnose
