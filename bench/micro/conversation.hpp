#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "smtp/client_session.hpp"
#include "smtp/header_editor.hpp"
#include "smtp/server_session.hpp"

// The same conversation for every benchmark and count: an application hands in a message, a
// smarthost takes it. State machines only, no socket and no disk.
namespace bench {

// A message of about `size` bytes with the header of a usual application.
[[nodiscard]] std::string make_message(std::size_t size);
// What a client sends for it, without waiting for replies.
[[nodiscard]] std::string make_submission(std::string_view message);

// A server session that has greeted and heard EHLO.
class Submissions {
 public:
    Submissions();
    // Takes one message in; returns how many bytes would have gone to the spool.
    std::size_t take(std::string_view submission);

 private:
    std::size_t go_on();

    smtp::ServerOptions options_;
    smtp::ServerSession session_;
    std::string stored_;
};

// A client session that is ready for transactions, at a server with or without CHUNKING.
class Deliveries {
 public:
    explicit Deliveries(bool chunking);
    // Sends one message; returns how many bytes would have gone to the socket.
    std::size_t send(std::string_view message);

 private:
    std::string_view next_reply(std::string_view sent);

    bool chunking_;
    smtp::ClientSession session_;
    smtp::Transaction transaction_;
};

}  // namespace bench
