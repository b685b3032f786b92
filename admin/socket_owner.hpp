#pragma once

#include <sys/types.h>

#include <optional>

#include "admin/peer_user.hpp"

namespace admin {

struct SocketOwner {
    std::optional<uid_t> user;  // nobody: no such socket, or no longer anybody's
};

// Asks the kernel for this one socket (sock_diag(7)), which costs the same however many there are.
// Nothing when the kernel does not answer such questions. Never waits.
[[nodiscard]] std::optional<SocketOwner> socket_owner(const PeerEnds& ends);

}  // namespace admin
