#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "admin/api.hpp"
#include "admin/options.hpp"
#include "base/result.hpp"

namespace admin {

// What one client may cost.
struct ServerLimits {
    std::size_t header_bytes = 8 * 1024;
    std::size_t body_bytes = 1024 * 1024;
    // Over TCP, and as many again over control.sock. One of a stranger, or one of the owner's that
    // is idle, gives way to a newer one.
    std::size_t connections = 64;
    // For all of a request, until a first one was whole and let in. Not more than the timeout.
    base::Duration first_request = std::chrono::seconds{5};
    base::Duration timeout = std::chrono::seconds{30};  // per request, answer step and idle wait
};

// HTTP/1.1 for the API over TCP and over a unix socket that only its owner can open. Everything
// runs on the executor, which is one thread's; so are the calls. Files of the spool are read on
// `files`, for a disk may keep one waiting.
class Server {
 public:
    // control_socket "" means none. The error names the address or path and what to do. api must
    // live until stop() or destruction.
    [[nodiscard]] static base::Result<std::unique_ptr<Server>> start(
        boost::asio::any_io_executor executor, boost::asio::any_io_executor files,
        const Options& options, std::string control_socket, Api& api, ServerLimits limits = {});
    ~Server();  // stop()s
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] std::vector<std::string> addresses() const;  // as bound: "127.0.0.1:8025"
    // For requests from now on; connections that had the old one end. No token at all is not taken
    // while an address off loopback is served.
    void set_token(base::Secret token);
    void stop();  // closes listeners and connections, removes the socket's file

 private:
    struct State;
    explicit Server(std::shared_ptr<State> state);

    std::shared_ptr<State> state_;
};

}  // namespace admin
