#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/message_id.hpp"
#include "base/result.hpp"
#include "relay/sink_options.hpp"
#include "smtp/credentials.hpp"
#include "smtp/options.hpp"
#include "tls/context.hpp"

namespace relay {

class SinkSession;
struct SinkMessage;

// Where a sink listens, once it does.
struct SinkAddresses {
    std::string smtp;   // "127.0.0.1:40123", "" when switched off
    std::string smtps;  // implicit TLS
};

struct SinkCounters {
    std::uint64_t connections = 0, messages = 0, recipients = 0, bytes = 0, refused = 0,
                  dropped = 0;
};

// A local smarthost for tests, demonstrations and benchmarks: takes mail over SMTP, keeps it or
// drops it, and does wrong what it is told to. Its CA and certificate are made anew at each start.
// Everything happens on the executor's one thread; the executor must not run on after the sink.
class Sink {
 public:
    using Say =
        std::function<void(std::string_view line)>;  // one event in words, without a newline

    // Makes the certificate, opens the sockets, then writes ca_file and ready_file. Clients may
    // connect from then on; they are answered after start().
    [[nodiscard]] static base::Result<std::unique_ptr<Sink>> open(
        boost::asio::any_io_executor executor, SinkOptions options, Say say);
    ~Sink();

    void start();
    void stop();  // ends listening and all sessions; on_stopped() when the last has ended
    void on_stopped(std::function<void()> callback) { stopped_ = std::move(callback); }

    [[nodiscard]] const SinkAddresses& addresses() const { return addresses_; }
    [[nodiscard]] const SinkCounters& counters() const { return counters_; }
    [[nodiscard]] std::string summary() const;  // "3 messages for 4 recipients (5.1 KiB) ..."

 private:
    friend class SinkSession;
    struct Door;  // one listening socket

    Sink(boost::asio::any_io_executor executor, SinkOptions options, Say say);
    [[nodiscard]] base::Result<> prepare_tls();
    [[nodiscard]] base::Result<> prepare_sign_in();
    [[nodiscard]] base::Result<> listen(const std::string& address, bool implicit_tls);
    [[nodiscard]] base::Result<> announce() const;
    boost::asio::awaitable<void> accept(std::shared_ptr<Door> door);
    void admit(boost::asio::generic::stream_protocol::socket socket, bool implicit_tls);
    void session_ended(const SinkSession* session);
    void finish();  // the last message is in: clients may still say QUIT, for a moment
    void close_doors();
    void report_if_stopped();
    [[nodiscard]] base::Result<> keep(const SinkMessage& message);
    void message_answered();  // its reply is on its way
    void say(const std::string& line) const;

    boost::asio::any_io_executor executor_;
    SinkOptions options_;
    Say say_;
    smtp::ServerOptions smtp_;
    std::shared_ptr<smtp::CredentialStore> credentials_;
    std::optional<tls::ServerContext> tls_;
    std::string ca_pem_;
    SinkAddresses addresses_;
    SinkCounters counters_;
    base::MessageIdSource ids_;
    std::vector<std::shared_ptr<Door>> doors_;
    std::unordered_map<const SinkSession*, std::shared_ptr<SinkSession>> sessions_;
    std::function<void()> stopped_;
    boost::asio::steady_timer farewell_;
    bool finishing_ = false, stopping_ = false;
};

}  // namespace relay
