// A connection's mail: what is taken, how its content reaches the spool, and when it is refused.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "net/await.hpp"
#include "relay/client_content.hpp"
#include "relay/reply_for.hpp"
#include "smtp/received.hpp"
#include "smtp/word_decoder.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

// RFC 5321 section 6.3 asks for a hundred; half of it catches a loop sooner and no real path is as
// long.
constexpr std::size_t most_received_fields = 50;

// So much content may come before it is asked again whether the disk has room for more.
constexpr std::uint64_t room_step = 1024 * 1024;

// What holds so little passes even when the mail of all connections holds too much.
constexpr std::uint64_t small_mail = 16 * 1024;
// The most of a content that is in memory, for small ones wait there and large ones go in pieces.
constexpr std::uint64_t content_in_memory = 128 * 1024;

std::uint64_t size_of(const smtp::Recipient& recipient) {
    return sizeof recipient + recipient.address.size() + recipient.orcpt.size();
}

}  // namespace

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
    envelope_size_ = 0;
    memory_.set(0);
    // The session has compared it with max_message_size; here it is about the disk.
    return lack_of_room(declared_size).value_or(smtp::Reply{250, "2.1.0", "Sender ok"});
}

smtp::Reply ClientConnection::rcpt_reply(const smtp::Recipient& recipient) {
    memory_.set(envelope_size_ + size_of(recipient));
    if (lacks_memory()) {
        memory_.set(envelope_size_);
        log_refusal(memory_words());  // one recipient's: the message may come for those before it
        return reply_for(spool::Problem::full);
    }
    envelope_size_ = memory_.bytes();
    return {250, "2.1.5", "Recipient ok"};
}

void ClientConnection::log_refusal(std::string_view why) {
    if (!may_log_refusal()) return;
    base::log_error("mail is refused", {{"client", caller_.address}, {"problem", why}});
}

smtp::Reply ClientConnection::refuse_mail(spool::Problem problem, std::string_view why) {
    log_refusal(why);
    ++services_->counters->messages_refused;
    return reply_for(problem);
}

std::optional<smtp::Reply> ClientConnection::lack_of_room(std::uint64_t size) {
    const spool::Outcome<> room = services_->spool->room_for(size);
    if (room) return std::nullopt;
    return refuse_mail(room.error().problem, room.error().message);
}

bool ClientConnection::lacks_memory() const {
    return services_->incoming_memory->full() && memory_.bytes() > small_mail;
}

std::string ClientConnection::memory_words() const {
    return "the mail that clients are sending at this moment holds " +
           base::human_size(services_->incoming_memory->held()) +
           " of memory: only small mail is taken until some of it has come";
}

// The size may not have been declared, and others' mail may have taken the room since MAIL.
bool ClientConnection::stores_on() {
    const std::uint64_t size = content_->body->size();
    memory_.set(envelope_size_ + std::min(size, content_in_memory));
    if (lacks_memory()) content_->refusal = refuse_mail(spool::Problem::full, memory_words());
    if (!content_->refusal && size - content_->size_when_asked >= room_step) {
        content_->size_when_asked = size;
        content_->refusal = lack_of_room(0);
    }
    if (!content_->refusal) return true;
    content_->body.reset();  // what was written makes room at once
    memory_.set(envelope_size_);
    return false;
}

void ClientConnection::forget_content() {
    content_.reset();
    memory_.set(envelope_size_);
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
        forget_content();
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
        forget_content();
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
    memory_.set(0);
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

}  // namespace relay
