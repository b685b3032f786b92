#include <fmt/format.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "tls/stream_state.hpp"

namespace tls {
namespace {

using SharedState = std::shared_ptr<Stream::State>;

bool looks_like_tls(std::string_view first_bytes) {
    // RFC 8446 section 5.1: change_cipher_spec 20, alert 21, handshake 22, application_data 23.
    return first_bytes.empty() || (first_bytes[0] >= 20 && first_bytes[0] <= 23);
}

std::string first_line(std::string_view text) {
    return base::printable(text.substr(0, text.find_first_of("\r\n")), 80);
}

// The bytes that wait in the socket; they stay there.
std::string peek(Socket& socket) {
    std::array<char, 200> buffer;
    const ssize_t count =
        ::recv(socket.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_PEEK);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

// What a server answered in the place of TLS.
std::string clear_text(std::string_view text) {
    return fmt::format(
        "the peer does not speak TLS here: it answered in clear text, \"{}\" (wrong port or TLS "
        "mode)",
        first_line(text));
}

// What a client said in the place of TLS. Its line may hold a password, as that of AUTH does, and
// so may any word that is no verb of a protocol: only a verb gets into a message.
std::string clear_text_of_client(std::string_view text) {
    constexpr std::array<std::string_view, 18> verbs{
        "EHLO", "HELO", "LHLO", "AUTH",  "MAIL", "RCPT", "DATA",    "BDAT",    "QUIT",
        "NOOP", "RSET", "HELP", "PROXY", "GET",  "POST", "CONNECT", "OPTIONS", "STARTTLS"};
    // Version 2 of the PROXY protocol begins so; no client of anything else does.
    constexpr std::string_view binary_proxy{"\r\n\r\n\0", 5};
    const std::string_view said =
        text.starts_with(binary_proxy) ? "PROXY" : text.substr(0, text.find_first_of(" \t\r\n"));
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

// Why the handshake failed, best explanation first.
std::string explain(Stream::State& state, const base::Error& error) {
    const Session& session = *state.session;
    if (session.client) {
        std::string problems = session.client->verification.problems();
        if (!problems.empty()) return problems;
    }
    if (!looks_like_tls(session.first_bytes)) {
        const std::string text = session.first_bytes + peek(state.socket);
        return session.client ? clear_text(text) : clear_text_of_client(text);
    }
    switch (state.reason) {
        case CloseReason::end_of_file:
            return "the peer closed the connection during the handshake";
        case CloseReason::reset:
            return "the peer reset the connection during the handshake";
        default:
            return error.message;
    }
}

base::Error failed_with(const Stream::State& state, std::string_view why) {
    if (state.session && state.session->client) {
        return base::error(
            fmt::format("TLS with {} failed: {}", state.session->client->cache_key, why));
    }
    return base::error(fmt::format("the TLS handshake failed: {}", why));
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

Awaitable<HandshakeInfo> shake_hands(SharedState shared) {
    Operation operation{std::move(shared)};
    Stream::State& state = operation.state();
    for (;;) {
        Step step = operation.check();
        if (step.progress == Progress::done) step = handshake_step(state);
        if (step.progress == Progress::failed) {
            const std::string why = explain(state, step.error);
            co_return failed_with(state, why);
        }
        if (step.progress == Progress::done) break;
        co_await operation.wait(step.progress);
    }
    if (!acceptable(*state.session)) {
        const std::string why = state.session->client->verification.problems();
        co_return failed_with(state, why);
    }
    state.session->established = true;
    state.session->first_bytes = {};
    HandshakeInfo info = describe(state.session->ssl.get());
    if (state.session->client) {
        const Verification& verification = state.session->client->verification;
        info.problem = verification.problems();
        info.wrong_name = verification.found(Verification::Kind::name);
        info.wrong_time = verification.found(Verification::Kind::time);
        info.unknown_issuer = verification.found(Verification::Kind::trust);
    }
    co_return info;
}

Awaitable<HandshakeInfo> fail_at_once(base::Error error) { co_return error; }

// The session with its SSL object over the socket.
std::unique_ptr<Session> new_session(Socket& socket, SSL_CTX* context) {
    auto session = std::make_unique<Session>();
    session->descriptor = socket.native_handle();
    session->ssl.reset(SSL_new(context));
    BIO* bio = session->ssl ? new_socket_bio(session.get()) : nullptr;
    if (bio == nullptr) return nullptr;
    SSL_set_bio(session->ssl.get(), bio, bio);
    return session;
}

// A server that talks before our ClientHello either does not speak TLS on this port or was made to
// say more than its answer to STARTTLS by somebody in between (RFC 3207 section 4.2).
std::string early_bytes(Stream::State& state) {
    const std::string waiting = peek(state.socket);
    if (waiting.empty()) return {};
    if (!state.used) return clear_text(waiting);
    return fmt::format(
        "the peer sent more in clear text after agreeing to start TLS, which is an attack or a "
        "broken proxy: \"{}\"",
        first_line(waiting));
}

base::Result<> prepare_client(Stream::State& state, ClientContext context, const Peer& peer) {
    SSL_CTX* native = context.native();
    state.session = new_session(state.socket, native);
    if (!state.session) return base::error("no memory for a TLS session");
    Session& session = *state.session;
    session.client = std::make_unique<ClientSession>(std::move(context), peer.host, peer.port);
    SSL* ssl = session.ssl.get();
    SSL_set_app_data(ssl, session.client.get());
    SSL_set_connect_state(ssl);
    const base::Result<> prepared = session.client->verification.prepare(ssl);
    if (!prepared) return prepared;
    const std::string early = early_bytes(state);
    if (!early.empty()) return base::error(early);
    ClientContext::State& shared = session.client->context.state();
    const SessionPtr known = shared.sessions.take(session.client->cache_key);
    if (known) SSL_set_session(ssl, known.get());
    return {};
}

base::Result<> check_open(const Stream::State& state) {
    if (!state.socket.is_open()) return base::error("the connection is closed");
    if (state.session) return base::error("the connection is encrypted already");
    return {};
}

}  // namespace

Awaitable<HandshakeInfo> Stream::handshake_client(ClientContext context, Peer peer) {
    const base::Result<> open = check_open(*state_);
    if (!open) return fail_at_once(open.error());
    const base::Result<> prepared = prepare_client(*state_, std::move(context), peer);
    if (!prepared) {
        state_->reason = CloseReason::other;
        return fail_at_once(failed_with(*state_, prepared.error().message));
    }
    return shake_hands(state_);
}

Awaitable<HandshakeInfo> Stream::handshake_server(ServerContext context) {
    const base::Result<> open = check_open(*state_);
    if (!open) return fail_at_once(open.error());
    state_->session = new_session(state_->socket, context.native());
    if (!state_->session) return fail_at_once(base::error("no memory for a TLS session"));
    SSL_set_accept_state(state_->session->ssl.get());
    return shake_hands(state_);
}

}  // namespace tls
