#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "smtp/client_session.hpp"
#include "tls/options.hpp"

namespace delivery {

enum class TlsMode : std::uint8_t { automatic, starttls, implicit, none };

// One [[smarthost]].
struct SmarthostOptions {
    std::string name;
    std::string host;                       // name, literal, or "unix:/path"
    std::vector<std::uint16_t> ports{587};  // in the order to try; port = "auto" is 587, 465, 2525
    TlsMode tls = TlsMode::automatic;
    tls::ClientOptions verification;
    std::string username;
    base::Secret password;
    smtp::AuthMechanism auth = smtp::AuthMechanism::automatic;
    std::string helo;
    std::uint32_t max_connections = 10;
    std::uint32_t messages_per_connection = 100;
    base::Duration connect_timeout = std::chrono::seconds{10};
    base::Duration command_timeout = std::chrono::minutes{5};
    base::Duration final_timeout = std::chrono::minutes{10};
    std::int32_t priority = 0;  // lower first; equal ones share the load
};

// What TLS a port stands for: 465 (and 2465, 8465) implicit, all else STARTTLS, unless told
// otherwise.
[[nodiscard]] smtp::ClientTls tls_for_port(TlsMode mode, std::uint16_t port);

struct RetryOptions {
    std::vector<base::Duration> steps{std::chrono::seconds{30}, std::chrono::minutes{2},
                                      std::chrono::minutes{5},  std::chrono::minutes{15},
                                      std::chrono::minutes{30}, std::chrono::hours{1}};
    base::Duration max_age = std::chrono::days{5};
    base::Duration warn_after = std::chrono::hours{4};
};

enum class BounceTo : std::uint8_t { sender, address, none };

struct Options {
    RetryOptions retry;
    BounceTo bounce_to = BounceTo::sender;
    std::string bounce_address;  // for BounceTo::address
    std::string bounce_from;     // "" is the null sender
    std::string hostname;        // server.hostname: reporting MTA, EHLO default
    std::vector<SmarthostOptions> smarthosts;
};

}  // namespace delivery
