#include "config/syntax.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "base/this_host.hpp"
#include "config/codecs.hpp"
#include "config/url.hpp"

namespace config {
namespace {

constexpr std::size_t longest_unix_path = 107;  // sun_path with its final zero
constexpr std::string_view unix_prefix = "unix:";

std::string shown(std::string_view text) {
    return in_quotes(base::printable(without_credentials(text), 80));
}

bool label_character(char c, bool international) {
    const auto byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) != 0 || c == '-' || c == '_' || (international && byte >= 0x80);
}

bool is_domain(std::string_view text, bool international) {
    if (text.empty() || text.size() > 253) return false;
    const auto labels = base::split(text, '.');
    const bool sound = std::all_of(labels.begin(), labels.end(), [&](std::string_view label) {
        return !label.empty() && label.size() <= 63 && label.front() != '-' &&
               label.back() != '-' && std::all_of(label.begin(), label.end(), [&](char c) {
                   return label_character(c, international);
               });
    });
    // A name whose last label is a number would be taken for a malformed address.
    return sound && labels.back().find_first_not_of("0123456789") != std::string_view::npos;
}

bool is_address_literal(std::string_view text) {
    if (!text.starts_with('[') || !text.ends_with(']')) return false;
    const std::string_view inner = text.substr(1, text.size() - 2);
    if (base::starts_with_ignoring_case(inner, "IPv6:")) return is_ipv6(inner.substr(5));
    return is_ipv4(inner);
}

std::array<unsigned char, 16> ipv6_bytes(std::string_view text) {
    std::array<unsigned char, 16> bytes{};
    ::inet_pton(AF_INET6, std::string{text}.c_str(), bytes.data());
    return bytes;
}

bool is_mapped(const std::array<unsigned char, 16>& bytes) {
    const bool zeros =
        std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; });
    return zeros && bytes[10] == 0xFF && bytes[11] == 0xFF;
}

// RFC 5321 section 4.1.2: a dot-string or a quoted string, UTF-8 allowed (RFC 6531).
bool is_local_part(std::string_view text) {
    if (text.empty() || text.size() > 64) return false;
    if (text.front() == '"') return text.size() > 2 && text.back() == '"';
    constexpr std::string_view atoms = "!#$%&'*+-/=?^_`{|}~.";
    const bool sound = std::all_of(text.begin(), text.end(), [&](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return std::isalnum(byte) != 0 || byte >= 0x80 || atoms.find(c) != std::string_view::npos;
    });
    return sound && text.front() != '.' && text.back() != '.' &&
           text.find("..") == std::string_view::npos;
}

bool is_address(std::string_view text) {
    const std::size_t at = text.rfind('@');
    if (at == std::string_view::npos || text.size() > 254 || !base::is_valid_utf8(text)) {
        return false;
    }
    const std::string_view domain = text.substr(at + 1);
    return is_local_part(text.substr(0, at)) &&
           (is_domain(domain, true) || is_address_literal(domain));
}

base::Result<std::string> unix_socket(const std::string& text) {
    if (!text.starts_with("unix:/") || text.size() < 7) {
        return base::error(fmt::format(
            "{} needs the absolute path of a socket, as \"unix:/run/relay/smtp\"", shown(text)));
    }
    if (text.size() - unix_prefix.size() > longest_unix_path) {
        return base::error(
            fmt::format("the path of a unix socket has at most {} characters", longest_unix_path));
    }
    return text;
}

// A URL, or user:password@host, where the name of a host belongs.
base::Error url_fault(const std::string& text, std::string_view what) {
    const std::string keys = keys_of_url(text);
    return base::error(fmt::format(
        "{} {}: only the host name goes here; port, username and password have keys of their own{}",
        shown(text), what, keys.empty() ? "" : ": " + keys));
}

