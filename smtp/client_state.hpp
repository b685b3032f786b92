#pragma once

// Private to the client session's own files.

#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "smtp/body_encoder.hpp"
#include "smtp/client_session.hpp"
#include "smtp/credential_mask.hpp"
#include "smtp/sasl_client.hpp"

namespace smtp {

// The commands of a transaction whose replies are still to come, in order.
enum class Command : std::uint8_t { rset, mail, rcpt, data, chunk, last_chunk, final_dot };

struct Expected {
    Command command = Command::mail;
    std::uint32_t recipient = 0;   // index, for rcpt
    std::size_t script_begin = 0;  // the command's text in script, without PIPELINING
    std::size_t script_end = 0;
};

enum class BodyState : std::uint8_t {
    waiting,  // MAIL, RCPT, DATA are not answered yet
    open,     // BodyWanted
    ending,   // the last piece was written and is held back until FinalDotSent was reported
    sent,
    abandoned  // the server refused before the end
};

enum class RecipientState : std::uint8_t { asked, accepted, resolved };

// One transaction under way.
struct ClientTransaction {
    std::vector<RecipientResult> results;
    std::vector<RecipientState> states;
    std::size_t accepted = 0;
    std::vector<Expected> expected;
    std::size_t answered = 0;  // how many of expected
    std::string script;
    BodyState body = BodyState::waiting;
    BodyEncoder encoder{BodyFraming::dots};
    std::string chunk;
    std::size_t unanswered_chunks = 0;
    bool chunking = false;
    bool mail_accepted = false;
    bool end_given = false;  // the final dot or last chunk went out with take_output()

    [[nodiscard]] bool all_answered() const { return answered == expected.size(); }
};

struct ClientSession::State {
    enum class Phase : std::uint8_t {
        greeting,
        ehlo,
        helo,
        starttls,
        handshake,
        auth,
        ready,
        transaction,
        quitting,
        closed
    };
    static constexpr std::size_t nothing_held = std::numeric_limits<std::size_t>::max();

    explicit State(ClientOptions session_options);

    // client_session.cpp
    ClientEvent next_event();
    std::string take_output();
    void handle(Reply reply);
    void fail(Stage where, const Reply& reply, std::string problem);
    void enter(Phase next, Stage where);
    void unexpected(const Reply& reply);

    // client_handshake.cpp
    void on_greeting(const Reply& reply);
    void on_ehlo(const Reply& reply);
    void on_helo(const Reply& reply);
    void on_starttls(const Reply& reply);
    void on_auth(const Reply& reply);
    void say_hello();
    void start_tls();
    void sign_in();
    void send_initial(const SaslMechanism& mechanism);
    void answer_challenge(const Reply& reply);
    void become_ready();
    [[nodiscard]] bool wants_sign_in() const;
    [[nodiscard]] bool encrypted() const {
        return tls_active || options.tls == ClientTls::implicit;
    }

    // client_transaction.cpp
    void begin(const Transaction& request);
    void prepare(const Transaction& request);
    [[nodiscard]] bool begin_early(const Transaction& request);
    [[nodiscard]] bool can_begin_early() const;
    void on_transaction_reply(const Reply& reply);
    void on_mail(const Reply& reply);
    void on_rcpt(std::uint32_t recipient, const Reply& reply);
    void on_sign_in_wanted(const Reply& reply);
    void on_data(const Reply& reply);
    void on_chunk(const Reply& reply);
    void on_end(Command command, const Reply& reply);
    void advance();
    void refuse_unsendable(const Transaction& request);
    void write_commands(const Transaction& request);
    void expect(Command command, std::uint32_t recipient, std::size_t begin_of_text);
    void send_next_command();
    void resolve_accepted(const Reply& reply, Stage where);
    void lose_transaction(Stage where, const Reply& reply, const std::string& problem);
    void finish_transaction();
    [[nodiscard]] Stage transaction_stage() const;
    [[nodiscard]] std::string& command_target();

    // client_body.cpp
    void write_body(std::string_view piece, bool last);
    void write_chunks(std::string_view piece, bool last);
    void write_chunk(bool last);
    void release_end();
    void abandon_body();
    [[nodiscard]] bool body_wanted() const;

    ClientOptions options;
    ReplyParser parser;
    std::string output;
    std::size_t held_from = nothing_held;  // output behind it waits for FinalDotSent
    Extensions extensions;
    Phase phase = Phase::greeting;
    Stage stage = Stage::greeting;
    bool tls_active = false;
    std::string channel_binding;
    std::unique_ptr<SaslClient> sasl;
    std::string mechanism;
    CredentialMask mask;  // of every reply from the sign-in on
    Reply auth_reply;
    std::deque<ClientEvent> events;
    ClientTransaction transaction;
    std::optional<ClientTransaction> following;  // its commands are behind the end of `transaction`
    bool begun_early = false;  // `transaction` was following, and begin() is to come
    std::uint64_t replies = 0;
    bool needs_rset = false;  // the server may still be inside a transaction that failed
};

}  // namespace smtp
