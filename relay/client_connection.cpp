#include "relay/client_connection.hpp"

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <span>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/text.hpp"
#include "relay/client_content.hpp"
#include "relay/reply_for.hpp"
#include "smtp/proxy_header.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

constexpr std::size_t buffer_size = 64 * 1024;
constexpr std::size_t command_group = 8 * 1024;  // read at once outside of content

// After so many full buffers in a row a connection lets the others have their turn.
constexpr unsigned most_full_reads = 8;

// A client may go on being refused for ever; its first twenty tell the story.
constexpr std::uint32_t most_logged_refusals = 20;

// Read buffers, borrowed while bytes are at hand: an idle connection holds none.
class BufferPool {
 public:
    using Buffer = std::unique_ptr<std::array<char, buffer_size>>;

    Buffer borrow() {
        if (free_.empty()) return Buffer{new std::array<char, buffer_size>};
        Buffer buffer = std::move(free_.back());
        free_.pop_back();
        return buffer;
    }

    void give_back(Buffer buffer) {
        if (free_.size() < most_kept) free_.push_back(std::move(buffer));
    }

 private:
    static constexpr std::size_t most_kept = 4;
    std::vector<Buffer> free_;
};

smtp::ServerSession make_session(const ConnectionServices& services, const Caller& caller,
                                 bool implicit_tls) {
    smtp::ServerContext context;
    context.options = &services.smtp;
    context.credentials = services.credentials.get();
    context.plaintext_auth_allowed = caller.local;
    context.tls_available = services.tls.has_value() && !implicit_tls;
    return smtp::ServerSession{context};
}

BufferPool& buffers() {
    thread_local BufferPool pool;
    return pool;
}

}  // namespace

asio::awaitable<void> turn_away(tls::Stream stream, smtp::Reply reply) {
    stream.expires_after(std::chrono::seconds{5});
    const std::string text = reply.serialize();
    static_cast<void>(co_await stream.write(text));
    stream.close();
}

ClientConnection::ClientConnection(tls::Stream stream, Caller caller,
                                   std::shared_ptr<const ConnectionServices> services,
                                   bool implicit_tls)
    : stream_(std::move(stream)),
      services_(std::move(services)),
      session_(make_session(*services_, caller, implicit_tls)),
      implicit_tls_(implicit_tls),
      caller_(std::move(caller)),
      memory_(*services_->incoming_memory) {}

ClientConnection::~ClientConnection() = default;

asio::awaitable<void> ClientConnection::run() {
    if (implicit_tls_) {
        const bool encrypted = co_await encrypt();
        if (!encrypted) co_return;
    }
    if (draining_) {
        session_.refuse(shutting_down());
    } else {
        session_.greet();
    }
    co_await converse();
    stream_.close();
}

asio::awaitable<void> ClientConnection::converse() {
    for (;;) {
        smtp::ServerEvent event = session_.next_event();
        // Here and not in handle(), whose frame an idle connection need not keep.
        if (std::holds_alternative<smtp::event::NeedInput>(event)) {
            note_refused();
            const bool written = co_await flush();
            if (!written) co_return;
            const bool heard = co_await read();
            if (!heard) co_return;
            continue;
        }
        const bool goes_on = co_await handle(std::move(event));
        if (!goes_on) co_return;
    }
}

asio::awaitable<bool> ClientConnection::handle(smtp::ServerEvent event) {
    using namespace smtp::event;
    if (const auto* chunk = std::get_if<BodyChunk>(&event)) {
        co_await take_chunk(chunk->bytes);
    } else if (const auto* mail = std::get_if<MailRequested>(&event)) {
        session_.respond(mail_reply(mail->size));
    } else if (const auto* asked = std::get_if<RcptRequested>(&event)) {
        session_.respond(rcpt_reply(asked->recipient));
    } else if (const auto* started = std::get_if<BodyStarted>(&event)) {
        begin_content(started->envelope);
    } else if (const auto* completed = std::get_if<BodyCompleted>(&event)) {
        const smtp::Reply reply = co_await complete(completed->envelope);
        session_.respond(reply);
    } else if (std::holds_alternative<OutputFull>(event)) {
        co_return co_await flush();
    } else if (std::holds_alternative<SignInFailed>(event)) {
        co_await answer_slowly();
    } else if (std::holds_alternative<BodyDiscarded>(event)) {
        forget_content();
    } else if (std::holds_alternative<TlsRequested>(event)) {
        const bool written = co_await flush();
        if (!written) co_return false;
        co_return co_await encrypt();
    } else if (const auto* closed = std::get_if<Closed>(&event)) {
        note_refused();
        log_end(closed->reason);
        static_cast<void>(co_await flush());
        co_return false;
    }
    co_return true;
}

asio::awaitable<bool> ClientConnection::encrypt() {
    if (!services_->tls) {
        log_end("this port's TLS was taken out of the configuration: restart relay");
        co_return false;
    }
    stream_.expires_after(services_->idle_timeout);
    const tls::Handshake info = co_await stream_.handshake_server(*services_->tls);
    if (!info) {
        const tls::HandshakeFailure& failure = info.error();
        log_end(failure.message +
                (failure.proxy_header ? "; " + smtp::misplaced_proxy_header() : ""));
        co_return false;
    }
    session_.tls_established(stream_.channel_binding());
    co_return true;
}

