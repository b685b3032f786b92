#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "delivery/body_source.hpp"
#include "delivery/options.hpp"
#include "net/dial.hpp"
#include "net/resolver.hpp"
#include "smtp/client_session.hpp"
#include "tls/stream.hpp"

namespace delivery {

// One connection to a smarthost: drives smtp::ClientSession over a tls::Stream. One coroutine
// uses it; cancel() may be called from others of the same thread.
class Connection {
 public:
    Connection(boost::asio::any_io_executor executor, net::Resolver& resolver,
               const SmarthostOptions& options, tls::ClientContext context);

    // Dials the ports in turn (first_port first), encrypts, greets and signs in. The failure names
    // host, port and stage.
    [[nodiscard]] boost::asio::awaitable<std::optional<smtp::SessionFailure>> open(
        std::uint16_t first_port);
    // Asked just before credentials leave: with false open() ends without them, as held_back().
    void ask_before_sign_in(std::function<bool()> may) { may_sign_in_ = std::move(may); }
    [[nodiscard]] bool held_back() const { return held_back_; }

    // Said before all else, TLS included: the header of a proxy, towards a relay that wants one.
    void begin_with(std::string header) { header_ = std::move(header); }

    // What deliver() does in the midst of a transaction.
    struct Steps {
        std::function<void()> before_dot;  // when the final dot is about to leave
        // Where its commands can leave with that dot: the transaction to be delivered next, if any.
        std::function<boost::asio::awaitable<std::optional<smtp::Transaction>>()> next;
    };
    // One transaction; while begun_early() it must be the one that Steps::next gave.
    [[nodiscard]] boost::asio::awaitable<std::vector<smtp::RecipientResult>> deliver(
        const smtp::Transaction& transaction, BodySource& body, const Steps& steps);
    [[nodiscard]] bool begun_early() const { return session_ && session_->begun_early(); }

    // Waits, without a message, until wake() (true) or until the server or the time limit ends the
    // connection (false).
    [[nodiscard]] boost::asio::awaitable<bool> wait_idle(base::Duration limit);
    void wake();
    [[nodiscard]] boost::asio::awaitable<void> quit();
    void cancel();   // fails whatever is under way
    void abandon();  // closes at once: its state cannot be trusted any more

    [[nodiscard]] bool ready() const {
        return session_ && session_->ready() && stream_ && stream_->is_open();
    }
    [[nodiscard]] const smtp::Extensions& extensions() const { return session_->extensions(); }
    [[nodiscard]] const tls::HandshakeInfo& handshake() const { return handshake_; }
    [[nodiscard]] std::string remote() const;  // "192.0.2.1:587"
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::uint32_t transactions() const { return transactions_; }  // begun so far
    [[nodiscard]] std::string auth() const { return session_ ? session_->auth_mechanism() : ""; }
    // The last transaction was lost before the server said a word: a connection gone stale.
    [[nodiscard]] bool lost_before_reply() const { return lost_before_reply_; }
    [[nodiscard]] bool timed_out() const;  // that is how it ended
    // The server has said something in the last transaction.
    [[nodiscard]] bool heard() const { return heard_ || session_->replies() != replies_before_; }
    // Why the session ended with the last transaction; nullopt while it goes on.
    [[nodiscard]] std::optional<smtp::SessionFailure> failure();

 private:
    boost::asio::awaitable<std::optional<smtp::SessionFailure>> open_port(std::uint16_t port);
    using Dialled = std::shared_ptr<base::Result<tls::Stream, net::DialError>>;
    boost::asio::awaitable<Dialled> dial(net::DialTarget target);  // null: cancelled
    boost::asio::awaitable<std::optional<smtp::SessionFailure>> sign_in();
    boost::asio::awaitable<smtp::ClientEvent> next_event();
    boost::asio::awaitable<void> exchange();  // writes what is due, reads what comes
    boost::asio::awaitable<bool> flush();
    boost::asio::awaitable<void> hear_last_words();
    [[nodiscard]] std::span<char> read_buffer();
    boost::asio::awaitable<std::optional<smtp::SessionFailure>> encrypt();
    boost::asio::awaitable<void> send_body(BodySource& body);
    void begin_wait();
    void log_other_port(const smtp::SessionFailure& failure) const;
    [[nodiscard]] base::Duration time_limit() const;
    [[nodiscard]] std::string place(std::uint16_t port) const;  // "smtp.example.com:587"

    boost::asio::any_io_executor executor_;
    net::Resolver& resolver_;
    const SmarthostOptions& options_;
    tls::ClientContext context_;
    std::optional<tls::Stream> stream_;
    std::optional<smtp::ClientSession> session_;
    tls::HandshakeInfo handshake_;
    std::uint16_t port_ = 0;
    std::uint32_t transactions_ = 0;
    std::function<bool()> may_sign_in_;
    std::weak_ptr<std::function<void(Dialled)>> dialling_;
    std::string header_;
    bool held_back_ = false;
    bool woken_ = false;
    bool cancelled_ = false;
    bool others_left_ = false;  // of the ports to try
    bool early_ = false;        // the present transaction began behind the one before
    bool heard_ = false;        // a byte came in the present transaction
    bool lost_before_reply_ = false;
    std::uint64_t replies_before_ = 0;  // the present transaction
    std::uint64_t replies_seen_ = 0;
    bool part_heard_ = false;         // a byte came since begin_wait()
    std::unique_ptr<char[]> buffer_;  // none while idle
};

}  // namespace delivery
