#include "smtp/server_session.hpp"

#include <utility>

#include "smtp/server_state.hpp"

namespace smtp {
namespace {

constexpr unsigned most_errors = 20;
constexpr std::size_t most_output = std::size_t{16} * 1024;
constexpr std::size_t most_refused = 8;  // commands noted between two calls of take_refused()

}  // namespace

ServerSession::State::State(const ServerContext& given)
    : context(given),
      options(*given.options),
      tls_active(given.tls_active),
      channel_binding(given.channel_binding) {}

ServerSession::State::Next ServerSession::State::advance() {
    switch (phase) {
        case Phase::closing:
            if (std::exchange(body_open, false)) return event::BodyDiscarded{};
            return event::Closed{close_reason};
        case Phase::body:
            return body_ended ? finish_body() : read_body();
        case Phase::auth:
            return read_auth_response();
        case Phase::command:
            return read_command();
        case Phase::before_greeting:
        case Phase::waiting:
        case Phase::tls:
            break;
    }
    return event::NeedInput{};
}

ServerSession::State::Next ServerSession::State::need_input() {
    if (phase != Phase::body) input.release();
    return event::NeedInput{};
}

// The hot path: Reply's strings are for those who keep one.
void ServerSession::State::say(int code, std::string_view enhanced, std::string_view text) {
    const char digits[]{static_cast<char>('0' + code / 100),
                        static_cast<char>('0' + code / 10 % 10), static_cast<char>('0' + code % 10),
                        ' '};
    output.append(digits, sizeof digits);
    if (!enhanced.empty()) output.append(enhanced).append(" ");
    output.append(text).append("\r\n");
}

void ServerSession::State::answer(int code, std::string_view enhanced, std::string_view text) {
    say(code, enhanced, text);
    if (code < 400 || refused.size() >= most_refused) return;
    const bool addressed = current_verb == "MAIL" || current_verb == "RCPT";
    refused.push_back({current_verb,
                       std::string{addressed ? current_arguments : std::string_view{}},
                       Reply{code, std::string{enhanced}, std::string{text}}.one_line(), code});
}

void ServerSession::State::complain(const Refusal& fault) {
    if (is_excused(fault) || ++errors < most_errors) return answer(fault);
    refuse_and_close({421, "4.7.0", "Too many errors"}, "the client sent too many bad commands");
}

// RFC 2920: who pipelines says RCPT and DATA, or all of its chunks, before it can know that what
// came before was refused.
bool ServerSession::State::is_excused(const Refusal& fault) const {
    if (&fault == &mail_first) return transaction_refused;
    return &fault == &no_recipients && transaction && transaction->recipient_refused;
}

void ServerSession::State::close(std::string why) {
    phase = Phase::closing;
    pending = Request::none;
    close_reason = std::move(why);
    sasl.reset();
    input.clear();
}

void ServerSession::State::refuse_and_close(const Refusal& last, std::string why) {
    say(last.code, last.enhanced, last.text);
    close(std::move(why));
}

void ServerSession::State::reset_transaction() {
    transaction.reset();
    transaction_refused = false;
    bdat = false;
    refusal = nullptr;
    body_size = 0;
}

// RFC 3207 section 4.2: nothing that was said in the clear counts behind the handshake.
void ServerSession::State::forget_client() {
    input.clear();
    reset_transaction();
    greeted = extended = signed_in = false;
    client_name.clear();
    user.clear();
    sasl.reset();
}

void ServerSession::State::conclude(Request request, bool positive) {
    switch (request) {
        case Request::mail:
            transaction->accepted = positive;
            if (positive) break;
            reset_transaction();
            transaction_refused = true;
            break;
        case Request::rcpt:
            if (positive) {
                transaction->envelope.recipients.push_back(std::move(transaction->recipient));
            } else {
                transaction->recipient_refused = true;
            }
            break;
        case Request::body:
            reset_transaction();
            break;
        case Request::none:
            break;
    }
}

ServerSession::ServerSession(const ServerContext& context)
    : state_(std::make_unique<State>(context)) {}
ServerSession::~ServerSession() = default;
ServerSession::ServerSession(ServerSession&&) noexcept = default;

void ServerSession::greet() {
    state_->answer(220, "", state_->options.hostname + " ESMTP ready");
    state_->phase = State::Phase::command;
}

void ServerSession::refuse(const Reply& reply) { close_with(reply); }

void ServerSession::receive(std::string_view bytes) {
    if (state_->phase != State::Phase::closing) state_->input.append(bytes);
}

ServerEvent ServerSession::next_event() {
    while (true) {
        // Behind a peer that does not read, replies must not gather without limit.
        if (state_->output.size() > most_output) return event::OutputFull{};
        if (const State::Next event = state_->advance()) return *event;
    }
}

void ServerSession::block_sign_in(bool blocked) { state_->sign_in_blocked = blocked; }

void ServerSession::respond(const Reply& reply) {
    const State::Request request = std::exchange(state_->pending, State::Request::none);
    if (request == State::Request::none) return;
    reply.append_to(state_->output);
    state_->conclude(request, reply.positive());
    state_->phase = State::Phase::command;
    // RFC 5321 section 3.8: 421 announces that the channel closes.
    if (reply.code == 421) state_->close("closed after " + reply.one_line());
}

void ServerSession::tls_established(std::string channel_binding) {
    state_->forget_client();
    state_->tls_active = true;
    state_->channel_binding = std::move(channel_binding);
    if (state_->phase == State::Phase::tls) state_->phase = State::Phase::command;
}

void ServerSession::close_with(const Reply& reply) {
    reply.append_to(state_->output);
    state_->close("closed after " + reply.one_line());
}

std::string ServerSession::take_output() { return std::exchange(state_->output, {}); }

std::vector<RefusedCommand> ServerSession::take_refused() {
    return std::exchange(state_->refused, {});
}

const std::string& ServerSession::client_name() const { return state_->client_name; }

const std::string& ServerSession::authenticated_user() const { return state_->user; }

std::string_view ServerSession::protocol() const {
    const bool tls = state_->tls_active;
    const bool auth = state_->signed_in;
    if (state_->transaction && state_->transaction->envelope.smtputf8) {  // RFC 6531 section 4.3
        if (tls) return auth ? "UTF8SMTPSA" : "UTF8SMTPS";
        return auth ? "UTF8SMTPA" : "UTF8SMTP";
    }
    if (!state_->extended) return "SMTP";
    if (tls) return auth ? "ESMTPSA" : "ESMTPS";  // RFC 3848
    return auth ? "ESMTPA" : "ESMTP";
}

bool ServerSession::in_transaction() const {
    return state_->mail_accepted() || state_->pending != State::Request::none || state_->body_open;
}

bool ServerSession::within_line() const {
    const bool reads_lines =
        state_->phase == State::Phase::command || state_->phase == State::Phase::auth;
    return reads_lines && (!state_->input.empty() || state_->input.inside_line());
}

bool ServerSession::waits_behind_false_end() const {
    return state_->phase == State::Phase::body && !state_->bdat && state_->reader.false_end();
}

bool ServerSession::idle() const { return state_->input.empty() && state_->output.empty(); }

}  // namespace smtp
