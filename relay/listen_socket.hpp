#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace relay {

// A listening socket as the kernel knows it; the receiver closes it.
struct ListenSocket {
    int descriptor = -1;
    int family = 0;         // AF_INET, AF_INET6, AF_UNIX
    std::string address;    // as bound: "127.0.0.1:40123", "unix:/run/relay.sock"
    std::string unix_path;  // to be removed at the end; "" when it is not ours
};

struct ListenError {
    std::string message;  // names the address and the remedy
    bool absent = false;  // this host has no such address (IPv6 switched off)
};

// Which of the sockets that systemd hands over: where both lists of [server] have "systemd", those
// named "tls" (FileDescriptorName= of the .socket unit) speak TLS from the first byte.
enum class SystemdSockets : std::uint8_t { all, plain, tls };

// Opens "host:port", "[v6]:port", ":port", "unix:/path" or "systemd". An error names the setting or
// option that the address stands in.
[[nodiscard]] base::Result<std::vector<ListenSocket>, ListenError> open_listen_sockets(
    const std::string& address, std::string_view setting = "server.listen",
    SystemdSockets wanted = SystemdSockets::all);

// Gives a TCP socket to the acceptor. On error it is closed.
[[nodiscard]] base::Result<> take_over(boost::asio::ip::tcp::acceptor& acceptor,
                                       const ListenSocket& socket);

// Why no socket can be made for "unix:/path", as far as that shows without making one; "" when
// nothing stands in its way. What listens there already is none of it: it may be this relay.
[[nodiscard]] std::string unix_obstacle(const std::string& address, std::string_view setting);

// Whether an address of a command line is "HOST:PORT", "[V6]:PORT" or ":PORT"; if not, the error
// says how to write it.
[[nodiscard]] base::Result<> check_listen_option(const std::string& address);

}  // namespace relay