asio::awaitable<bool> ClientConnection::flush() {
    const std::string output = session_.take_output();
    if (output.empty()) co_return true;
    stream_.expires_after(services_->idle_timeout);
    const base::Result<> written = co_await stream_.write(output);
    co_return written.has_value();
}

asio::awaitable<bool> ClientConnection::read() {
    if (cut_ || (draining_ && !session_.in_transaction())) {
        session_.close_with(shutting_down());
        co_return true;
    }
    // A line that has begun keeps its deadline, or a client that sends a byte now and then would
    // hold its connection for ever.
    const bool within_line = session_.within_line();
    if (!within_line || !line_begun_) stream_.expires_after(services_->idle_timeout);
    line_begun_ = within_line;
    // Behind a full buffer there is more content: to wait for it would cost two calls of the
    // system.
    const bool more_waits = full_reads_ > 0 && full_reads_ < most_full_reads;
    if (!more_waits) {
        full_reads_ = 0;
        const base::Result<> ready = co_await stream_.wait_readable();
        if (!ready) co_return answer_silence();
    }
    BufferPool::Buffer buffer = buffers().borrow();
    std::span<char> room{*buffer};
    // What a client pipelines behind a group of commands waits in the system, not in here.
    if (!content_) room = room.first(command_group);
    const base::Result<std::size_t> count = co_await stream_.read_some(room);
    if (count) {
        // Applications of this host share an address: one with a wrong password stops no other.
        const bool guards = services_->smtp.auth == smtp::AuthPolicy::required && !caller_.local &&
                            !content_ && session_.authenticated_user().empty();
        if (guards) session_.block_sign_in(services_->sign_in_brake->blocks(caller_.address));
        session_.receive({buffer->data(), *count});
        full_reads_ = *count == buffer_size ? full_reads_ + 1 : 0;
    }
    buffers().give_back(std::move(buffer));
    if (count) co_return true;
    co_return answer_silence();
}

// Ended early by a drain, which has an answer of its own.
asio::awaitable<void> ClientConnection::answer_slowly() {
    services_->sign_in_brake->note_failure(caller_.address);
    if (draining_) co_return;
    pause_ = std::make_unique<asio::steady_timer>(co_await asio::this_coro::executor,
                                                  SignInBrake::answer_after);
    boost::system::error_code ignored;
    co_await pause_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    pause_.reset();
}

bool ClientConnection::answer_silence() {
    if (cut_ || (draining_ && !session_.in_transaction())) {
        session_.close_with(shutting_down());
        return true;
    }
    if (stream_.close_reason() == tls::CloseReason::timeout) {
        session_.close_with(session_.waits_behind_false_end() ? no_end_of_content()
                                                              : idle_too_long());
        return true;
    }
    if (session_.in_transaction()) log_end("the client went away in the middle of a transaction");
    return false;
}

namespace {

// What would make relay take a command that its settings leave out.
std::string_view remedy_for(const smtp::RefusedCommand& refused) {
    if (refused.code != 502) return {};
    if (refused.verb == "AUTH") {
        return "server.auth = \"accept-any\" takes any sign-in, or turn it off in the application";
    }
    if (refused.verb == "STARTTLS") {
        return "set server.certificate and server.private_key, or turn encryption off in the "
               "application";
    }
    return {};
}

}  // namespace

// Wrong commands tell more of the client than of its mail: those are not counted.
void ClientConnection::note_refused() {
    for (const smtp::RefusedCommand& each : session_.take_refused()) {
        const bool mail = each.verb == "MAIL" || each.verb == "DATA" || each.verb == "BDAT";
        if (mail && (each.code < 500 || each.code > 504)) ++services_->counters->messages_refused;
        if (!may_log_refusal()) continue;
        const bool sign_in = each.verb == "AUTH";
        const auto level = sign_in ? base::LogLevel::warning : base::LogLevel::info;
        if (const std::string_view remedy = remedy_for(each); !remedy.empty()) {
            base::log(level, "refused",
                      {{"client", caller_.address},
                       {"command", each.verb},
                       {"reply", each.reply},
                       {"remedy", remedy}});
            continue;
        }
        base::log(level, "refused",
                  {{"client", caller_.address},
                   {"command", each.verb},
                   {"arguments", each.arguments},
                   {"reply", each.reply}});
    }
}

bool ClientConnection::may_log_refusal() {
    ++refusals_;
    if (refusals_ == most_logged_refusals + 1) {
        base::log_info("more refusals of this connection are not logged",
                       {{"client", caller_.address}});
    }
    return refusals_ <= most_logged_refusals;
}

void ClientConnection::log_end(std::string_view reason) const {
    if (reason.empty()) return;
    base::log_info("connection closed", {{"client", caller_.address}, {"reason", reason}});
}

void ClientConnection::drain() {
    draining_ = true;
    if (pause_) pause_->cancel();
    if (!session_.in_transaction()) stream_.cancel();
}

void ClientConnection::cancel() {
    draining_ = true;
    cut_ = true;
    if (pause_) pause_->cancel();
    stream_.cancel();
}

}  // namespace relay
