#include "bench/micro/conversation.hpp"

#include <cstdlib>
#include <optional>
#include <variant>

#include "smtp/received.hpp"

namespace bench {
namespace {

smtp::ServerContext context_for(const smtp::ServerOptions& options) {
    smtp::ServerContext context;
    context.options = &options;
    return context;
}

smtp::ClientOptions client_options() {
    smtp::ClientOptions options;
    options.helo = "relay.example";
    options.tls = smtp::ClientTls::none;
    options.auth = smtp::AuthMechanism::none;
    return options;
}

smtp::HeaderAdditions additions() {
    smtp::ReceivedTrace trace;
    trace.client_name = "app.example";
    trace.client_address = "127.0.0.1";
    trace.hostname = "relay.example";
    trace.protocol = "ESMTP";
    trace.id = "0V1Q5ZK8M3W7A";
    trace.recipient = "someone@recipient.example";
    trace.date = "Sun, 01 Nov 2026 12:00:00 +0000";
    smtp::HeaderAdditions made;
    made.trace = smtp::received_field(trace);
    made.date = trace.date;
    made.message_id = "<0V1Q5ZK8M3W7A@relay.example>";
    return made;
}

}  // namespace

std::string make_message(std::size_t size) {
    std::string message =
        "From: App <app@client.example>\r\nTo: someone@recipient.example\r\n"
        "Subject: A subject of the usual length\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n";
    for (std::size_t line = 0; message.size() < size; ++line) {
        message += line % 20 == 0
                       ? ".begins with a dot, as one line in twenty does here, or not\r\n"
                       : "The quick brown fox jumps over the lazy dog, and again\r\n";
    }
    return message;
}

std::string make_submission(std::string_view message) {
    std::string submission =
        "MAIL FROM:<app@client.example> BODY=8BITMIME\r\n"
        "RCPT TO:<someone@recipient.example>\r\nDATA\r\n";
    for (std::size_t end = 0; !message.empty(); message.remove_prefix(end)) {
        end = message.find('\n') + 1;
        if (message.front() == '.') submission += '.';
        submission += message.substr(0, end);
    }
    return submission + ".\r\n";
}

Submissions::Submissions() : session_(context_for(options_)) {
    options_.hostname = "relay.example";
    session_.greet();
    go_on();
    session_.receive("EHLO app.example\r\n");
    go_on();
}

std::size_t Submissions::take(std::string_view submission) {
    session_.receive(submission);
    return go_on();
}

std::size_t Submissions::go_on() {
    std::optional<smtp::HeaderEditor> editor;
    stored_.clear();
    for (;;) {
        const smtp::ServerEvent event = session_.next_event();
        if (std::holds_alternative<smtp::event::NeedInput>(event)) break;
        if (const auto* chunk = std::get_if<smtp::event::BodyChunk>(&event)) {
            editor->write(chunk->bytes, stored_);
        } else if (std::holds_alternative<smtp::event::BodyStarted>(event)) {
            editor.emplace(additions());
        } else if (std::holds_alternative<smtp::event::BodyCompleted>(event)) {
            editor->finish(stored_);
            session_.respond({250, "2.0.0", "queued as 0V1Q5ZK8M3W7A"});
        } else {
            session_.respond({250, "2.1.0", "Ok"});
        }
    }
    static_cast<void>(session_.take_output());
    return stored_.size();
}

Deliveries::Deliveries(bool chunking) : chunking_(chunking), session_(client_options()) {
    session_.receive("220 smarthost.example ESMTP\r\n");
    while (!std::holds_alternative<smtp::event::Ready>(session_.next_event())) {
        if (session_.take_output().empty()) std::abort();
        session_.receive(chunking_ ? "250-smarthost.example\r\n250-PIPELINING\r\n250-SIZE\r\n"
                                     "250-CHUNKING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
                                   : "250-smarthost.example\r\n250-PIPELINING\r\n250-SIZE\r\n"
                                     "250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
    }
    transaction_.envelope.reverse_path = "app@client.example";
    transaction_.envelope.recipients.push_back({"someone@recipient.example", {}, ""});
}

// A smarthost answers a whole write at once.
std::string_view Deliveries::next_reply(std::string_view sent) {
    if (chunking_) return "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 queued as 4711\r\n";
    if (sent.starts_with("MAIL")) {
        return "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n";
    }
    return "250 2.0.0 queued as 4711\r\n";
}

std::size_t Deliveries::send(std::string_view message) {
    transaction_.body_size = message.size();
    session_.begin(transaction_);
    std::size_t written = 0;
    for (;;) {
        const smtp::ClientEvent event = session_.next_event();
        if (std::holds_alternative<smtp::event::TransactionDone>(event)) return written;
        if (std::holds_alternative<smtp::event::BodyWanted>(event)) {
            session_.write_body(message, true);
        } else if (std::holds_alternative<smtp::event::ClientNeedInput>(event)) {
            const std::string output = session_.take_output();
            written += output.size();
            session_.receive(next_reply(output));
        } else if (std::holds_alternative<smtp::event::SessionFailed>(event)) {
            std::abort();
        }
    }
}

}  // namespace bench
