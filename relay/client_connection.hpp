#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/message_id.hpp"
#include "delivery/engine.hpp"
#include "relay/incoming_memory.hpp"
#include "relay/sign_in_brake.hpp"
#include "smtp/credentials.hpp"
#include "smtp/header_editor.hpp"
#include "smtp/server_session.hpp"
#include "spool/spool.hpp"
#include "tls/stream.hpp"

namespace relay {

// What relay's listening side has done since the start.
struct ListenerCounters {
    std::uint64_t connections = 0, connections_total = 0, connections_refused = 0;
    std::uint64_t messages_accepted = 0, messages_refused = 0, bytes_accepted = 0;
};

// What every connection needs. Made anew at a reload; a connection keeps the one it began with.
struct ConnectionServices {
    smtp::ServerOptions smtp;
    base::Duration idle_timeout{};
    bool add_missing_headers = true;
    std::optional<tls::ServerContext> tls;
    std::shared_ptr<const smtp::CredentialStore> credentials;
    spool::Spool* spool = nullptr;
    delivery::Engine* engine = nullptr;
    const base::Clock* clock = nullptr;
    base::MessageIdSource* ids = nullptr;
    ListenerCounters* counters = nullptr;
    SignInBrake* sign_in_brake = nullptr;
    IncomingMemory* incoming_memory = nullptr;
};

// Who is at the other end, as far as it is known.
struct Caller {
    // "192.0.2.1", "2001:db8::1", "unix"; the proxy's own when it named nobody.
    std::string address;
    bool local = false;  // an application on this host
    // Why it may not send mail, for the log; "" when it may.
    std::string_view unknown;
    [[nodiscard]] bool may_send() const { return unknown.empty(); }
};

// Says why a client is not served, and closes.
[[nodiscard]] boost::asio::awaitable<void> turn_away(tls::Stream stream, smtp::Reply reply);

// One application's connection: drives smtp::ServerSession over a stream, lets the content through
// to the spool, and answers 250 once it is on disk. Lives until its coroutine ends.
class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
    ClientConnection(tls::Stream stream, Caller caller,
                     std::shared_ptr<const ConnectionServices> services, bool implicit_tls);
    ~ClientConnection();

    [[nodiscard]] boost::asio::awaitable<void> run();
    // Ends the connection with 421: now when no transaction is under way, otherwise after it.
    void drain();
    void cancel();  // ends it at once
    [[nodiscard]] const std::string& client() const { return caller_.address; }

 private:
    struct Content;

    boost::asio::awaitable<void> converse();
    boost::asio::awaitable<bool> encrypt();
    boost::asio::awaitable<bool> flush();
    boost::asio::awaitable<bool> read();
    // What to do when no bytes came: true when a reply is still to be said.
    [[nodiscard]] bool answer_silence();
    boost::asio::awaitable<bool> handle(smtp::ServerEvent event);
    boost::asio::awaitable<void> take_chunk(std::string_view bytes);
    boost::asio::awaitable<smtp::Reply> complete(const smtp::Envelope& envelope);
    void begin_content(const smtp::Envelope& envelope);
    [[nodiscard]] smtp::Reply mail_reply(std::uint64_t declared_size);
    [[nodiscard]] smtp::Reply rcpt_reply(const smtp::Recipient& recipient);
    void log_refusal(std::string_view why);
    // Logs and counts it.
    [[nodiscard]] smtp::Reply refuse_mail(spool::Problem problem, std::string_view why);
    // The refusal, if the disk or the spool is too full for so much more.
    [[nodiscard]] std::optional<smtp::Reply> lack_of_room(std::uint64_t size);
    // The mail under way of all connections holds too much for this one to grow.
    [[nodiscard]] bool lacks_memory() const;
    [[nodiscard]] std::string memory_words() const;
    [[nodiscard]] bool stores_on();
    void forget_content();
    [[nodiscard]] spool::NewMessage new_message(const smtp::Envelope& envelope);
    boost::asio::awaitable<void> answer_slowly();
    void note_refused();
    [[nodiscard]] bool may_log_refusal();
    void log_end(std::string_view reason) const;

    tls::Stream stream_;
    std::unique_ptr<boost::asio::steady_timer> pause_;  // most never need one
    std::shared_ptr<const ConnectionServices> services_;
    smtp::ServerSession session_;
    bool implicit_tls_;
    bool line_begun_ = false;  // and the deadline for its end is set
    bool draining_ = false;
    unsigned full_reads_ = 0;  // in a row
    std::uint32_t refusals_ = 0;
    bool cut_ = false;  // the grace is over, also for a transaction
    Caller caller_;
    IncomingMemory::Share memory_;
    std::uint64_t envelope_size_ = 0;  // its part of memory_
    std::unique_ptr<Content> content_;
};

}  // namespace relay
