#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/text.hpp"
#include "smtp/client_state.hpp"

namespace smtp {
namespace {

// Up to this size the content goes out in one write with MAIL and RCPT.
constexpr std::uint64_t max_eager_body = 64 * 1024;

constexpr std::string_view smtputf8_missing =
    "needs SMTPUTF8 (RFC 6531), which the server does not offer";

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Why an address must not be written into a command, "" when it may. Whatever a caller passes,
// it never becomes a second command or parameter.
std::string_view address_fault(std::string_view address, bool smtputf8) {
    bool quoted = false;
    for (std::size_t i = 0; i < address.size(); ++i) {
        const char c = address[i];
        if (is_control(c)) return "holds a control character";
        if (c == '"') quoted = !quoted;
        if (c == '\\' && quoted && i + 1 < address.size() && !is_control(address[i + 1])) ++i;
        if (!quoted && (c == '<' || c == '>' || c == ' ')) return "is not an address";
    }
    if (quoted) return "has a quote that does not end";
    if (!smtputf8 && !base::is_ascii(address)) return smtputf8_missing;
    return {};
}

// RFC 3463 section 3.2 and RFC 6531 section 3.7.4.1: there is no reply to take it from.
std::string status_of(std::string_view fault, Stage stage) {
    if (fault == smtputf8_missing) return std::string{needs_smtputf8_status};
    return stage == Stage::mail ? "5.1.7" : "5.1.3";
}

// ENVID and ORCPT come xtext-encoded (RFC 3461 section 4), so they are printable without blanks.
bool is_parameter(std::string_view text, bool smtputf8) {
    return !text.empty() && (smtputf8 || base::is_ascii(text)) &&
           std::ranges::none_of(text, [](char c) { return is_control(c) || c == ' '; });
}

std::string_view body_parameter(BodyType body, const Extensions& server) {
    if (body == BodyType::binary_mime && server.binary_mime && server.chunking) {
        return " BODY=BINARYMIME";
    }
    const bool eight_bit = body != BodyType::seven_bit && server.eight_bit_mime;
    return eight_bit ? " BODY=8BITMIME" : "";
}

void write_mail(const Transaction& request, const Extensions& server, std::string& out) {
    const Envelope& envelope = request.envelope;
    out += "MAIL FROM:<";
    out += envelope.reverse_path;
    out += '>';
    if (server.size_offered) {
        fmt::format_to(std::back_inserter(out), " SIZE={}", request.body_size);
    }
    out += body_parameter(envelope.body, server);
    if (envelope.smtputf8 && server.smtputf8) out += " SMTPUTF8";
    if (server.dsn) {
        if (envelope.ret == Ret::full) out += " RET=FULL";
        if (envelope.ret == Ret::headers) out += " RET=HDRS";
        if (is_parameter(envelope.envid, false)) {
            out += " ENVID=";
            out += envelope.envid;
        }
    }
    out += "\r\n";
}

void write_rcpt(const Recipient& recipient, const Extensions& server, bool smtputf8,
                std::string& out) {
    out += "RCPT TO:<";
    out += recipient.address;
    out += '>';
    if (server.dsn) {
        if (recipient.notify.given()) {
            out += " NOTIFY=";
            out += recipient.notify.text();
        }
        if (is_parameter(recipient.orcpt, smtputf8)) {
            out += " ORCPT=";
            out += recipient.orcpt;
        }
    }
    out += "\r\n";
}

// RFC 4954 section 6: 530 may answer any command. It says nothing about the message, nor do the
// other replies of a sign-in where one is not under way.
bool asks_for_sign_in(const Reply& reply) {
    return reply.code == 530 || reply.code == 534 || reply.code == 535 || reply.code == 538;
}

Outcome refusal(const Reply& reply, Stage where) {
    if (asks_for_sign_in(reply)) return Outcome::deferred;
    // RFC 5321 section 4.5.3.1.10: such a 552 is to be read as 452. Any other (a full mailbox) is
    // meant as it says.
    if (where == Stage::rcpt && too_many_recipients(reply)) return Outcome::deferred;
    return reply.permanent() ? Outcome::failed : Outcome::deferred;
}

}  // namespace

void ClientSession::State::begin(const Transaction& request) {
    prepare(request);
    ClientTransaction& t = transaction;
    phase = Phase::transaction;
    if (std::ranges::count(t.states, RecipientState::asked) == 0) return finish_transaction();
    write_commands(request);
    const bool eager = t.chunking && extensions.pipelining && request.body_size <= max_eager_body;
    if (eager) t.body = BodyState::open;
}

// A refused BDAT may leave the server inside the transaction; a final dot ends it.
bool ClientSession::State::can_begin_early() const {
    return phase == Phase::transaction && transaction.body == BodyState::ending &&
           extensions.pipelining && !transaction.chunking && !needs_rset && !following;
}

bool ClientSession::State::begin_early(const Transaction& request) {
    ClientTransaction present = std::exchange(transaction, {});
    prepare(request);
    const bool sendable = std::ranges::all_of(
        transaction.states, [](RecipientState state) { return state == RecipientState::asked; });
    if (sendable) {
        write_commands(request);
        following = std::move(transaction);
    }
    transaction = std::move(present);
    return sendable;
}

void ClientSession::State::prepare(const Transaction& request) {
    const std::size_t count = request.envelope.recipients.size();
    ClientTransaction& t = transaction;
    t.results.assign(count, {});
    t.states.assign(count, RecipientState::asked);
    t.expected.clear();
    t.script.clear();
    t.chunk.clear();
    t.accepted = t.answered = t.unanswered_chunks = 0;
    t.mail_accepted = t.end_given = false;
    t.chunking = extensions.chunking;
    const bool raw = request.envelope.body == BodyType::binary_mime && extensions.binary_mime;
    t.encoder = BodyEncoder{!t.chunking ? BodyFraming::dots
                            : raw       ? BodyFraming::raw
                                        : BodyFraming::lines};
    t.body = BodyState::waiting;
    refuse_unsendable(request);
}

void ClientSession::State::refuse_unsendable(const Transaction& request) {
    const bool smtputf8 = request.envelope.smtputf8 && extensions.smtputf8;
    const std::string_view sender = address_fault(request.envelope.reverse_path, smtputf8);
    for (std::size_t i = 0; i < transaction.results.size(); ++i) {
        const std::string& address = request.envelope.recipients[i].address;
        const std::string_view own =
            address.empty() ? "is empty" : address_fault(address, smtputf8);
        if (sender.empty() && own.empty()) continue;
        RecipientResult& result = transaction.results[i];
        result.outcome = Outcome::failed;
        result.stage = sender.empty() ? Stage::rcpt : Stage::mail;
        const std::string_view fault = sender.empty() ? own : sender;
        result.reply.enhanced = status_of(fault, result.stage);
        result.needs_smtputf8 = fault == smtputf8_missing;
        result.problem = sender.empty()
                             ? fmt::format("the recipient \"{}\" {}", base::printable(address), own)
                             : fmt::format("the sender \"{}\" {}",
                                           base::printable(request.envelope.reverse_path), sender);
        transaction.states[i] = RecipientState::resolved;
    }
}

// With PIPELINING all goes out at once (RFC 2920 section 3.1), else into the script.
std::string& ClientSession::State::command_target() {
    return extensions.pipelining ? output : transaction.script;
}

void ClientSession::State::write_commands(const Transaction& request) {
    std::string& target = command_target();
    const auto write = [&](Command command, std::uint32_t recipient, auto&& text) {
        const std::size_t begin_of_text = target.size();
        text();
        expect(command, recipient, begin_of_text);
    };
    const bool smtputf8 = request.envelope.smtputf8 && extensions.smtputf8;
    if (needs_rset) write(Command::rset, 0, [&] { target += "RSET\r\n"; });
    write(Command::mail, 0, [&] { write_mail(request, extensions, target); });
    for (std::uint32_t i = 0; i < transaction.states.size(); ++i) {
        if (transaction.states[i] != RecipientState::asked) continue;
        write(Command::rcpt, i,
              [&] { write_rcpt(request.envelope.recipients[i], extensions, smtputf8, target); });
    }
    if (extensions.pipelining && !transaction.chunking) {
        write(Command::data, 0, [&] { target += "DATA\r\n"; });
    }
    if (!extensions.pipelining) send_next_command();
}

void ClientSession::State::expect(Command command, std::uint32_t recipient,
                                  std::size_t begin_of_text) {
    transaction.expected.push_back({command, recipient, begin_of_text, transaction.script.size()});
}

void ClientSession::State::send_next_command() {
    const Expected& next = transaction.expected[transaction.answered];
    output.append(transaction.script, next.script_begin, next.script_end - next.script_begin);
}

void ClientSession::State::on_transaction_reply(const Reply& reply) {
    if (reply.code == 421) {
        return fail(transaction_stage(), reply, "the server closes the connection");
    }
    if (transaction.all_answered()) {
        // Some servers refuse in the midst of DATA. It is their last word on this message, but no
        // one knows what they make of the bytes that are still on the way.
        if (!reply.positive()) resolve_accepted(reply, Stage::body);
        return fail(Stage::body, reply, "the server sent a reply that nothing asked for");
    }
    const Expected expected = transaction.expected[transaction.answered++];
    switch (expected.command) {
        case Command::rset:
            needs_rset = false;
            if (reply.code / 100 != 2) {
                return fail(Stage::mail, reply, "the server refuses RSET");
            }
            break;
        case Command::mail:
            on_mail(reply);
            break;
        case Command::rcpt:
            on_rcpt(expected.recipient, reply);
            break;
        case Command::data:
            on_data(reply);
            break;
        case Command::chunk:
            on_chunk(reply);
            break;
        case Command::last_chunk:
        case Command::final_dot:
            on_end(expected.command, reply);
            break;
    }
    if (phase == Phase::transaction) advance();
}

void ClientSession::State::on_mail(const Reply& reply) {
    transaction.mail_accepted = reply.code / 100 == 2;
    if (transaction.mail_accepted) return;
    if (asks_for_sign_in(reply)) return on_sign_in_wanted(reply);
    for (std::size_t i = 0; i < transaction.states.size(); ++i) {
        if (transaction.states[i] == RecipientState::resolved) continue;
        transaction.results[i] = {refusal(reply, Stage::mail), Stage::mail, reply, {}};
        transaction.states[i] = RecipientState::resolved;
    }
    if (!extensions.pipelining) transaction.expected.resize(transaction.answered);
}

void ClientSession::State::on_rcpt(std::uint32_t recipient, const Reply& reply) {
    if (transaction.states[recipient] == RecipientState::resolved) return;  // MAIL was refused
    if (transaction.accepted == 0 && asks_for_sign_in(reply)) return on_sign_in_wanted(reply);
    if (reply.code / 100 == 2) {
        transaction.states[recipient] = RecipientState::accepted;
        ++transaction.accepted;
        return;
    }
    transaction.results[recipient] = {refusal(reply, Stage::rcpt), Stage::rcpt, reply, {}};
    transaction.states[recipient] = RecipientState::resolved;
}

// Nothing was taken and nothing can be: as with a refused AUTH the smarthost is what fails, and the
// mail waits.
void ClientSession::State::on_sign_in_wanted(const Reply& reply) {
    const std::string problem =
        encrypted() ? "the server takes no mail without a sign-in (username and password)"
                    : "the server takes no mail without STARTTLS or a sign-in";
    for (std::size_t i = 0; i < transaction.states.size(); ++i) {
        if (transaction.states[i] == RecipientState::resolved) continue;
        RecipientResult& result = transaction.results[i];
        result.outcome = Outcome::deferred;
        result.stage = Stage::auth;
        result.problem = fmt::format("{}: {}", problem, reply.one_line());
        transaction.states[i] = RecipientState::resolved;
    }
    fail(Stage::auth, reply, problem);
}

void ClientSession::State::on_data(const Reply& reply) {
    if (reply.code / 100 == 2) {
        return fail(Stage::data, reply, "the server answers DATA as if it were another command");
    }
    if (!reply.positive()) {
        needs_rset = transaction.mail_accepted;
        resolve_accepted(reply, Stage::data);
        transaction.body = BodyState::abandoned;
        return;
    }
    if (transaction.accepted > 0) {
        transaction.body = BodyState::open;
        return;
    }
    // RFC 2920 section 3.1: DATA was pipelined and the server took it although it has no
    // recipient. An empty message ends it.
    output += ".\r\n";
    expect(Command::final_dot, 0, 0);
    transaction.body = BodyState::sent;
}

void ClientSession::State::on_chunk(const Reply& reply) {
    --transaction.unanswered_chunks;
    if (reply.code / 100 == 2) return;
    needs_rset =
        transaction.mail_accepted;  // RFC 3030 section 2: the rest of the transaction is void
    resolve_accepted(reply, Stage::body);
    abandon_body();
}

void ClientSession::State::on_end(Command command, const Reply& reply) {
    if (reply.code / 100 == 3) {
        return fail(Stage::final_dot, reply, "the server's last answer is no last answer");
    }
    // A refused last chunk may leave the server inside the transaction, a refused dot does not.
    needs_rset = command == Command::last_chunk && !reply.positive() && transaction.mail_accepted;
    if (!reply.positive()) return resolve_accepted(reply, Stage::final_dot);
    for (std::size_t i = 0; i < transaction.states.size(); ++i) {
        if (transaction.states[i] != RecipientState::accepted) continue;
        transaction.results[i] = {Outcome::delivered, Stage::final_dot, reply, {}};
        transaction.states[i] = RecipientState::resolved;
    }
    transaction.accepted = 0;
}

// What comes after a reply.
void ClientSession::State::advance() {
    ClientTransaction& t = transaction;
    if (!t.all_answered()) {
        if (!extensions.pipelining && t.body == BodyState::waiting) send_next_command();
        return;
    }
    if (t.body == BodyState::sent || t.body == BodyState::abandoned) return finish_transaction();
    if (t.accepted == 0) {
        needs_rset = t.mail_accepted;
        abandon_body();
        return finish_transaction();
    }
    if (t.body != BodyState::waiting) return;
    if (t.chunking) {
        t.body = BodyState::open;
        return;
    }
    const std::size_t begin_of_text = t.script.size();
    t.script += "DATA\r\n";
    expect(Command::data, 0, begin_of_text);
    send_next_command();
}

void ClientSession::State::resolve_accepted(const Reply& reply, Stage where) {
    for (std::size_t i = 0; i < transaction.states.size(); ++i) {
        if (transaction.states[i] != RecipientState::accepted) continue;
        transaction.results[i] = {refusal(reply, where), where, reply, {}};
        transaction.states[i] = RecipientState::resolved;
    }
    transaction.accepted = 0;
}

// The session ends under the transaction. Who has no answer yet gets the best that can be said:
// after the end of the content was handed out nobody knows whether the server took it, unless
// it says that it did not (421).
void ClientSession::State::lose_transaction(Stage where, const Reply& reply,
                                            const std::string& problem) {
    if (begun_early) return;  // nobody waits for its results
    ClientTransaction& t = transaction;
    const bool unknown = t.end_given && reply.code != 421;
    for (std::size_t i = 0; i < t.states.size(); ++i) {
        if (t.states[i] == RecipientState::resolved) continue;
        RecipientResult& result = t.results[i];
        result.outcome = unknown ? Outcome::unknown : Outcome::deferred;
        result.stage = where;
        if (reply.transient() || reply.permanent()) {
            result.reply = reply;
        } else {
            result.problem = problem;
        }
    }
    if (held_from != nothing_held) output.resize(held_from);
    held_from = nothing_held;
    events.emplace_back(event::TransactionDone{std::move(t.results)});
}

void ClientSession::State::finish_transaction() {
    enter(Phase::ready, Stage::mail);
    events.emplace_back(event::TransactionDone{std::move(transaction.results)});
    if (transaction.chunk.capacity() > max_eager_body) transaction.chunk = {};
    if (!following) return;
    transaction = *std::exchange(following, std::nullopt);
    begun_early = true;
    phase = Phase::transaction;
}

Stage ClientSession::State::transaction_stage() const {
    if (transaction.all_answered()) return Stage::body;
    switch (transaction.expected[transaction.answered].command) {
        case Command::rset:
        case Command::mail:
            return Stage::mail;
        case Command::rcpt:
            return Stage::rcpt;
        case Command::data:
            return Stage::data;
        case Command::chunk:
            return Stage::body;
        case Command::last_chunk:
        case Command::final_dot:
            return Stage::final_dot;
    }
    return Stage::body;
}

}  // namespace smtp
