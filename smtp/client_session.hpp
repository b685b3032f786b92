#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/secret.hpp"
#include "smtp/envelope.hpp"
#include "smtp/reply.hpp"
#include "smtp/stage.hpp"

namespace smtp {

enum class ClientTls : std::uint8_t { none, starttls, implicit };

// How a client signs in. "auto" lets the session take the strongest mechanism that
// the server offers and these credentials fit.
enum class AuthMechanism : std::uint8_t {
    automatic,
    plain,
    login,
    cram_md5,
    scram_sha_256,
    xoauth2,
    oauthbearer,
    external,
    none
};

struct ClientOptions {
    std::string helo;
    ClientTls tls = ClientTls::starttls;
    AuthMechanism auth = AuthMechanism::automatic;
    std::string username;   // "" and no password: no sign-in
    base::Secret password;  // or the OAuth2 access token
    std::string host;       // of the server, for OAUTHBEARER
    std::uint16_t port = 0;
    bool allow_plaintext_auth = false;  // loopback or unix socket only: the caller checks
};

// What the server's last EHLO offered.
struct Extensions {
    bool pipelining = false, eight_bit_mime = false, smtputf8 = false, chunking = false,
         binary_mime = false, dsn = false, starttls = false, enhanced_status_codes = false,
         size_offered = false;         // SIZE, with or without a limit
    std::uint64_t size_limit = 0;      // 0: none said
    std::uint32_t limit_rcpt_max = 0;  // RFC 9422 LIMITS; 0: none said
    std::uint32_t limit_mail_max = 0;
    std::vector<std::string> auth;   // mechanisms, upper case
    std::vector<std::string> lines;  // all lines as received, for diagnosis
};

enum class Outcome : std::uint8_t { delivered, deferred, failed, unknown };

struct RecipientResult {
    Outcome outcome = Outcome::deferred;
    Stage stage = Stage::rcpt;
    // The server's. Code 0: it said nothing, and `enhanced` is our own word on what failed, or "".
    Reply reply;
    std::string problem;  // our words when there is no reply: "connection lost after the final dot"
    // Our own finding: an address needs SMTPUTF8, which this server does not offer; another may.
    bool needs_smtputf8 = false;
};

// RFC 6531 section 3.5, where no reply says it.
inline constexpr std::string_view needs_smtputf8_status = "5.6.7";

// One message for the server; results come in the order of the recipients.
struct Transaction {
    Envelope envelope;            // only the recipients to be tried now, at most limit_rcpt_max
    std::uint64_t body_size = 0;  // exact count of the bytes that body() will give
};

// The session cannot go on.
struct SessionFailure {
    Stage stage = Stage::connect;
    Reply reply;             // code 0 when the server said nothing
    std::string problem;     // in words, names the thing; never a secret
    bool permanent = false;  // the reply was 5yz: of the server or our account, so mail waits
};

namespace event {
struct ClientNeedInput {};  // write take_output(), then read and receive()
struct StartTls {};         // write take_output(), shake hands, tls_established()
struct Ready {};            // greeted, encrypted and signed in: begin() or quit()
// Body bytes may be given now: write_body() with pieces of the message (CRLF lines), the last one
// marked. Written for DATA with dot-stuffing, for BDAT in chunks; take_output() after each piece.
struct BodyWanted {};
struct FinalDotSent {};  // all is in take_output(): from here a lost connection means "unknown"
struct TransactionDone {
    std::vector<RecipientResult> results;
};
struct SessionFailed {
    SessionFailure failure;
};  // close; a transaction under way reports TransactionDone first
struct SessionClosed {};  // after quit(): QUIT was answered
}  // namespace event

using ClientEvent = std::variant<event::ClientNeedInput, event::StartTls, event::Ready,
                                 event::BodyWanted, event::FinalDotSent, event::TransactionDone,
                                 event::SessionFailed, event::SessionClosed>;

// The client half of RFC 5321: greeting, EHLO (HELO if refused), STARTTLS, AUTH, then any number
// of transactions. No socket, clock or file. Commands are pipelined where offered (RFC 2920):
// MAIL, all RCPT and DATA in one write; with CHUNKING (RFC 3030) BDAT, and for a body of at most
// 64 KiB also its content, so that a small message costs one round trip.
class ClientSession {
 public:
    explicit ClientSession(ClientOptions options);
    ~ClientSession();
    ClientSession(ClientSession&&) noexcept;
    ClientSession& operator=(ClientSession&&) = delete;

    void receive(std::string_view bytes);
    [[nodiscard]] ClientEvent next_event();
    [[nodiscard]] std::string take_output();
    void tls_established(
        std::string channel_binding);            // tls-exporter bytes; "" when there are none
    void begin(const Transaction& transaction);  // only when ready()
    void write_body(std::string_view piece, bool last);
    // Between the last piece and the next event, where can_begin_early(): the commands of the next
    // transaction leave behind this one's final dot (RFC 2920 section 3.1), and begin() only takes
    // it up. False: they do not. If the session ends before begin(), the next has no results.
    [[nodiscard]] bool begin_early(const Transaction& next);
    [[nodiscard]] bool can_begin_early() const;
    [[nodiscard]] bool begun_early() const;  // and begin() has not taken it up
    void quit();
    // The driver saw the connection end, fail or time out; problem says so in words. Results of the
    // transaction under way follow as TransactionDone (deferred, or unknown after the final dot).
    void connection_lost(std::string problem);

    [[nodiscard]] const Extensions& extensions() const;
    [[nodiscard]] Stage stage()
        const;  // decides which time-out of RFC 5321 section 4.5.3.2 applies
    [[nodiscard]] const std::string& auth_mechanism() const;  // used, upper case; "" when none
    [[nodiscard]] const Reply& auth_reply() const;
    [[nodiscard]] bool ready() const;  // begin() is allowed
    // How many complete replies next_event() has taken. While it stays the same, one reply is
    // awaited, and its time-out runs, whatever bytes come.
    [[nodiscard]] std::uint64_t replies() const;

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace smtp
