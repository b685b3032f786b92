#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/password_hash.hpp"
#include "smtp/server_session.hpp"

// Plays the driver of a server session: answers its requests and keeps what it was given.
namespace test {

class Users final : public smtp::CredentialStore {
 public:
    void add(const std::string& name, const std::string& password) {
        secrets_[name] = smtp::make_scram_secret(base::Secret{password});
    }
    [[nodiscard]] std::optional<smtp::ScramSecret> find(std::string_view user) const override {
        const auto found = secrets_.find(std::string(user));
        if (found == secrets_.end()) return std::nullopt;
        return found->second;
    }
    [[nodiscard]] smtp::ScramSecret decoy(std::string_view user) const override {
        return smtp::Decoys{}.make(user);
    }

 private:
    std::map<std::string, smtp::ScramSecret> secrets_;
};

struct Message {
    smtp::Envelope envelope;
    std::string content;
    std::string protocol;
};

class Conversation {
 public:
    explicit Conversation(const smtp::ServerContext& context) : session(context) {
        session.greet();
        pump();
        greeting = session.take_output();
    }

    // Sends bytes in pieces and gives back what the server said meanwhile.
    std::string say(std::string_view bytes, std::size_t piece = 4096) {
        std::string answers;
        while (!bytes.empty() && !closed) {
            session.receive(bytes.substr(0, piece));
            bytes.remove_prefix(std::min(piece, bytes.size()));
            pump();
            answers += std::exchange(said, {}) + session.take_output();
        }
        return answers;
    }

    void handshake() {
        tls_wanted = false;
        session.tls_established(binding);
    }

    smtp::ServerSession session;
    std::string greeting;
    std::string binding = std::string(32, 'b');
    std::vector<Message> messages;
    std::string content;  // of the message under way
    bool body_open = false, closed = false, tls_wanted = false;
    std::string reason;
    unsigned discarded = 0, failed_sign_ins = 0;
    std::string said;  // taken before the session needed input
    smtp::Reply mail_reply{250, "2.1.0", "Sender ok"};
    smtp::Reply body_reply{250, "2.0.0", "queued as 0123456789ab"};

    // Everything the session asks for until it needs more bytes.
    void pump() {
        while (!closed && !tls_wanted) {
            const smtp::ServerEvent event = session.next_event();
            if (std::holds_alternative<smtp::event::NeedInput>(event)) return;
            handle(event);
        }
    }

 private:
    void handle(const smtp::ServerEvent& event) {
        using namespace smtp::event;
        if (std::holds_alternative<OutputFull>(event)) {
            said += session.take_output();
        } else if (std::holds_alternative<SignInFailed>(event)) {
            ++failed_sign_ins;
        } else if (std::holds_alternative<MailRequested>(event)) {
            session.respond(mail_reply);
        } else if (const auto* rcpt = std::get_if<RcptRequested>(&event)) {
            const bool refused = rcpt->recipient.address.starts_with("refused");
            session.respond(refused ? smtp::Reply{550, "5.1.1", "No such user"}
                                    : smtp::Reply{250, "2.1.5", "Recipient ok"});
        } else if (std::holds_alternative<BodyStarted>(event)) {
            content.clear();
            body_open = true;
        } else if (const auto* chunk = std::get_if<BodyChunk>(&event)) {
            content += chunk->bytes;
        } else if (const auto* done = std::get_if<BodyCompleted>(&event)) {
            body_open = false;
            messages.push_back({done->envelope, content, std::string(session.protocol())});
            session.respond(body_reply);
        } else if (std::holds_alternative<BodyDiscarded>(event)) {
            body_open = false;
            ++discarded;
        } else if (std::holds_alternative<TlsRequested>(event)) {
            tls_wanted = true;
        } else if (const auto* end = std::get_if<Closed>(&event)) {
            closed = true;
            reason = end->reason;
        }
    }
};

inline smtp::ServerOptions usual_options() {
    smtp::ServerOptions options;
    options.hostname = "mx.example";
    return options;
}

// The settings of one session, and what they stand in.
struct Server {
    smtp::ServerOptions options = usual_options();
    smtp::ServerContext context;
    Server() { context.options = &options; }
};

}  // namespace test
