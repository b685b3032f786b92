#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

// The forms of names, addresses and endpoints that configuration values take. Each rule returns
// the text in its usual form or an error fit to stand behind "key: ".
namespace config {

// Letters, digits, hyphens and underscores in labels of at most 63 (RFC 1035 section 2.3.4; the
// underscore because hosts carry it although RFC 952 knew none).
[[nodiscard]] bool is_host_name(std::string_view text);
[[nodiscard]] bool is_ipv4(std::string_view text);
[[nodiscard]] bool is_ipv6(std::string_view text);

// Digits only, from 0 to 65535.
[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text);

struct Endpoint {
    enum class Kind : std::uint8_t { tcp, unix_socket, systemd } kind = Kind::tcp;
    std::string host;  // without brackets; the path of a unix socket
    std::uint16_t port = 0;
    [[nodiscard]] bool local() const;  // not systemd: what it hands over is not known here
};
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);

struct Block {
    bool ipv6 = false;
    unsigned prefix = 0;
    bool loopback = false;
    // Wider than any private network, so that it takes in strangers.
    [[nodiscard]] bool open_to_all() const { return prefix < (ipv6 ? 7U : 8U); }
};
[[nodiscard]] std::optional<Block> parse_block(std::string_view text);

[[nodiscard]] base::Result<std::string> hostname_rule(const std::string& text);
[[nodiscard]] base::Result<std::string> helo_rule(const std::string& text);  // or "[192.0.2.1]"
[[nodiscard]] base::Result<std::string> peer_rule(const std::string& text);  // smarthost.host
[[nodiscard]] base::Result<std::string> listen_rule(const std::string& text);
[[nodiscard]] base::Result<std::string> admin_listen_rule(const std::string& text);
[[nodiscard]] base::Result<std::string> client_block_rule(const std::string& text);
[[nodiscard]] base::Result<std::string> address_rule(const std::string& text);
[[nodiscard]] base::Result<std::string> bounce_to_rule(const std::string& text);
[[nodiscard]] base::Result<std::string> bounce_from_rule(const std::string& text);
[[nodiscard]] base::Result<std::string> fingerprint_rule(const std::string& text);
[[nodiscard]] base::Result<std::string> target_rule(const std::string& text);  // probe.targets

}  // namespace config
