#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/command.hpp"
#include "smtp/data_reader.hpp"
#include "smtp/input_buffer.hpp"
#include "smtp/sasl_server.hpp"
#include "smtp/server_session.hpp"

namespace smtp {

// Faults that more than one part finds.
inline constexpr Refusal mail_first{503, "5.5.1", "Say MAIL first"};
inline constexpr Refusal no_recipients{554, "5.5.1", "No valid recipients"};

// Private to the server session, whose parts are server_session.cpp (events and replies),
// server_commands.cpp (the table of commands), server_auth.cpp and server_body.cpp.
struct ServerSession::State {
    // Nothing: go on with what is buffered.
    using Next = std::optional<ServerEvent>;

    enum class Phase : std::uint8_t {
        before_greeting,
        command,
        waiting,  // for respond()
        auth,     // inside a SASL exchange
        body,     // content follows, of DATA or of one BDAT chunk
        tls,      // for tls_established()
        closing,  // nothing more is read
    };
    enum class Request : std::uint8_t { none, mail, rcpt, body };
    // How the peer ends its command lines; the first one decides.
    enum class LineEnd : std::uint8_t { undecided, crlf, lf };

    struct Transaction {
        bool accepted = false;  // MAIL got its 250
        Envelope envelope;
        Recipient recipient;  // of the RCPT that waits for its answer
        bool recipient_refused = false;
    };

    explicit State(const ServerContext& given);
    [[nodiscard]] bool mail_accepted() const { return transaction && transaction->accepted; }

    // server_session.cpp
    [[nodiscard]] Next advance();
    void say(int code, std::string_view enhanced, std::string_view text);
    void answer(int code, std::string_view enhanced, std::string_view text);
    void answer(const Refusal& fault) { answer(fault.code, fault.enhanced, fault.text); }
    // As answer(), and counts towards the limit of errors unless is_excused().
    void complain(const Refusal& fault);
    [[nodiscard]] bool is_excused(const Refusal& fault) const;
    void close(std::string why);
    void refuse_and_close(const Refusal& last, std::string why);
    void reset_transaction();
    void forget_client();
    void conclude(Request request, bool positive);
    [[nodiscard]] Next need_input();

    // server_commands.cpp
    struct Command;
    [[nodiscard]] Next read_command();
    [[nodiscard]] bool is_foreign_protocol();
    [[nodiscard]] Next refuse_http();
    [[nodiscard]] Next refuse_long_line();
    [[nodiscard]] bool accepts_line_end(InputBuffer::LineKind kind);
    [[nodiscard]] Next run_command(std::string_view line);
    [[nodiscard]] Next on_ehlo(std::string_view arguments);
    [[nodiscard]] Next on_helo(std::string_view arguments);
    [[nodiscard]] Next on_mail(std::string_view arguments);
    [[nodiscard]] Next on_rcpt(std::string_view arguments);
    [[nodiscard]] Next on_rset(std::string_view arguments);
    [[nodiscard]] Next on_noop(std::string_view arguments);
    [[nodiscard]] Next on_quit(std::string_view arguments);
    [[nodiscard]] Next on_vrfy(std::string_view arguments);
    [[nodiscard]] Next on_expn(std::string_view arguments);
    [[nodiscard]] Next on_help(std::string_view arguments);
    [[nodiscard]] Next on_starttls(std::string_view arguments);
    [[nodiscard]] bool greet_client(std::string_view name);
    void answer_ehlo();

    // server_auth.cpp
    [[nodiscard]] Next on_auth(std::string_view arguments);
    [[nodiscard]] std::string auth_offer() const;
    [[nodiscard]] Next read_auth_response();
    [[nodiscard]] Next take_auth_response(std::string_view text);
    [[nodiscard]] Next take_auth_step(SaslServer::Step step);
    void send_challenge(std::string_view challenge);
    [[nodiscard]] Next fail_auth();
    [[nodiscard]] bool offers(const SaslServerMechanism& mechanism) const;
    [[nodiscard]] bool plaintext_allowed() const {
        return tls_active || context.plaintext_auth_allowed;
    }

    // server_body.cpp
    [[nodiscard]] Next on_data(std::string_view arguments);
    [[nodiscard]] Next on_bdat(std::string_view arguments);
    [[nodiscard]] Next read_body();
    [[nodiscard]] Next pass_on(std::string_view content);
    void refuse_body(const Refusal& fault);
    [[nodiscard]] Next finish_body();
    [[nodiscard]] const Refusal* content_fault() const;
    [[nodiscard]] const Refusal* bdat_fault() const;
    [[nodiscard]] Next begin_content();

    ServerContext context;
    const ServerOptions& options;
    InputBuffer input;
    std::string output;
    std::string_view current_verb;       // of the command under way, or last
    std::string_view current_arguments;  // its own, valid while it runs
    std::vector<RefusedCommand> refused;

    Phase phase = Phase::before_greeting;
    Request pending = Request::none;
    LineEnd line_end = LineEnd::undecided;
    std::string close_reason;
    unsigned errors = 0;
    unsigned auth_failures = 0;
    bool sign_in_blocked = false;

    bool tls_active;
    std::string channel_binding;
    bool greeted = false;   // EHLO or HELO was said
    bool extended = false;  // EHLO was
    std::string client_name;
    bool signed_in = false;
    std::string user;
    std::unique_ptr<SaslServer> sasl;

    std::unique_ptr<Transaction> transaction;  // from MAIL on; most connections idle without one
    bool transaction_refused = false;  // the last one, for what it was, not for how it was said

    DataReader reader;
    bool body_open = false;   // BodyStarted was told, and neither its end nor its failure
    bool body_ended = false;  // the chunk or the dot was read; finish_body() is next
    bool bdat = false;        // the content comes in BDAT chunks
    bool bdat_last = false;
    std::uint64_t chunk_left = 0;
    std::uint64_t body_size = 0;
    const Refusal* refusal = nullptr;  // the content is read to its end, and this is the answer
};

}  // namespace smtp
