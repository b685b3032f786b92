#include "admin/target.hpp"

// Boost.URL's compiled half; this is the only file that uses it.
#include <boost/url/src.hpp>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace admin {

namespace {

// More than any caller needs; keeps a crafted query from costing memory.
constexpr std::size_t parameters_limit = 64;

}  // namespace

std::optional<std::string> Target::find(std::string_view name) const {
    for (const auto& [key, value] : parameters) {
        if (key == name) return value;
    }
    return std::nullopt;
}

base::Result<Target> parse_target(std::string_view text) {
    const auto parsed = boost::urls::parse_origin_form({text.data(), text.size()});
    if (!parsed) return base::error("the request target is not a path with an optional query");
    const boost::urls::url_view url = *parsed;
    Target target;
    for (const auto& segment : url.segments()) target.segments.emplace_back(segment);
    // "/" has one empty segment.
    if (target.segments.size() == 1 && target.segments.front().empty()) target.segments.clear();
    if (url.params().size() > parameters_limit) {
        return base::error("the query has too many parameters");
    }
    for (const auto& parameter : url.params()) {
        target.parameters.emplace_back(std::string(parameter.key), std::string(parameter.value));
    }
    return target;
}

std::string percent_encode(std::string_view text) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    static constexpr std::string_view unreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string encoded;
    for (const char c : text) {
        if (unreserved.find(c) != std::string_view::npos) {
            encoded += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        encoded += '%';
        encoded += digits[byte >> 4U];
        encoded += digits[byte & 15U];
    }
    return encoded;
}

}  // namespace admin
