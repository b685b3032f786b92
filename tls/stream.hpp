#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "tls/context.hpp"
#include "tls/handshake.hpp"

namespace tls {

template <class T = void>
using Awaitable = boost::asio::awaitable<base::Result<T>>;
using Socket = boost::asio::generic::stream_protocol::socket;  // TCP or unix

enum class CloseReason { none, end_of_file, timeout, reset, other };

// Which server a client wants to reach: checked against the certificate, sent as SNI, and the key
// of the session cache.
struct Peer {
    Peer(std::string host_name, unsigned short port_number)
        : host(std::move(host_name)), port(port_number) {}
    std::string host;
    unsigned short port;
};

// One connection, plain or TLS, upgraded in place: session code is compiled once for both. Not
// asio::ssl::stream, which costs 75 KB for an idle connection against 16 KB here. Used from one
// thread; one read and one write at a time may be under way.
class Stream {
 public:
    explicit Stream(Socket socket);
    Stream(Stream&&) noexcept;
    Stream& operator=(Stream&&) noexcept;
    ~Stream();  // closes without a word; see close()

    // Every later read, write or handshake must end before this long from now, or it fails with
    // close_reason() timeout. Costs no system call. The timer behind it is left armed, so that
    // io_context::run() may stay busy until the deadline while the stream lives.
    void expires_after(base::Duration duration);

    // Waits until read_some() has something, holding no buffer meanwhile. May wake for nothing.
    [[nodiscard]] Awaitable<> wait_readable();
    // At least one byte, or an error: close_reason() says end_of_file, timeout, reset ...
    [[nodiscard]] Awaitable<std::size_t> read_some(std::span<char> buffer);
    [[nodiscard]] Awaitable<> write(std::string_view bytes);  // all of them; bytes outlive the call

    // Both fail if plaintext was received but not read: the caller checks its own buffer too.
    [[nodiscard]] boost::asio::awaitable<Handshake> handshake_server(ServerContext context);
    [[nodiscard]] boost::asio::awaitable<Handshake> handshake_client(ClientContext context,
                                                                     Peer peer);

    // Sends close_notify (without which a session cannot be resumed) and closes. Never waits.
    void close();
    void cancel();  // fails what is under way, from the same thread

    [[nodiscard]] bool is_open() const;
    [[nodiscard]] bool encrypted() const;
    [[nodiscard]] CloseReason close_reason() const;
    [[nodiscard]] std::string channel_binding() const;  // RFC 9266 tls-exporter on TLS 1.3, else ""
    [[nodiscard]] std::string remote_address() const;   // "192.0.2.1", "2001:db8::1", "unix"
    [[nodiscard]] unsigned short remote_port() const;
    [[nodiscard]] Socket& socket();

    struct State;

 private:
    std::shared_ptr<State> state_;  // a coroutine under way shares it
};

}  // namespace tls
