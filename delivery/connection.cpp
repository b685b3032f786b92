#include "delivery/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <utility>

#include "base/bug.hpp"
#include "base/log.hpp"
#include "base/this_host.hpp"
#include "base/units.hpp"
#include "net/await.hpp"
#include "smtp/tls_ports.hpp"

namespace delivery {
namespace asio = boost::asio;
namespace {

constexpr std::size_t buffer_size = 8 * 1024;
constexpr base::Duration quit_limit = std::chrono::seconds{5};
constexpr base::Duration last_words_limit = std::chrono::seconds{2};
constexpr std::size_t most_last_words = 64 * 1024;
constexpr base::Duration early_limit = std::chrono::minutes{1};  // for commands behind a dot

smtp::SessionFailure failure_at(smtp::Stage stage, std::string problem) {
    smtp::SessionFailure failure;
    failure.stage = stage;
    failure.problem = std::move(problem);
    return failure;
}

using DialDone = std::function<void(std::shared_ptr<base::Result<tls::Stream, net::DialError>>)>;

asio::awaitable<void> dial_for(asio::any_io_executor executor, net::Resolver& resolver,
                               net::DialTarget target, std::shared_ptr<DialDone> done) {
    base::Result<tls::Stream, net::DialError> dialled =
        co_await net::dial(executor, resolver, std::move(target));
    using Shared = base::Result<tls::Stream, net::DialError>;
    auto shared = std::make_shared<Shared>(std::move(dialled));
    (*done)(std::move(shared));
}

std::shared_ptr<base::Result<tls::Stream, net::DialError>> broken_dial() {
    net::DialError error;
    error.message = "an internal error of relay";
    return std::make_shared<base::Result<tls::Stream, net::DialError>>(std::move(error));
}

// Credentials go out only on a verified connection, or on this host.
bool gives_secrets_away(const SmarthostOptions& options) {
    const bool known = options.verification.verify || !options.verification.fingerprints.empty();
    const bool secrets = !options.username.empty() || !options.password.empty();
    return secrets && !known && !base::is_this_host(options.host);
}

}  // namespace

smtp::ClientTls tls_for_port(TlsMode mode, std::uint16_t port) {
    switch (mode) {
        case TlsMode::starttls:
            return smtp::ClientTls::starttls;
        case TlsMode::implicit:
            return smtp::ClientTls::implicit;
        case TlsMode::none:
            return smtp::ClientTls::none;
        case TlsMode::automatic:
            break;
    }
    return smtp::implicit_tls(port) ? smtp::ClientTls::implicit : smtp::ClientTls::starttls;
}

Connection::Connection(asio::any_io_executor executor, net::Resolver& resolver,
                       const SmarthostOptions& options, tls::ClientContext context)
    : executor_(std::move(executor)),
      resolver_(resolver),
      options_(options),
      context_(std::move(context)) {}

std::string Connection::place(std::uint16_t port) const {
    if (options_.host.starts_with("unix:")) return options_.host;
    return fmt::format("{}:{}", options_.host, port);
}

std::string Connection::remote() const {
    if (!stream_) return "";
    if (options_.host.starts_with("unix:")) return options_.host;
    return fmt::format("{}:{}", stream_->remote_address(), stream_->remote_port());
}

asio::awaitable<std::optional<smtp::SessionFailure>> Connection::open(std::uint16_t first_port) {
    if (gives_secrets_away(options_)) {
        co_return failure_at(smtp::Stage::tls,
                             fmt::format("{}: the password is not given to a server whose "
                                         "certificate is not checked: set ca_file or fingerprint",
                                         options_.host));
    }
    std::vector<std::uint16_t> ports = options_.ports;
    const auto first = std::find(ports.begin(), ports.end(), first_port);
    if (first != ports.end()) std::rotate(ports.begin(), first, first + 1);

    std::optional<smtp::SessionFailure> failure;
    for (const std::uint16_t port : ports) {
        if (cancelled_) co_return failure_at(smtp::Stage::connect, "relay is stopping");
        others_left_ = port != ports.back();
        std::optional<smtp::SessionFailure> trouble = co_await open_port(port);
        if (!trouble) {
            if (failure) log_other_port(*failure);
            co_return std::nullopt;
        }
        const bool name_unknown = trouble->stage == smtp::Stage::dns;
        if (!failure || trouble->stage > smtp::Stage::connect) {
            failure = std::move(trouble);  // what a server said is worth more than a closed port
        } else if (failure->stage == smtp::Stage::connect) {
            failure->problem += "; " + trouble->problem;
        }
        if (name_unknown || failure->stage == smtp::Stage::auth) break;  // one sign-in is enough
    }
    co_return failure;
}

// Dialling cannot be cut short, only left to itself: then its stream is closed once it is there.
asio::awaitable<Connection::Dialled> Connection::dial(net::DialTarget target) {
    auto start = [this, target = std::move(target)](std::function<void(Dialled)> done) {
        auto shared = std::make_shared<std::function<void(Dialled)>>(std::move(done));
        dialling_ = shared;
        asio::co_spawn(executor_, dial_for(executor_, resolver_, target, shared),
                       [shared](const std::exception_ptr& problem) {
                           base::log_bug("a smarthost was not dialled: an internal error", problem);
                           if (problem) (*shared)(broken_dial());
                       });
    };
    co_return co_await net::await_callback<Dialled>(std::move(start));
}

asio::awaitable<std::optional<smtp::SessionFailure>> Connection::open_port(std::uint16_t port) {
    port_ = port;
    net::DialTarget target{options_.host, port, options_.connect_timeout};
    const Dialled dialled = co_await dial(std::move(target));
    if (!dialled || cancelled_) {
        co_return failure_at(smtp::Stage::connect, "relay is stopping");
    }
    if (!*dialled) {
        const net::DialError& error = dialled->error();
        const bool dns = error.result == net::DialResult::dns;
        co_return failure_at(dns ? smtp::Stage::dns : smtp::Stage::connect, error.message);
    }
    stream_.emplace(std::move(**dialled));
    heard_ = false;

    smtp::ClientOptions options;
    options.helo = options_.helo;
    options.tls = tls_for_port(options_.tls, port);
    options.auth = options_.auth;
    options.username = options_.username;
    options.password = options_.password;
    options.host = options_.host;
    options.port = port;
    options.allow_plaintext_auth = base::is_this_host(options_.host);
    session_.emplace(std::move(options));

    if (!header_.empty()) {
        stream_->expires_after(options_.connect_timeout);
        // Where it cannot be written, the reading that follows tells why.
        static_cast<void>(co_await stream_->write(header_));
    }
    if (tls_for_port(options_.tls, port) == smtp::ClientTls::implicit) {
        std::optional<smtp::SessionFailure> failure = co_await encrypt();
        if (failure) co_return failure;
    }
    co_return co_await sign_in();
}

asio::awaitable<std::optional<smtp::SessionFailure>> Connection::sign_in() {
    begin_wait();
    for (;;) {
        const smtp::ClientEvent event = co_await next_event();
        if (std::holds_alternative<smtp::event::Ready>(event)) co_return std::nullopt;
        if (held_back_) {
            stream_->close();
            co_return failure_at(smtp::Stage::auth, "another connection's sign-in was refused");
        }
        if (const auto* failed = std::get_if<smtp::event::SessionFailed>(&event)) {
            smtp::SessionFailure failure = failed->failure;
            failure.problem = fmt::format("{}: {}", place(port_), failure.problem);
            if (!heard_ && tls_for_port(options_.tls, port_) != smtp::ClientTls::implicit) {
                failure.problem +=
                    ", without a greeting: if this port speaks TLS from its first byte, set tls = "
                    "\"implicit\"";
            }
            stream_->close();
            co_return failure;
        }
        if (!std::holds_alternative<smtp::event::StartTls>(event)) continue;
        const bool written = co_await flush();
        if (!written) continue;  // the session reports the loss
        std::optional<smtp::SessionFailure> failure = co_await encrypt();
        if (failure) co_return failure;
    }
}

asio::awaitable<std::optional<smtp::SessionFailure>> Connection::encrypt() {
    stream_->expires_after(options_.connect_timeout + options_.connect_timeout);
    tls::Peer peer{options_.host, port_};
    tls::Handshake info = co_await stream_->handshake_client(context_, peer);
    if (!info) {
        stream_->close();
        co_return failure_at(smtp::Stage::tls, info.error().message);  // names host and port
    }
    handshake_ = std::move(*info);
    session_->tls_established(stream_->channel_binding());
    co_return std::nullopt;
}

asio::awaitable<smtp::ClientEvent> Connection::next_event() {
    for (;;) {
        smtp::ClientEvent event = session_->next_event();
        if (!std::holds_alternative<smtp::event::ClientNeedInput>(event)) co_return event;
        co_await exchange();
    }
}

asio::awaitable<bool> Connection::flush() {
    if (cancelled_) {
        session_->connection_lost("relay is stopping");
        co_return false;
    }
    const std::string output = session_->take_output();
    if (output.empty()) co_return true;
    if (session_->stage() == smtp::Stage::auth && may_sign_in_ && !may_sign_in_()) {
        held_back_ = true;
        session_->connection_lost("held back");
        co_return false;
    }
    stream_->expires_after(time_limit());
    const base::Result<> written = co_await stream_->write(output);
    if (!written) {
        co_await hear_last_words();
        session_->connection_lost(written.error().message);
    }
    begin_wait();
    co_return written.has_value();
}

// A server may refuse in the midst of the content and close. Its reply then waits behind our failed
// write.
asio::awaitable<void> Connection::hear_last_words() {
    if (cancelled_ || stream_->close_reason() == tls::CloseReason::timeout) co_return;
    const std::span<char> buffer = read_buffer();
    stream_->expires_after(last_words_limit);
    for (std::size_t heard = 0; heard < most_last_words;) {
        const base::Result<std::size_t> count = co_await stream_->read_some(buffer);
        if (!count) co_return;
        heard_ = true;
        heard += *count;
        session_->receive(std::string_view{buffer.data(), *count});
    }
}

std::span<char> Connection::read_buffer() {
    if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(buffer_size);
    return {buffer_.get(), buffer_size};
}

asio::awaitable<void> Connection::exchange() {
    const bool written = co_await flush();
    if (!written) co_return;
    if (cancelled_) {
        session_->connection_lost("relay is stopping");
        co_return;
    }
    if (session_->replies() != replies_seen_) begin_wait();
    const std::span<char> buffer = read_buffer();
    const base::Result<std::size_t> count = co_await stream_->read_some(buffer);
    if (!count) {
        std::string problem = count.error().message;
        if (stream_->close_reason() == tls::CloseReason::timeout) {
            problem = fmt::format("{} within {}",
                                  part_heard_ ? "no more than part of an answer" : "no answer",
                                  base::human_duration(time_limit()));
        }
        if (cancelled_) problem = "relay is stopping";
        lost_before_reply_ = !heard() && stream_->close_reason() != tls::CloseReason::timeout;
        session_->connection_lost(std::move(problem));
        co_return;
    }
    heard_ = part_heard_ = true;
    session_->receive(std::string_view{buffer.data(), *count});
}

// The limit is one for the whole of a reply: a server that sends a byte of it now and then gets no
// more time. It begins anew when a command was written or a reply is complete.
void Connection::begin_wait() {
    replies_seen_ = session_->replies();
    part_heard_ = false;
    stream_->expires_after(time_limit());
}

void Connection::log_other_port(const smtp::SessionFailure& failure) const {
    base::log_warning(
        "another port of the smarthost is used",
        {{"smarthost", options_.name}, {"port", port_}, {"problem", failure.problem}});
}

// RFC 5321 section 4.5.3.2, as configured.
base::Duration Connection::time_limit() const {
    // Behind a firewall that answers for the server a port is open and mute.
    const bool greeted = session_->stage() != smtp::Stage::greeting;
    if (others_left_ && !greeted) {
        return std::min(options_.command_timeout, 3 * options_.connect_timeout);
    }
    // Nearly every server has read what came behind the dot, and answers in one breath.
    if (early_ && !heard() && session_->stage() == smtp::Stage::mail) {
        return std::min(options_.command_timeout, early_limit);
    }
    return session_->stage() == smtp::Stage::final_dot ? options_.final_timeout
                                                       : options_.command_timeout;
}

asio::awaitable<void> Connection::send_body(BodySource& body) {
    const base::Result<std::string_view> piece = co_await body.next();
    if (!piece) {
        // Half a message must not end with a dot: only closing keeps the server from taking it.
        session_->connection_lost(piece.error().message);
        stream_->close();
        co_return;
    }
    session_->write_body(*piece, body.left() == 0);
}

asio::awaitable<std::vector<smtp::RecipientResult>> Connection::deliver(
    const smtp::Transaction& transaction, BodySource& body, const Steps& steps) {
    heard_ = false;
    replies_before_ = session_->replies();
    early_ = session_->begun_early();
    lost_before_reply_ = false;
    ++transactions_;
    session_->begin(transaction);
    for (;;) {
        smtp::ClientEvent event = co_await next_event();
        if (auto* done = std::get_if<smtp::event::TransactionDone>(&event))
            co_return std::move(done->results);
        if (std::holds_alternative<smtp::event::FinalDotSent>(event)) steps.before_dot();
        if (std::holds_alternative<smtp::event::BodyWanted>(event)) {
            co_await send_body(body);
            // A small body rides with its commands in one write; a large one must not pile up here.
            if (body.left() > 0) static_cast<void>(co_await flush());
            if (steps.next && session_->can_begin_early()) {
                const std::optional<smtp::Transaction> next = co_await steps.next();
                if (next) static_cast<void>(session_->begin_early(*next));
            }
        }
    }
}

std::optional<smtp::SessionFailure> Connection::failure() {
    if (ready()) return std::nullopt;
    const smtp::ClientEvent event = session_->next_event();
    const auto* failed = std::get_if<smtp::event::SessionFailed>(&event);
    return failed != nullptr ? std::optional{failed->failure} : std::nullopt;
}

asio::awaitable<bool> Connection::wait_idle(base::Duration limit) {
    if (woken_) {
        woken_ = false;
        co_return true;
    }
    buffer_.reset();
    char byte = 0;
    stream_->expires_after(limit);
    // A server has nothing to say now: whatever comes (421, end of file) ends the connection.
    static_cast<void>(co_await stream_->read_some(std::span<char>{&byte, 1}));
    if (!woken_) co_return false;
    woken_ = false;
    co_return !cancelled_ && stream_->is_open();
}

void Connection::wake() {
    woken_ = true;
    stream_->cancel();
}

bool Connection::timed_out() const {
    return stream_ && stream_->close_reason() == tls::CloseReason::timeout;
}

asio::awaitable<void> Connection::quit() {
    if (!ready() || begun_early()) {  // there QUIT would be content
        if (stream_) stream_->close();
        co_return;
    }
    session_->quit();
    stream_->expires_after(quit_limit);
    const std::string output = session_->take_output();
    const base::Result<> written = co_await stream_->write(output);
    if (written) {
        std::array<char, 256> goodbye{};
        static_cast<void>(co_await stream_->read_some(goodbye));
    }
    stream_->close();
}

void Connection::cancel() {
    cancelled_ = true;
    if (const auto done = dialling_.lock()) (*done)(nullptr);
    if (stream_) stream_->cancel();
}

void Connection::abandon() {
    if (stream_) stream_->close();
}

}  // namespace delivery
