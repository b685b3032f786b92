#pragma once

#include <optional>
#include <string>

namespace net {

// An ICMP or ICMPv6 error that answered a connect, and the address that sent it.
struct IcmpError {
    int type = 0, code = 0;
    std::string from;
    bool v6 = false;
};

// What waits in a socket's error queue: the errno of a failed connect, and the ICMP error behind
// it where it was one.
struct ConnectError {
    int error_number = 0;
    std::optional<IcmpError> icmp;
};

// Has the kernel keep ICMP errors for this socket (IP_RECVERR). errno alone says EACCES of a filter
// on this host and of one on the way alike.
// Once it is connected they would end it for what is only a passing fault of the path: switch it
// off then.
void keep_icmp_errors(int socket, bool v6, bool keep = true);

// The first that waits, taken out; reading it clears SO_ERROR.
[[nodiscard]] std::optional<ConnectError> take_connect_error(int socket);

// "Administratively prohibited" and its kin: an explicit filter. Pure.
[[nodiscard]] bool is_prohibition(const IcmpError& icmp);

}  // namespace net
