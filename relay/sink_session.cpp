#include "relay/sink_session.hpp"

#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>
#include <variant>

#include "base/text.hpp"

namespace relay {
namespace {

namespace asio = boost::asio;

// RFC 5321 section 4.5.3.2.7: a server waits at least five minutes for the next command.
constexpr base::Duration idle_limit = std::chrono::minutes{5};
constexpr base::Duration handshake_limit = std::chrono::seconds{30};

const SinkRefusal* find_refusal(const std::vector<SinkRefusal>& refusals,
                                std::string_view address) {
    for (const SinkRefusal& refusal : refusals) {
        if (base::glob_match(refusal.pattern, address)) return &refusal;
    }
    return nullptr;
}

const smtp::Reply& ok_reply() {
    static const smtp::Reply reply{250, "2.0.0", "Ok"};
    return reply;
}

}  // namespace

SinkSession::SinkSession(Sink& sink, tls::Stream stream, bool implicit_tls)
    : sink_(sink),
      stream_(std::move(stream)),
      implicit_tls_(implicit_tls),
      timer_(sink.executor_) {}

asio::awaitable<void> SinkSession::run() {
    const bool greeted = co_await begin();
    if (greeted) co_await converse();
    stream_.close();
}

void SinkSession::cancel() {
    timer_.cancel();
    stream_.cancel();
}

smtp::ServerContext SinkSession::context(bool tls_active) const {
    smtp::ServerContext result;
    result.options = &sink_.smtp_;
    result.credentials = sink_.credentials_.get();
    result.tls_available = sink_.tls_.has_value() && !tls_active;
    result.tls_active = tls_active;
    if (tls_active) result.channel_binding = stream_.channel_binding();
    return result;
}

SinkSession::Step SinkSession::begin() {
    if (drops_at(smtp::Stage::connect)) co_return false;
    const bool waited = co_await wait(sink_.options_.faults.greeting_delay);
    if (!waited || sink_.stopping_) co_return false;
    if (implicit_tls_) {
        const bool encrypted = co_await encrypt();
        if (!encrypted) co_return false;
    }
    session_.emplace(context(implicit_tls_));
    session_->greet();
    if (sink_.options_.faults.drop != smtp::Stage::greeting) co_return true;
    co_await flush();  // here the greeting itself goes out, and nothing after it
    co_return !drops_at(smtp::Stage::greeting);
}

SinkSession::Step SinkSession::converse() {
    for (;;) {
        const smtp::ServerEvent event = session_->next_event();
        bool open = true;
        if (std::holds_alternative<smtp::event::NeedInput>(event)) {
            if (!session_->client_name().empty() && drops_at(smtp::Stage::ehlo)) co_return false;
            open = co_await flush();
            if (open) open = co_await read();
        } else if (std::holds_alternative<smtp::event::OutputFull>(event)) {
            open = co_await flush();
        } else if (std::holds_alternative<smtp::event::TlsRequested>(event)) {
            open = co_await flush();
            if (open) open = co_await encrypt();
            if (open) session_->tls_established(stream_.channel_binding());
        } else if (std::holds_alternative<smtp::event::Closed>(event)) {
            co_await flush();
            co_return false;
        } else {
            open = co_await handle(event);
        }
        if (!open) co_return false;
    }
}

SinkSession::Step SinkSession::encrypt() {
    stream_.expires_after(handshake_limit);
    const tls::ServerContext server = *sink_.tls_;
    tls::Handshake info = co_await stream_.handshake_server(server);
    if (info.has_error()) {
        sink_.say(fmt::format("{} failed at the TLS handshake: {}", stream_.remote_address(),
                              info.error().message));
        co_return false;
    }
    tls_ = std::move(*info);
    co_return true;
}

SinkSession::Step SinkSession::flush() {
    const std::string output = apply_faults(session_->take_output(), sink_.options_.faults);
    if (output.empty()) co_return true;
    stream_.expires_after(idle_limit);
    const base::Result<> written = co_await stream_.write(output);
    // The message counts also when its reply is lost: it was taken.
    if (std::exchange(answered_, false)) sink_.message_answered();
    co_return written.has_value();
}

SinkSession::Step SinkSession::read() {
    if (sink_.stopping_) co_return false;  // stop() came while nothing was waited for
    stream_.expires_after(idle_limit);
    const base::Result<std::size_t> count = co_await stream_.read_some(buffer_);
    if (!count.has_value()) co_return false;
    session_->receive({buffer_.data(), *count});
    co_return true;
}

// A delay that stop() cuts short; false then.
SinkSession::Step SinkSession::wait(base::Duration delay) {
    if (delay <= base::Duration{}) co_return true;
    timer_.expires_after(delay);
    boost::system::error_code cancelled;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    co_return !cancelled;
}

SinkSession::Step SinkSession::handle(const smtp::ServerEvent& event) {
    if (const auto* mail = std::get_if<smtp::event::MailRequested>(&event)) {
        if (drops_at(smtp::Stage::mail)) co_return false;
        answer_sender(mail->envelope);
    } else if (const auto* rcpt = std::get_if<smtp::event::RcptRequested>(&event)) {
        if (drops_at(smtp::Stage::rcpt)) co_return false;
        answer_recipient(rcpt->recipient);
    } else if (std::holds_alternative<smtp::event::BodyStarted>(event)) {
        content_.clear();
        content_size_ = 0;
        if (drops_at(smtp::Stage::data)) co_return false;
    } else if (const auto* chunk = std::get_if<smtp::event::BodyChunk>(&event)) {
        if (drops_at(smtp::Stage::body)) co_return false;
        take_chunk(chunk->bytes);
    } else if (std::holds_alternative<smtp::event::BodyDiscarded>(event)) {
        content_.clear();
        sink_.say("a message was broken off or too large, and is forgotten");
    } else if (const auto* whole = std::get_if<smtp::event::BodyCompleted>(&event)) {
        const bool open = co_await complete(whole->envelope);
        co_return open;
    }
    co_return true;
}

void SinkSession::answer_sender(const smtp::Envelope& envelope) {
    const SinkRefusal* refusal = find_refusal(sink_.options_.faults.senders, envelope.reverse_path);
    if (refusal == nullptr) return session_->respond(ok_reply());
    ++sink_.counters_.refused;
    sink_.say(
        fmt::format("refused sender <{}>: {}", envelope.reverse_path, refusal->reply.one_line()));
    session_->respond(refusal->reply);
}

void SinkSession::answer_recipient(const smtp::Recipient& recipient) {
    const SinkRefusal* refusal = find_refusal(sink_.options_.faults.recipients, recipient.address);
    if (refusal == nullptr) return session_->respond(ok_reply());
    ++sink_.counters_.refused;
    sink_.say(
        fmt::format("refused recipient <{}>: {}", recipient.address, refusal->reply.one_line()));
    session_->respond(refusal->reply);
}

void SinkSession::take_chunk(std::string_view bytes) {
    content_size_ += bytes.size();
    if (sink_.options_.print || !sink_.options_.directory.empty()) content_ += bytes;
}

SinkMessage SinkSession::take_message(const smtp::Envelope& envelope) {
    SinkMessage message;
    message.received = base::SystemClock{}.now();
    message.id = sink_.ids_.next(message.received);
    message.envelope = envelope;
    message.content = std::exchange(content_, {});
    message.size = content_size_;
    message.client = stream_.remote_address();
    message.helo = session_->client_name();
    message.user = session_->authenticated_user();
    message.protocol = session_->protocol();
    message.tls_version = tls_.version;
    message.tls_cipher = tls_.cipher;
    return message;
}

SinkSession::Step SinkSession::complete(const smtp::Envelope& envelope) {
    const SinkFaults& faults = sink_.options_.faults;
    const bool waited = co_await wait(faults.data_delay);
    if (!waited) co_return false;
    if (faults.data_reply && !faults.data_reply->positive()) {
        ++sink_.counters_.refused;
        sink_.say(fmt::format("refused the message from <{}>: {}", envelope.reverse_path,
                              faults.data_reply->one_line()));
        session_->respond(*faults.data_reply);
        co_return true;
    }
    const SinkMessage message = take_message(envelope);
    const base::Result<> kept = sink_.keep(message);
    if (kept.has_error()) {
        const smtp::Reply trouble{451, "4.3.0", "The sink cannot keep this message"};
        sink_.say(kept.error().message);
        session_->respond(trouble);
        co_return true;
    }
    if (drops_at(smtp::Stage::final_dot)) {
        sink_.message_answered();
        co_return false;
    }
    const smtp::Reply taken{250, "2.0.0", "Ok: taken as " + message.id.text()};
    session_->respond(faults.data_reply ? *faults.data_reply : taken);
    answered_ = true;
    co_return true;
}

bool SinkSession::drops_at(smtp::Stage stage) {
    if (sink_.options_.faults.drop != stage) return false;
    ++sink_.counters_.dropped;
    sink_.say(fmt::format("dropped the connection of {} at {}", stream_.remote_address(),
                          smtp::stage_name(stage)));
    return true;
}

}  // namespace relay
