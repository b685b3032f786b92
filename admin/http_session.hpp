#pragma once

// What the admin server's listeners (server.cpp) and its connections (http_session.cpp) share;
// nobody else includes it.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/access.hpp"
#include "admin/connections.hpp"
#include "admin/server.hpp"
#include "net/limited_log.hpp"

namespace admin {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using local = asio::local::stream_protocol;
using Stream = beast::basic_stream<asio::generic::stream_protocol, asio::any_io_executor>;

inline constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// Owned by the Server.
struct Shared {
    Shared(asio::any_io_executor io, asio::any_io_executor of_files, Api& the_api,
           ServerLimits the_limits, base::Secret the_token)
        : executor(std::move(io)),
          files(std::move(of_files)),
          api(&the_api),
          limits(the_limits),
          token(std::move(the_token)),
          warnings(executor) {}

    struct TcpListener {
        std::string configured_host;
        tcp::acceptor acceptor;
    };

    asio::any_io_executor executor, files;
    Api* api;
    ServerLimits limits;
    base::Secret token;
    std::uint64_t tokens = 1;  // so many there were: tells a changed one
    net::LimitedLog warnings;
    std::vector<TcpListener> tcp_listeners;
    std::optional<local::acceptor> control;
    std::string control_path;
    Connections tcp_connections, control_connections;
    std::size_t strangers_waiting = 0;  // for the API's answer
    bool stopped = false;
};
using SharedPointer = std::shared_ptr<Shared>;

// What a connection over TCP came in on, and its two ends.
struct TcpSide : ListenFacts {
    tcp::endpoint here, there;
};

// Serves one connection, request after request, to its end.
asio::awaitable<void> run_session(SharedPointer shared,
                                  asio::generic::stream_protocol::socket socket,
                                  std::optional<TcpSide> listen);

}  // namespace admin
