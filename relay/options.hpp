#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "tls/options.hpp"

namespace relay {

// The listening side of [server]; what is said over a connection is smtp::ServerOptions.
struct ListenerOptions {
    std::vector<std::string> listen{"127.0.0.1:2525",
                                    "[::1]:2525"};  // also "unix:/path", "systemd"
    std::vector<std::string> tls_listen;
    std::uint32_t max_connections = 10000;
    // Unset: unlimited on loopback, 100 for others.
    std::optional<std::uint32_t> max_connections_per_client;
    base::Duration idle_timeout = std::chrono::minutes{5};
    tls::ServerOptions tls;  // both empty: no STARTTLS
    std::string users_file;
    std::vector<std::string> allow_clients{"127.0.0.0/8", "::1/128"};
    std::vector<std::string> proxies;  // peers that say in a PROXY header who their client is
    bool unix_proxies = false;         // and those at unix sockets
};

}  // namespace relay
