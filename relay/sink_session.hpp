#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "relay/sink.hpp"
#include "relay/sink_mailbox.hpp"
#include "smtp/server_session.hpp"
#include "tls/stream.hpp"

namespace relay {

// One client of a sink, from accept to close.
class SinkSession : public std::enable_shared_from_this<SinkSession> {
 public:
    SinkSession(Sink& sink, tls::Stream stream, bool implicit_tls);

    [[nodiscard]] boost::asio::awaitable<void> run();
    void cancel();

 private:
    using Step = boost::asio::awaitable<bool>;  // false: the connection is over

    [[nodiscard]] smtp::ServerContext context(bool tls_active) const;
    Step begin();
    Step converse();
    Step encrypt();
    Step flush();
    Step read();
    Step wait(base::Duration delay);
    Step handle(const smtp::ServerEvent& event);
    Step complete(const smtp::Envelope& envelope);
    void answer_sender(const smtp::Envelope& envelope);
    void answer_recipient(const smtp::Recipient& recipient);
    void take_chunk(std::string_view bytes);
    [[nodiscard]] SinkMessage take_message(const smtp::Envelope& envelope);
    [[nodiscard]] bool drops_at(smtp::Stage stage);

    Sink& sink_;
    tls::Stream stream_;
    bool implicit_tls_;
    bool answered_ = false;  // a message's reply waits in the output
    std::optional<smtp::ServerSession> session_;
    tls::HandshakeInfo tls_;
    std::string content_;
    std::uint64_t content_size_ = 0;
    boost::asio::steady_timer timer_;
    std::array<char, 32 * 1024> buffer_;
};

}  // namespace relay
