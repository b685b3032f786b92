#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <string>

#include "base/result.hpp"

namespace admin {

// A listening TCP socket on "127.0.0.1:8025", "[::1]:8025" or "localhost:8025". Without a token
// only loopback addresses are opened.
[[nodiscard]] base::Result<boost::asio::ip::tcp::acceptor> listen_tcp(
    boost::asio::any_io_executor executor, const std::string& address, bool token_set);

// A listening unix socket with mode 0600. A socket file that nothing answers on is replaced; one
// that answers, or a file of another kind, is an error.
[[nodiscard]] base::Result<boost::asio::local::stream_protocol::acceptor> listen_unix(
    boost::asio::any_io_executor executor, const std::string& path);

}  // namespace admin
