#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "smtp/credentials.hpp"
#include "smtp/envelope.hpp"
#include "smtp/options.hpp"
#include "smtp/reply.hpp"

namespace smtp {

// What the server session knows of its surroundings; fixed for its life.
struct ServerContext {
    const ServerOptions* options = nullptr;        // outlives the session
    const CredentialStore* credentials = nullptr;  // needed for AuthPolicy::required
    bool tls_available = false;                    // STARTTLS can be offered
    bool tls_active = false;                       // implicit TLS: already inside
    bool plaintext_auth_allowed = true;            // PLAIN and LOGIN without TLS, as on loopback
    std::string channel_binding;                   // tls-exporter bytes when tls_active, else ""
};

// What the caller must do next. Those marked (*) wait for respond().
namespace event {
struct NeedInput {};   // write take_output(), read, receive()
struct OutputFull {};  // write take_output(): many short commands came at once
struct MailRequested {
    const Envelope& envelope;
    std::uint64_t size = 0;  // as declared (RFC 1870), 0 when it was not
};  // (*) the reverse-path and its parameters
struct RcptRequested {
    const Recipient& recipient;
};  // (*) a positive reply adds it to the envelope
struct BodyStarted {
    const Envelope& envelope;
};  // DATA or the first BDAT was accepted
struct BodyChunk {
    std::string_view bytes;
};  // content, CRLF lines, no dot-stuffing; valid until the next call
struct BodyCompleted {
    const Envelope& envelope;
};  // (*) content is whole: make it durable, then answer
struct BodyDiscarded {};  // the content begun is void (too large, bare newline, reset)
struct SignInFailed {};   // the refusal is in the output; to answer slowly makes guessing slow
struct TlsRequested {};   // write take_output(), do the handshake, tls_established()
struct Closed {
    std::string_view reason;
};  // write take_output() and close; reason is for the log, "" after QUIT
}  // namespace event

// A command that got a 4yz or 5yz reply, for the log. A sign-in is named without what was said in
// it.
struct RefusedCommand {
    std::string_view verb;  // "" for a command that is none
    std::string arguments;  // of MAIL and RCPT, as sent
    std::string reply;      // in one line
    int code = 0;
};

using ServerEvent =
    std::variant<event::NeedInput, event::OutputFull, event::SignInFailed, event::MailRequested,
                 event::RcptRequested, event::BodyStarted, event::BodyChunk, event::BodyCompleted,
                 event::BodyDiscarded, event::TlsRequested, event::Closed>;

// The server half of RFC 5321 and its extensions, as a machine of bytes and events: whoever drives
// it brings the connection, the time and the storage, and needs none of them to try it out.
//
// Loop: next_event(); when it is a request, respond(); at NeedInput write
// take_output() and receive() what the peer sent next. Output is gathered until
// input is needed, so a pipelined group of commands costs one write (RFC 2920).
class ServerSession {
 public:
    explicit ServerSession(const ServerContext& context);
    ~ServerSession();
    ServerSession(ServerSession&&) noexcept;
    ServerSession& operator=(ServerSession&&) = delete;

    void greet();                          // queues the 220 line; call first
    void refuse(const Reply& reply);       // instead of greet(): say why and close (421, 554)
    void receive(std::string_view bytes);  // from the peer, split anywhere
    [[nodiscard]] ServerEvent next_event();
    // While blocked, AUTH is answered 421 before anything is verified, and the session closes.
    void block_sign_in(bool blocked);
    void respond(const Reply& reply);                   // answers the pending request, once
    void tls_established(std::string channel_binding);  // RFC 3207: forgets all that came before
    void close_with(const Reply& reply);  // time-out or shutdown: queues the reply, then Closed
    [[nodiscard]] std::string take_output();
    // What was refused since the last call, at most eight; those that respond() refused are the
    // caller's own, those that close the session are Closed's reason.
    [[nodiscard]] std::vector<RefusedCommand> take_refused();

    // For the Received field and the log.
    [[nodiscard]] const std::string& client_name() const;         // as said in EHLO/HELO, "" before
    [[nodiscard]] const std::string& authenticated_user() const;  // "" when not signed in
    [[nodiscard]] std::string_view protocol()
        const;  // RFC 3848/6531: "SMTP", "ESMTP", "ESMTPSA", "UTF8SMTPS" ...
    [[nodiscard]] bool in_transaction() const;  // between MAIL and its last reply
    // A command or sign-in line has begun and its end is due (RFC 5321 section 4.5.3.2).
    [[nodiscard]] bool within_line() const;
    // Content came to what its sender may take for the end, a dot between broken newlines, and
    // nothing came since.
    [[nodiscard]] bool waits_behind_false_end() const;
    // True while neither input nor output is held: the caller may release its read buffer.
    [[nodiscard]] bool idle() const;

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace smtp
