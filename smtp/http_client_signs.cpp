#include "smtp/http_client_signs.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace smtp {
namespace {

// RFC 9110 section 9.3, RFC 5789, and "PRI * HTTP/2.0" of RFC 9113 section 3.4.
constexpr std::array<std::string_view, 10> methods{"GET",     "POST",   "PUT",   "HEAD",  "OPTIONS",
                                                   "CONNECT", "DELETE", "PATCH", "TRACE", "PRI"};
constexpr std::array<std::string_view, 10> fields{
    "Host",           "User-Agent", "Origin",  "Accept", "Connection",
    "Content-Length", "Referer",    "Upgrade", "Cookie", "Accept-Encoding"};

}  // namespace

bool begins_http_request(std::string_view start_of_line) {
    const std::size_t blank = start_of_line.find(' ');
    if (blank == std::string_view::npos) return false;
    const std::string_view target = start_of_line.substr(blank + 1);
    const bool targeted = target.starts_with('/') || target.starts_with("* ") ||
                          base::starts_with_ignoring_case(target, "http");
    return targeted && std::any_of(methods.begin(), methods.end(), [&](std::string_view method) {
               return base::equals_ignoring_case(method, start_of_line.substr(0, blank));
           });
}

bool is_http_request_line(std::string_view line) {
    if (begins_http_request(line)) return true;
    line = base::trim(line);
    const bool ends_in_number = !line.empty() && line.back() >= '0' && line.back() <= '9';
    if (!ends_in_number) return false;  // as nearly every line
    const std::size_t blank = line.find_last_of(" \t");
    if (blank == std::string_view::npos) return false;
    const std::string_view version = line.substr(blank + 1);
    constexpr std::string_view protocol = "HTTP/";
    return base::starts_with_ignoring_case(version, protocol) && version.size() > protocol.size() &&
           version.find_first_not_of("0123456789.", protocol.size()) == std::string_view::npos;
}

bool is_http_request_field(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    return std::any_of(fields.begin(), fields.end(), [&](std::string_view field) {
        return base::equals_ignoring_case(field, line.substr(0, colon));
    });
}

}  // namespace smtp
