#include <fmt/format.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "tls/stream_state.hpp"

namespace tls {

namespace asio = boost::asio;

namespace {

using SharedState = std::shared_ptr<Stream::State>;

bool looks_like_tls(std::string_view first_bytes) {
    // RFC 8446 section 5.1: change_cipher_spec 20, alert 21, handshake 22, application_data 23.
    return first_bytes.empty() || (first_bytes[0] >= 20 && first_bytes[0] <= 23);
}

std::string first_line(std::string_view text) {
    return base::printable(text.substr(0, text.find_first_of("\r\n")), 80);
}

// The bytes that wait to be read; they stay where they are.
std::string peek(Stream::State& state) {
    std::array<char, 200> buffer;
    const ssize_t count =
        ::recv(state.socket.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_PEEK);
    std::string text{state.incoming.waiting()};
    text.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return text;
}

// What a server answered in the place of TLS.
std::string clear_text(std::string_view text) {
    return fmt::format(
        "the peer does not speak TLS here: it answered in clear text, \"{}\" (wrong port or TLS "
        "mode)",
        first_line(text));
}

// The PROXY protocol, version 1 or 2: no client of anything else begins so.
bool begins_proxy_header(std::string_view text) {
    constexpr std::string_view binary{"\r\n\r\n\0", 5};
    return text.starts_with(binary) || text.starts_with("PROXY ");
}

// What a client said in the place of TLS. Its line may hold a password, as that of AUTH does, and
// so may any word that is no verb of a protocol: only a verb gets into a message.
std::string clear_text_of_client(std::string_view text) {
    constexpr std::array<std::string_view, 18> verbs{
        "EHLO", "HELO", "LHLO", "AUTH",  "MAIL", "RCPT", "DATA",    "BDAT",    "QUIT",
        "NOOP", "RSET", "HELP", "PROXY", "GET",  "POST", "CONNECT", "OPTIONS", "STARTTLS"};
    const std::string_view said =
        begins_proxy_header(text) ? "PROXY" : text.substr(0, text.find_first_of(" \t\r\n"));
    const std::string word = base::to_upper(said);
    const bool known = std::find(verbs.begin(), verbs.end(), word) != verbs.end();
    return fmt::format(
        "the client does not speak TLS here: it {} in clear text (wrong port or TLS mode)",
        known ? fmt::format("said {}", word) : "spoke");
}

HandshakeInfo describe(SSL* ssl) {
    HandshakeInfo info;
    info.version = SSL_get_version(ssl);
    info.cipher = SSL_get_cipher_name(ssl);
    info.resumed = SSL_session_reused(ssl) == 1;
    if (const X509* peer = SSL_get0_peer_certificate(ssl); peer != nullptr) {
        info.peer_subject = name_of(X509_get_subject_name(peer));
        info.peer_issuer = name_of(X509_get_issuer_name(peer));
        info.peer_fingerprint = base::base64_encode(key_digest(*peer));
        info.peer_names = names_of(*peer);
        info.peer_not_after = time_of(X509_get0_notAfter(peer));
    }
    return info;
}

HandshakeFailure failure(std::string message) {
    HandshakeFailure made;
    made.message = std::move(message);
    return made;
}

HandshakeFailure in_clear_text(const Session& session, std::string_view text) {
    HandshakeFailure made = failure(session.client ? clear_text(text) : clear_text_of_client(text));
    made.clear_text = true;
    made.proxy_header = begins_proxy_header(text);
    return made;
}

// Why the handshake failed, best explanation first.
HandshakeFailure explain(Stream::State& state, const base::Error& error) {
    const Session& session = *state.session;
    if (session.client) {
        const Verification& verification = session.client->verification;
        HandshakeFailure made = failure(verification.problems());
        made.faults = verification.faults();
        if (!made.message.empty()) return made;
    }
    if (!looks_like_tls(session.first_bytes)) {
        return in_clear_text(session, session.first_bytes + peek(state));
    }
    switch (state.reason) {
        case CloseReason::end_of_file:
            return failure("the peer closed the connection during the handshake");
        case CloseReason::reset:
            return failure("the peer reset the connection during the handshake");
        default:
            HandshakeFailure made = failure(error.message);
            made.timed_out = state.reason == CloseReason::timeout;
            return made;
    }
}

// Names with whom.
HandshakeFailure failed_with(const Stream::State& state, HandshakeFailure why) {
    why.message =
        state.session && state.session->client
            ? fmt::format("TLS with {} failed: {}", state.session->client->cache_key, why.message)
            : fmt::format("the TLS handshake failed: {}", why.message);
    return why;
}

Step handshake_step(Stream::State& state) {
    ERR_clear_error();
    const int result = SSL_do_handshake(state.session->ssl.get());
    if (result == 1) return {};
    return state.judge(result);
}

// A resumed session showed no certificate: the kept one is held against the pins again.
bool acceptable(Session& session) {
    if (!session.client || SSL_session_reused(session.ssl.get()) == 0) return true;
    const X509* peer = SSL_get0_peer_certificate(session.ssl.get());
    if (peer != nullptr && session.client->verification.judge_resumed(*peer)) return true;
    session.client->context.state().sessions.forget(session.client->cache_key);
    return false;
}

asio::awaitable<Handshake> shake_hands(SharedState shared) {
    Operation operation{std::move(shared)};
    Stream::State& state = operation.state();
    for (;;) {
        Step step = operation.check();
        if (step.progress == Progress::done) step = handshake_step(state);
        if (step.progress == Progress::failed) {
            co_return failed_with(state, explain(state, step.error));
        }
        if (step.progress == Progress::done) break;
        co_await operation.wait(step.progress);
    }
    if (!acceptable(*state.session)) {
        const Verification& verification = state.session->client->verification;
        HandshakeFailure why = failure(verification.problems());
        why.faults = verification.faults();
        co_return failed_with(state, std::move(why));
    }
    state.session->established = true;
    state.session->first_bytes = {};
    HandshakeInfo info = describe(state.session->ssl.get());
    if (state.session->client) {
        const Verification& verification = state.session->client->verification;
        info.problem = verification.problems();
        info.faults = verification.faults();
    }
    co_return info;
}

asio::awaitable<Handshake> fail_at_once(HandshakeFailure failure) { co_return failure; }

// The session with its SSL object over the socket.
std::unique_ptr<Session> new_session(Stream::State& state, SSL_CTX* context) {
    auto session = std::make_unique<Session>();
    session->descriptor = state.socket.native_handle();
    session->incoming = &state.incoming;
    session->ssl.reset(SSL_new(context));
    BIO* bio = session->ssl ? new_socket_bio(session.get()) : nullptr;
    if (bio == nullptr) return nullptr;
    SSL_set_bio(session->ssl.get(), bio, bio);
    return session;
}

// A server that talks before our ClientHello either does not speak TLS on this port or was made to
// say more than its answer to STARTTLS by somebody in between (RFC 3207 section 4.2).
std::optional<HandshakeFailure> early_bytes(Stream::State& state) {
    const std::string waiting = peek(state);
    if (waiting.empty()) return std::nullopt;
    if (!state.used) return in_clear_text(*state.session, waiting);
    return failure(fmt::format(
        "the peer sent more in clear text after agreeing to start TLS, which is an attack or a "
        "broken proxy: \"{}\"",
        first_line(waiting)));
}

std::optional<HandshakeFailure> prepare_client(Stream::State& state, ClientContext context,
                                               const Peer& peer) {
    SSL_CTX* native = context.native();
    state.session = new_session(state, native);
    if (!state.session) return failure("no memory for a TLS session");
    Session& session = *state.session;
    session.client = std::make_unique<ClientSession>(std::move(context), peer.host, peer.port);
    SSL* ssl = session.ssl.get();
    SSL_set_app_data(ssl, session.client.get());
    SSL_set_connect_state(ssl);
    const base::Result<> prepared = session.client->verification.prepare(ssl);
    if (!prepared) return failure(prepared.error().message);
    if (std::optional<HandshakeFailure> early = early_bytes(state)) return early;
    ClientContext::State& shared = session.client->context.state();
    const SessionPtr known = shared.sessions.take(session.client->cache_key);
    if (known) SSL_set_session(ssl, known.get());
    return std::nullopt;
}

std::optional<HandshakeFailure> check_open(const Stream::State& state) {
    if (!state.socket.is_open()) return failure("the connection is closed");
    if (state.session) return failure("the connection is encrypted already");
    return std::nullopt;
}

}  // namespace

asio::awaitable<Handshake> Stream::handshake_client(ClientContext context, Peer peer) {
    if (auto shut = check_open(*state_)) return fail_at_once(*std::move(shut));
    if (auto unfit = prepare_client(*state_, std::move(context), peer)) {
        state_->reason = CloseReason::other;
        return fail_at_once(failed_with(*state_, *std::move(unfit)));
    }
    return shake_hands(state_);
}

asio::awaitable<Handshake> Stream::handshake_server(ServerContext context) {
    if (auto shut = check_open(*state_)) return fail_at_once(*std::move(shut));
    state_->session = new_session(*state_, context.native());
    if (!state_->session) return fail_at_once(failure("no memory for a TLS session"));
    SSL_set_accept_state(state_->session->ssl.get());
    return shake_hands(state_);
}

void throw_exception_from_error(const HandshakeFailure& failure,
                                const boost::source_location& where) {
    base::throw_exception_from_error(failure, where);
}

}  // namespace tls
