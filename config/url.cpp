#include "config/url.hpp"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "base/secret.hpp"
#include "base/text.hpp"
#include "config/document.hpp"
#include "config/syntax.hpp"

namespace config {
namespace {

constexpr std::size_t none = std::string_view::npos;

// Pieces of SCHEME://CREDENTIALS@PLACE?QUERY. A password pasted without escapes may hold any
// character, "@" and "/" among them: the last "@" is the one that counts.
struct Pieces {
    std::string_view scheme;       // with its "://"; "" without
    std::string_view credentials;  // "" when there are none
    std::string_view place;        // from behind the "@" to the query
    std::string_view query;        // with its "?"
    bool at = false;
};

Pieces take_apart(std::string_view text) {
    Pieces pieces;
    if (const std::size_t end = text.find("://"); end != none) {
        pieces.scheme = text.substr(0, end + 3);
        text.remove_prefix(end + 3);
    }
    const std::size_t at = text.rfind('@');
    const bool address = pieces.scheme.empty() && text.substr(0, at).find(':') == none;
    const bool mail_link = base::starts_with_ignoring_case(text, "mailto:");
    if (at != none && !address && !mail_link) {
        pieces.at = true;
        pieces.credentials = text.substr(0, at);
        text.remove_prefix(at + 1);
    }
    pieces.place = text.substr(0, text.find('?'));
    pieces.query = text.substr(pieces.place.size());
    return pieces;
}

struct HostPort {
    std::string_view host, port;  // port: what stands behind the colon, "" when nothing does
};

HostPort host_and_port(std::string_view place) {
    const std::string_view authority = place.substr(0, place.find_first_of("/#"));
    const std::size_t bracket = authority.find(']');
    const std::size_t colon = authority.find(':', bracket == none ? 0 : bracket);
    if (colon == none) return {authority, {}};
    return {authority.substr(0, colon), authority.substr(colon + 1)};
}

std::optional<std::uint16_t> port_to_reach(std::string_view text) {
    const std::optional<std::uint16_t> port = parse_port(text);
    return port == 0 ? std::nullopt : port;
}

// RFC 3986 section 2.1.
std::string percent_decoded(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned byte = 0;
        const char* digits = text.data() + i + 1;
        const bool escape = text[i] == '%' && i + 2 < text.size() &&
                            std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
        result += escape ? static_cast<char>(byte) : text[i];
        if (escape) i += 2;
    }
    return result;
}

std::string username_of(const Pieces& pieces) {
    const std::size_t colon = pieces.credentials.find(':');
    if (colon == none) return {};  // alone it may be a key, as good as a password
    return percent_decoded(pieces.credentials.substr(0, colon));
}

}  // namespace

std::string without_credentials(std::string_view text) {
    const Pieces pieces = take_apart(text);
    std::string result{pieces.scheme};
    if (pieces.at) result += std::string{base::masked_secret} + "@";
    const HostPort place = host_and_port(pieces.place);
    // "smtp://app:hunter2" without its host.
    const bool cut_off =
        !pieces.scheme.empty() && !place.port.empty() && !port_to_reach(place.port).has_value();
    if (cut_off) {
        result += std::string{place.host} + ":" + std::string{base::masked_secret};
    } else {
        result += pieces.place;
    }
    if (pieces.query.empty() || (pieces.scheme.empty() && !pieces.at)) {
        return result += pieces.query;
    }
    return result + "?" + std::string{base::masked_secret};
}

std::string keys_of_url(std::string_view text) {
    const Pieces pieces = take_apart(text);
    if (pieces.scheme.empty() && !pieces.at) return {};
    HostPort place = host_and_port(pieces.place);
    std::optional<std::uint16_t> port = port_to_reach(place.port);
    if (!place.port.empty() && !port) return {};
    const bool bracketed = place.host.starts_with('[') && place.host.ends_with(']');
    if (bracketed) place.host = place.host.substr(1, place.host.size() - 2);
    if (!is_host_name(place.host) && !is_ipv4(place.host) && !is_ipv6(place.host)) return {};

    std::vector<std::string> keys{"host = " + in_quotes(place.host)};
    if (!port && base::equals_ignoring_case(pieces.scheme, "smtps://")) port = 465;
    if (port) keys.push_back(fmt::format("port = {}", *port));
    const std::string username = username_of(pieces);
    const bool fit =
        base::is_valid_utf8(username) && base::printable(username, username.size() + 1) == username;
    if (!username.empty() && fit) keys.push_back("username = " + in_quotes(username));
    return base::join(keys, ", ");
}

}  // namespace config
