#pragma once

// What stream.cpp (waiting and closing), stream_io.cpp (one try at an operation) and handshake.cpp
// share; nobody else includes it.

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <tuple>

#include "tls/context_state.hpp"
#include "tls/stream.hpp"

namespace tls {

// What one try at an operation came to. The last is an error that stands in Step::error.
enum class Progress { done, needs_read, needs_write, failed };

struct Step {
    Progress progress = Progress::done;
    std::size_t count = 0;
    base::Error error;
};

// What the peer has sent. A wait brings its first bytes along and leaves the socket registered as
// it is: the usual command or reply then needs no other call of the system than the wait's own.
class Incoming {
 public:
    // For a wait, which begins only when nothing is left to take (OpenSSL takes all there is before
    // it wants more, by SSL_MODE_AUTO_RETRY, its default).
    [[nodiscard]] boost::asio::mutable_buffer room() { return boost::asio::buffer(first_); }
    void arrived(const boost::system::error_code& error, std::size_t count);

    // As recv(), never waiting: a count, 0 at the end, or -1 with errno.
    [[nodiscard]] ssize_t take(int descriptor, std::span<char> buffer);
    // What came with a wait and is not taken yet.
    [[nodiscard]] std::string_view waiting() const;
    // The end, or an error, has been seen: there is nothing to wait for, and a wait would not end.
    [[nodiscard]] bool over() const { return over_; }
    // Something else will wait: the socket is asked again behind it.
    void forget_drained() { drained_ = false; }

 private:
    std::array<char, 128> first_;  // most commands and replies, and their TLS records
    std::size_t taken_ = 0, end_ = 0;
    int failure_ = 0;       // errno of what was seen behind the bytes that were taken
    bool drained_ = false;  // the socket had nothing more: a wait will tell
    bool over_ = false;
};

// The TLS half of a stream. OpenSSL reads and writes the socket through a BIO of ours.
struct Session {
    int descriptor = -1;
    Incoming* incoming = nullptr;  // of the stream, which outlives the session
    int last_errno = 0;
    bool end_of_file = false;
    bool established = false;  // the handshake is done and nothing has failed since
    bool unwritable = false;   // the peer has gone; what it said before can still be read
    std::string first_bytes;   // the first five the peer sent: not TLS if it talks clear text
    std::unique_ptr<ClientSession> client;
    SslPtr ssl;  // last, as it refers to the others
};

// Kept alive by the stream, by each coroutine that works on it, and by the armed timer.
struct Stream::State : std::enable_shared_from_this<State> {
    using SteadyTime = std::chrono::steady_clock::time_point;
    using Waited = boost::asio::awaitable<std::tuple<boost::system::error_code>>;
    using Received = boost::asio::awaitable<std::tuple<boost::system::error_code, std::size_t>>;
    static constexpr SteadyTime never = SteadyTime::max();

    explicit State(Socket connected);

    [[nodiscard]] Step read(std::span<char> buffer);
    [[nodiscard]] Step write(std::string_view bytes);
    [[nodiscard]] Step fail(CloseReason why, std::string message);
    [[nodiscard]] Step fail_errno(int number);
    // What an OpenSSL call with this result needs or why it failed.
    [[nodiscard]] Step judge(int result);

    [[nodiscard]] Waited wait(Progress direction);
    [[nodiscard]] Received receive();  // what it brings is for Incoming::arrived()
    void arm_timer();
    void on_timer();
    void close(bool politely);

    Socket socket;
    boost::asio::steady_timer timer;
    SteadyTime deadline = never;   // what the caller wants
    SteadyTime armed_for = never;  // when the timer fires; it is moved only when that is too late
    base::Duration limit{};
    Incoming incoming;
    std::unique_ptr<Session> session;
    boost::asio::ip::address peer_address;
    unsigned short peer_port = 0;
    bool peer_is_unix = false;
    bool used = false;  // plaintext has been read
    CloseReason reason = CloseReason::none;
    unsigned operations = 0;
    unsigned cancellations = 0;

 private:
    [[nodiscard]] Step read_plain(std::span<char> buffer);
    [[nodiscard]] Step write_plain(std::string_view bytes);
};

// One operation under way: keeps the state alive, and knows when to give up.
class Operation {
 public:
    explicit Operation(std::shared_ptr<Stream::State> state)
        : state_(std::move(state)), cancellations_(state_->cancellations) {
        ++state_->operations;
    }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    ~Operation() { --state_->operations; }

    // Progress::failed when the operation was cancelled or its time is over.
    [[nodiscard]] Step check();
    // False when check() fails, or bytes or the end are here already.
    [[nodiscard]] bool must_wait_to_read();
    [[nodiscard]] base::Result<> outcome();  // of check()
    [[nodiscard]] Stream::State::Waited wait(Progress direction) { return state_->wait(direction); }
    // A wait for what the peer sends, and what came of it.
    [[nodiscard]] Stream::State::Received receive() { return state_->receive(); }
    void arrived(const std::tuple<boost::system::error_code, std::size_t>& received) {
        state_->incoming.arrived(std::get<0>(received), std::get<1>(received));
    }
    [[nodiscard]] Stream::State& state() { return *state_; }

 private:
    std::shared_ptr<Stream::State> state_;
    unsigned cancellations_;
};

// A BIO over a session's socket that never raises SIGPIPE and never waits.
[[nodiscard]] BIO* new_socket_bio(Session* session);

// The last OpenSSL failure in words: the peer's alerts and what they mean, versions, ciphers.
[[nodiscard]] std::string explain_tls_failure();

}  // namespace tls