// Bytes of a pin written as hex, with or without colons.
std::optional<std::string> hex_bytes(std::string_view text) {
    std::string digits;
    std::copy_if(text.begin(), text.end(), std::back_inserter(digits),
                 [](char c) { return c != ':'; });
    if (digits.size() != 64) return std::nullopt;
    std::string bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        unsigned byte = 0;
        const char* begin = digits.data() + i;
        const auto [end, error] = std::from_chars(begin, begin + 2, byte, 16);
        if (error != std::errc{} || end != begin + 2) return std::nullopt;
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

}  // namespace

bool is_host_name(std::string_view text) { return is_domain(text, false); }

bool is_ipv4(std::string_view text) {
    in_addr address{};
    return text.find('\0') == std::string_view::npos &&
           ::inet_pton(AF_INET, std::string{text}.c_str(), &address) == 1;
}

bool is_ipv6(std::string_view text) {
    in6_addr address{};
    return text.find('\0') == std::string_view::npos &&
           ::inet_pton(AF_INET6, std::string{text}.c_str(), &address) == 1;
}

bool Endpoint::local() const {
    return kind == Kind::unix_socket || (kind == Kind::tcp && base::is_this_host(host));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return port;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
    if (text == "systemd") return Endpoint{Endpoint::Kind::systemd, {}, 0};
    if (text.starts_with("unix:/")) {
        return Endpoint{Endpoint::Kind::unix_socket, std::string{text.substr(unix_prefix.size())},
                        0};
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const auto port = parse_port(text.substr(colon + 1));
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    const bool sound = bracketed ? is_ipv6(host) : is_ipv4(host) || is_host_name(host);
    if (!sound || !port) return std::nullopt;
    return Endpoint{Endpoint::Kind::tcp, std::string{host}, *port};
}

std::optional<Block> parse_block(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view address = text.substr(0, slash);
    Block block;
    block.ipv6 = is_ipv6(address);
    if (!block.ipv6 && !is_ipv4(address)) return std::nullopt;
    const unsigned longest = block.ipv6 ? 128 : 32;
    block.prefix = longest;
    if (slash != std::string_view::npos) {
        const auto prefix = parse_port(text.substr(slash + 1));
        if (!prefix || *prefix > longest) return std::nullopt;
        block.prefix = *prefix;
    }
    if (block.ipv6 && block.prefix >= 96 && is_mapped(ipv6_bytes(address))) {
        block.ipv6 = false;  // ::ffff:0:0/96 is IPv4 in other clothes
        block.prefix -= 96;
    }
    block.loopback = base::is_loopback_address(address) && block.prefix >= (block.ipv6 ? 128U : 8U);
    return block;
}

base::Result<std::string> hostname_rule(const std::string& text) {
    if (is_host_name(text)) return text;
    return base::error(fmt::format(
        "{} is not a host name: letters, digits and hyphens in parts joined by dots", shown(text)));
}

base::Result<std::string> helo_rule(const std::string& text) {
    if (is_address_literal(text)) return text;
    return hostname_rule(text);
}

base::Result<std::string> peer_rule(const std::string& text) {
    if (text.starts_with(unix_prefix)) return unix_socket(text);
    if (text.find("://") != std::string::npos) return url_fault(text, "is a URL");
    const bool bracketed = text.starts_with('[') && text.ends_with(']');
    std::string host = bracketed ? text.substr(1, text.size() - 2) : text;
    if (is_ipv4(host) || is_ipv6(host) || is_host_name(host)) return host;
    const auto endpoint = parse_endpoint(text);
    if (endpoint && endpoint->kind == Endpoint::Kind::tcp) {
        return base::error(fmt::format("the port goes into a key of its own: host = {}, port = {}",
                                       in_quotes(endpoint->host), endpoint->port));
    }
    if (without_credentials(text) != text) return url_fault(text, "holds more than a host");
    if (is_address(text)) {
        return base::error(fmt::format(
            "{} is a mail address: the provider's server goes here, such as \"smtp.{}\"",
            shown(text), text.substr(text.rfind('@') + 1)));
    }
    return base::error(fmt::format("{} is neither a host name nor an IP address", shown(text)));
}

base::Result<std::string> listen_rule(const std::string& text) {
    if (text.starts_with(unix_prefix)) return unix_socket(text);
    if (parse_endpoint(text)) return text;
    const std::size_t colon = text.rfind(':');
    const auto port = parse_port(colon == std::string::npos ? text : text.substr(colon + 1));
    const std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
    if (port && (host.empty() || host == "*")) {
        return base::error(
            fmt::format("{} does not say where: write \"127.0.0.1:{}\" for this host only, or "
                        "\"0.0.0.0:{}\" and "
                        "\"[::]:{}\" for all networks",
                        shown(text), *port, *port, *port));
    }
    if (port && is_ipv6(host)) {
        return base::error(
            fmt::format("an IPv6 address stands in brackets: \"[{}]:{}\"", host, *port));
    }
    if (is_ipv4(text) || is_host_name(text)) {
        return base::error(fmt::format("{} lacks a port: write \"{}:2525\"", shown(text), text));
    }
    return base::error(fmt::format(
        "{} is nothing to listen on: write \"127.0.0.1:2525\", \"[::1]:2525\", \"unix:/path\" or "
        "\"systemd\"",
        shown(text)));
}

base::Result<std::string> admin_listen_rule(const std::string& text) {
    const auto endpoint = parse_endpoint(text);
    if (endpoint && endpoint->kind == Endpoint::Kind::tcp) return text;
    if (endpoint || text.starts_with(unix_prefix)) {
        return base::error(
            fmt::format("{} is not possible here: write \"127.0.0.1:8025\" (control.sock in the "
                        "spool directory "
                        "is there in any case)",
                        shown(text)));
    }
    return base::error(
        fmt::format("{} is not an address with a port: write \"127.0.0.1:8025\" or \"[::1]:8025\"",
                    shown(text)));
}

base::Result<std::string> client_block_rule(const std::string& text) {
    if (parse_block(text)) return text;
    return base::error(fmt::format(
        "{} is not a block of addresses: write \"192.168.0.0/16\", \"fd00::/8\" or one address",
        shown(text)));
}

base::Result<std::string> address_rule(const std::string& text) {
    if (is_address(text)) return text;
    return base::error(
        fmt::format("{} is not a mail address such as \"admin@example.com\"", shown(text)));
}

base::Result<std::string> bounce_to_rule(const std::string& text) {
    if (text == "sender" || text == "none" || is_address(text)) return text;
    return base::error(
        fmt::format("{} is neither \"sender\", \"none\" nor a mail address such as "
                    "\"admin@example.com\"",
                    shown(text)));
}

base::Result<std::string> bounce_from_rule(const std::string& text) {
    if (text.empty() || text == "<>") return std::string{};
    return address_rule(text);
}

base::Result<std::string> fingerprint_rule(const std::string& text) {
    std::string_view pin = base::trim(text);
    for (const std::string_view prefix : {"sha256//", "sha256/", "sha256:"}) {
        if (base::starts_with_ignoring_case(pin, prefix)) {
            pin.remove_prefix(prefix.size());
            break;
        }
    }
    const auto plain = base::base64_decode(pin);
    if (plain && plain->size() == 32) return std::string{pin};
    if (const auto bytes = hex_bytes(pin)) return base::base64_encode(*bytes);
    return base::error(fmt::format(
        "{} is not the SHA-256 of a public key (SPKI) in base64 (44 characters) or hex (64 digits)",
        shown(text)));
}

base::Result<std::string> target_rule(const std::string& text) {
    const auto endpoint = parse_endpoint(text);
    if (endpoint && endpoint->kind == Endpoint::Kind::tcp && endpoint->port != 0) return text;
    if (is_ipv4(text) || is_ipv6(text)) {
        const std::string host = is_ipv6(text) ? "[" + text + "]" : text;
        return base::error(fmt::format("{} lacks a port: write \"{}:25\"", shown(text), host));
    }
    if (is_host_name(text) && text.find('.') != std::string::npos) return text;
    return base::error(fmt::format(
        "{} is neither a mail domain such as \"example.com\" nor \"host:port\"", shown(text)));
}

}  // namespace config
