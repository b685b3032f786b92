#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What listens on this host, as /proc tells any user.
namespace diagnose {

struct TcpListener {
    std::string address;  // "0.0.0.0", "::", "127.0.0.1"
    std::uint16_t port = 0;
    bool v6 = false;
    std::uint64_t inode = 0;
    std::uint32_t user = 0;
    std::string process;  // "master", "" when it could not be read
    std::int64_t pid = 0;

    [[nodiscard]] bool any_address() const { return address == "0.0.0.0" || address == "::"; }
};

// The listening sockets of /proc/self/net/tcp (v6: /proc/self/net/tcp6). Pure.
[[nodiscard]] std::vector<TcpListener> parse_listeners(std::string_view table, bool v6);

// Those on this port in the network namespace of this process, with their owners where
// /proc/PID/fd may be read (root, or the same user).
[[nodiscard]] std::vector<TcpListener> listeners_on(std::uint16_t port);

struct HostAddress {
    std::string address, interface;
};

// This host's addresses that are up, without loopback ones.
[[nodiscard]] std::vector<HostAddress> host_addresses();

}  // namespace diagnose
