#include "smtp/client_session.hpp"

#include <fmt/format.h>

#include <utility>

#include "smtp/client_state.hpp"

namespace smtp {

ClientSession::State::State(ClientOptions session_options) : options(std::move(session_options)) {}

ClientEvent ClientSession::State::next_event() {
    while (events.empty() && phase != Phase::closed) {
        if (std::optional<Reply> reply = parser.next()) {
            handle(std::move(*reply));
        } else if (parser.failed()) {
            fail(phase == Phase::transaction ? transaction_stage() : stage, {},
                 fmt::format("the server's answer cannot be read: {}", parser.problem()));
        } else {
            break;
        }
    }
    if (!events.empty()) {
        ClientEvent event = std::move(events.front());
        events.pop_front();
        return event;
    }
    if (phase == Phase::closed) return event::SessionClosed{};
    if (phase == Phase::transaction && transaction.body == BodyState::ending) {
        release_end();
        return event::FinalDotSent{};
    }
    if (phase == Phase::transaction && body_wanted()) return event::BodyWanted{};
    return event::ClientNeedInput{};
}

std::string ClientSession::State::take_output() {
    if (held_from != nothing_held) {
        std::string ready = output.substr(0, held_from);
        output.erase(0, held_from);
        held_from = 0;
        return ready;
    }
    if (phase == Phase::transaction && transaction.body == BodyState::sent) {
        transaction.end_given = true;
    }
    return std::exchange(output, {});
}

void ClientSession::State::handle(Reply reply) {
    ++replies;
    // A challenge is for the mechanism alone, which needs it as it is.
    if (phase != Phase::auth || reply.code / 100 != 3) mask.apply(reply.text);
    switch (phase) {
        case Phase::greeting:
            return on_greeting(reply);
        case Phase::ehlo:
            return on_ehlo(reply);
        case Phase::helo:
            return on_helo(reply);
        case Phase::starttls:
            return on_starttls(reply);
        case Phase::auth:
            return on_auth(reply);
        case Phase::transaction:
            return on_transaction_reply(reply);
        case Phase::handshake:
        case Phase::ready:
            return unexpected(reply);
        case Phase::quitting:
            phase = Phase::closed;
            return;
        case Phase::closed:
            return;
    }
}

// Nothing was asked. Mostly an idle connection that the server ends with 421.
void ClientSession::State::unexpected(const Reply& reply) {
    fail(stage, reply,
         reply.code == 421 ? "the server closes the connection"
                           : "the server sent a reply that nothing asked for");
}

void ClientSession::State::enter(Phase next, Stage where) {
    phase = next;
    stage = where;
}

void ClientSession::State::fail(Stage where, const Reply& reply, std::string problem) {
    if (phase == Phase::closed) return;
    mask.apply(problem);  // it may quote the server
    if (phase == Phase::transaction) lose_transaction(where, reply, problem);
    begun_early = false;
    phase = Phase::closed;
    stage = where;
    sasl.reset();
    events.emplace_back(
        event::SessionFailed{SessionFailure{where, reply, std::move(problem), reply.permanent()}});
}

ClientSession::ClientSession(ClientOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
ClientSession::~ClientSession() = default;
ClientSession::ClientSession(ClientSession&&) noexcept = default;

void ClientSession::receive(std::string_view bytes) { state_->parser.receive(bytes); }

ClientEvent ClientSession::next_event() { return state_->next_event(); }

std::string ClientSession::take_output() { return state_->take_output(); }

void ClientSession::tls_established(std::string channel_binding) {
    State& state = *state_;
    state.channel_binding = std::move(channel_binding);
    state.tls_active = true;
    if (state.phase != State::Phase::handshake) return;
    if (state.parser.buffered()) {
        state.fail(Stage::tls, {}, "data came in the clear between the reply to STARTTLS and TLS");
        return;
    }
    state.extensions = {};  // RFC 3207 section 4.2: what was said before counts no more
    state.say_hello();
}

void ClientSession::begin(const Transaction& transaction) {
    if (std::exchange(state_->begun_early, false)) return;
    if (state_->phase == State::Phase::ready) state_->begin(transaction);
}

bool ClientSession::begin_early(const Transaction& next) {
    return can_begin_early() && state_->begin_early(next);
}

bool ClientSession::can_begin_early() const { return state_->can_begin_early(); }

bool ClientSession::begun_early() const { return state_->begun_early; }

void ClientSession::write_body(std::string_view piece, bool last) {
    state_->write_body(piece, last);
}

void ClientSession::quit() {
    State& state = *state_;
    if (state.phase != State::Phase::ready) {
        if (state.phase == State::Phase::transaction) {
            state.lose_transaction(state.transaction_stage(), {}, "the session was ended");
        }
        state.begun_early = false;
        state.phase = State::Phase::closed;
        return;
    }
    state.output += "QUIT\r\n";
    state.enter(State::Phase::quitting, Stage::quit);
}

void ClientSession::connection_lost(std::string problem) {
    State& state = *state_;
    if (state.phase == State::Phase::quitting) {
        state.phase = State::Phase::closed;  // many servers do not wait for our FIN
        return;
    }
    // A server may refuse in the midst of the content and close: its reply is the result.
    while (state.phase != State::Phase::closed && !state.begun_early) {
        std::optional<Reply> reply = state.parser.next();
        if (!reply) break;
        state.handle(std::move(*reply));
    }
    state.fail(stage(), {}, std::move(problem));
}

const Extensions& ClientSession::extensions() const { return state_->extensions; }

Stage ClientSession::stage() const {
    if (state_->phase != State::Phase::transaction) return state_->stage;
    // A small message goes out in one write with its commands, and their replies may come with the
    // last one's: what is waited for is that one.
    return state_->transaction.end_given ? Stage::final_dot : state_->transaction_stage();
}

const std::string& ClientSession::auth_mechanism() const { return state_->mechanism; }

const Reply& ClientSession::auth_reply() const { return state_->auth_reply; }

std::uint64_t ClientSession::replies() const { return state_->replies; }

bool ClientSession::ready() const {
    return state_->phase == State::Phase::ready || state_->begun_early;
}

}  // namespace smtp
