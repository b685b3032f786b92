#pragma once

#include <sys/types.h>

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string_view>

namespace admin {

// The two ends of a connection within this host, as the far end sees them.
struct PeerEnds {
    boost::asio::ip::tcp::endpoint own, other;
};

// Whose socket it is according to a table of the kernel, /proc/self/net/tcp or tcp6; nothing when
// it is not in there, or no longer anybody's.
[[nodiscard]] std::optional<uid_t> user_in_table(std::string_view table, const PeerEnds& ends);

// The user at the far end of a connection from this very host.
[[nodiscard]] std::optional<uid_t> peer_user(const PeerEnds& ends);

}  // namespace admin
