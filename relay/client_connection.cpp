#include "relay/client_connection.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/text.hpp"
#include "net/await.hpp"
#include "relay/reply_for.hpp"
#include "smtp/proxy_header.hpp"
#include "smtp/received.hpp"
#include "smtp/word_decoder.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

constexpr std::size_t buffer_size = 64 * 1024;
constexpr std::size_t command_group = 8 * 1024;  // read at once outside of content

// After so many full buffers in a row a connection lets the others have their turn.
constexpr unsigned most_full_reads = 8;

// RFC 5321 section 6.3 asks for a hundred; half of it catches a loop sooner and no real path is as
// long.
constexpr std::size_t most_received_fields = 50;

// So much content may come before it is asked again whether the disk has room for more.
constexpr std::uint64_t room_step = 1024 * 1024;

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

// The message being received.
struct ClientConnection::Content {
    Content(base::MessageId message_id, smtp::HeaderAdditions additions,
            std::unique_ptr<spool::BodyWriter> writer)
        : id(message_id), editor(std::move(additions)), body(std::move(writer)) {}

    base::MessageId id;
    smtp::HeaderEditor editor;
    std::unique_ptr<spool::BodyWriter> body;
    base::Time received{};
    bool eight_bit = false;
    std::string scratch;
    std::uint64_t size_when_asked = 0;   // whether there is room
    std::optional<smtp::Reply> refusal;  // then the rest is read and dropped
};

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
      caller_(std::move(caller)) {}

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
    } else if (std::holds_alternative<RcptRequested>(event)) {
        session_.respond({250, "2.1.5", "Recipient ok"});
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
        content_.reset();
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
    const base::Result<tls::HandshakeInfo> info =
        co_await stream_.handshake_server(*services_->tls);
    if (!info) {
        const bool proxied = info.error().message.find("it said PROXY ") != std::string::npos;
        log_end(info.error().message + (proxied ? "; " + smtp::misplaced_proxy_header() : ""));
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

smtp::Reply ClientConnection::mail_reply(std::uint64_t declared_size) {
    if (draining_) return shutting_down();
    if (!caller_.may_send()) {
        ++services_->counters->messages_refused;
        if (may_log_refusal()) {
            base::log_warning("mail is refused",
                              {{"proxy", caller_.address}, {"problem", caller_.unknown}});
        }
        return client_unknown();
    }
    // The session has compared it with max_message_size; here it is about the disk.
    return lack_of_room(declared_size).value_or(smtp::Reply{250, "2.1.0", "Sender ok"});
}

std::optional<smtp::Reply> ClientConnection::lack_of_room(std::uint64_t size) {
    const spool::Outcome<> room = services_->spool->room_for(size);
    if (room) return std::nullopt;
    if (may_log_refusal()) {
        base::log_error("mail is refused",
                        {{"client", caller_.address}, {"problem", room.error().message}});
    }
    ++services_->counters->messages_refused;
    return reply_for(room.error().problem);
}

// The size may not have been declared, and others' mail may have taken the room since MAIL.
bool ClientConnection::stores_on() {
    const std::uint64_t size = content_->body->size();
    if (size - content_->size_when_asked < room_step) return true;
    content_->size_when_asked = size;
    content_->refusal = lack_of_room(0);
    if (content_->refusal) content_->body.reset();  // what was written makes room at once
    return !content_->refusal;
}

void ClientConnection::begin_content(const smtp::Envelope& envelope) {
    const base::Time now = services_->clock->now();
    const base::MessageId id = services_->ids->next(now);
    smtp::ReceivedTrace trace;
    trace.client_name = session_.client_name();
    if (caller_.address != "unix") trace.client_address = caller_.address;
    trace.hostname = services_->smtp.hostname;
    trace.protocol = session_.protocol();
    trace.id = id.text();
    if (envelope.recipients.size() == 1) trace.recipient = envelope.recipients.front().address;
    trace.date = base::format_rfc5322(now);

    smtp::HeaderAdditions additions;
    additions.trace = smtp::received_field(trace);
    additions.add_missing = services_->add_missing_headers;
    additions.date = trace.date;
    additions.message_id = fmt::format("<{}@{}>", id.text(), services_->smtp.hostname);
    content_ = std::make_unique<Content>(id, std::move(additions), services_->spool->new_body());
    content_->received = now;
}

asio::awaitable<void> ClientConnection::take_chunk(std::string_view bytes) {
    if (content_->refusal || !stores_on()) co_return;
    content_->eight_bit = content_->eight_bit || !base::is_ascii(bytes);
    if (content_->editor.in_header()) {
        content_->scratch.clear();
        content_->editor.write(bytes, content_->scratch);
        bytes = content_->scratch;
    }
    if (content_->body->write(bytes)) co_return;
    // The disk is behind: stop reading until it has caught up.
    spool::BodyWriter* const body = content_->body.get();
    std::function<void(std::function<void(bool)>)> wait = [body](std::function<void(bool)> done) {
        body->when_ready([done = std::move(done)] { done(true); });
    };
    static_cast<void>(co_await net::await_callback<bool>(std::move(wait)));
}

spool::NewMessage ClientConnection::new_message(const smtp::Envelope& envelope) {
    spool::NewMessage message;
    message.id = content_->id;
    message.received = content_->received;
    message.envelope = envelope;
    smtp::drop_repeated_recipients(message.envelope.recipients);
    // Many applications do not declare what they send, and a server is to be told all the same.
    const bool undeclared = message.envelope.body == smtp::BodyType::seven_bit;
    if (content_->eight_bit && undeclared) message.envelope.body = smtp::BodyType::eight_bit_mime;
    message.origin.client = caller_.address;
    message.origin.client_name = session_.client_name();
    message.origin.user = session_.authenticated_user();
    message.origin.protocol = session_.protocol();
    message.message_id = content_->editor.message_id();
    message.subject = smtp::decode_words(content_->editor.subject());
    message.from = smtp::decode_words(content_->editor.from());
    message.body = std::move(content_->body);
    message.take = services_->engine->has_room();
    return message;
}

asio::awaitable<smtp::Reply> ClientConnection::complete(const smtp::Envelope& envelope) {
    if (!content_->refusal) content_->refusal = lack_of_room(0);
    if (content_->refusal) {
        const smtp::Reply reply = *content_->refusal;
        content_.reset();
        co_return reply;
    }
    content_->scratch.clear();
    content_->editor.finish(content_->scratch);
    static_cast<void>(content_->body->write(content_->scratch));
    if (content_->editor.received_count() > most_received_fields) {
        if (may_log_refusal()) {
            base::log_warning("refused: a mail loop",
                              {{"client", caller_.address}, {"from", envelope.reverse_path}});
        }
        ++services_->counters->messages_refused;
        content_.reset();
        co_return mail_loop();
    }

    const base::MessageId id = content_->id;
    const std::uint64_t size = content_->body->size();
    spool::NewMessage message = new_message(envelope);
    const bool taken = message.take;
    const std::size_t recipients = message.envelope.recipients.size();
    const std::string user = message.origin.user;
    content_.reset();

    // std::function wants copies; the message has one owner.
    auto parcel = std::make_shared<spool::NewMessage>(std::move(message));
    spool::Spool* const spool = services_->spool;
    std::function<void(std::function<void(spool::Outcome<spool::Leased>)>)> add =
        [spool, parcel](std::function<void(spool::Outcome<spool::Leased>)> done) {
            spool->add(std::move(*parcel), std::move(done));
        };
    spool::Outcome<spool::Leased> added =
        co_await net::await_callback<spool::Outcome<spool::Leased>>(std::move(add));
    if (!added) {
        base::log_error("a message could not be stored",
                        {{"id", id}, {"problem", added.error().message}});
        ++services_->counters->messages_refused;
        co_return reply_for(added.error().problem);
    }
    ++services_->counters->messages_accepted;
    services_->counters->bytes_accepted += size;
    base::log_info("queued", {{"id", id},
                              {"from", envelope.reverse_path},
                              {"to", envelope.recipients.front().address},
                              {"recipients", recipients},
                              {"size", size},
                              {"client", caller_.address},
                              base::LogField::unless_empty("user", user)});
    if (taken) {
        services_->engine->submit(std::move(*added));
    } else {
        services_->engine->note_waiting();
    }
    co_return smtp::Reply{250, "2.0.0", "queued as " + id.text()};
}

// Wrong commands tell more of the client than of its mail: those are not counted.
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
