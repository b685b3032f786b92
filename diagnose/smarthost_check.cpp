#include "diagnose/smarthost_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "base/text.hpp"
#include "diagnose/provider_catalogue.hpp"
#include "net/dial.hpp"
#include "smtp/client_session.hpp"
#include "smtp/credential_mask.hpp"
#include "tls/context.hpp"

namespace diagnose {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

// RFC 4954 section 6, and what servers say instead of it.
bool wants_sign_in(const smtp::Reply& reply) {
    return reply.code == 530 || reply.enhanced == "5.7.0" || reply.enhanced == "5.5.1" ||
           base::to_lower(reply.text).find("authenticat") != std::string::npos;
}

// Relaying is refused whoever the sender is, so that proves something even about a made-up one.
bool refuses_to_relay(const smtp::Reply& reply) {
    return base::to_lower(reply.text).find("relay") != std::string::npos;
}

// Silence that was listened to for less proves nothing: a first SYN gets lost, and servers look
// names up before they greet.
constexpr base::Duration connect_patience{2000}, handshake_patience{4000};
constexpr base::Duration implicit_patience{2000};  // of a look whether a mute port wants TLS

// Of a handshake on a fresh connection. After STARTTLS clear text is an attack or a broken proxy.
// A recipient that no smarthost keeps itself (RFC 2606), asked about where nothing else is known.
constexpr const char* outsider = "postmaster@example.com";

// One walk through a smarthost's stages; lives in the frame of check_smarthost().
class Walk {
 public:
    Walk(asio::any_io_executor executor, net::Resolver& resolver, const SmarthostAsk& ask,
         base::Duration timeout)
        : executor_(std::move(executor)),
          resolver_(resolver),
          ask_(ask),
          deadline_(SteadyClock::now() + timeout) {
        found_.name = ask.name;
        found_.host = ask.host;
        found_.provider = ask.provider.empty() ? speaker_of_host(ask.host) : ask.provider;
        for (const SmarthostAsk::Port& port : ask.ports) found_.configured.push_back(port.port);
        found_.own_issuers = !ask.verification.ca_file.empty();
        found_.signing_in = !ask.username.empty() || !ask.password.empty();
        found_.sender = ask.sender;
        if (found_.sender.empty() && ask.username.find('@') != std::string::npos) {
            found_.sender = ask.username;
        }
        guess_sender();
    }

    asio::awaitable<SmarthostStages> run() {
        const SteadyClock::time_point began = SteadyClock::now();
        const bool resolved = co_await resolve();
        if (resolved) co_await try_ports();
        found_.took = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - began);
        co_return std::move(found_);
    }

 private:
    // Whether a server wants a sign-in shows at MAIL or RCPT only. The null sender does where this
    // host has no full name.
    void guess_sender() {
        if (!found_.sender.empty()) return;
        const bool named = ask_.helo.find('.') != std::string::npos;
        if (!named && found_.signing_in) return;
        found_.sender_guessed = true;
        if (named) found_.sender = "postmaster@" + ask_.helo;
    }

    [[nodiscard]] base::Duration left() const {
        const auto rest =
            std::chrono::duration_cast<base::Duration>(deadline_ - SteadyClock::now());
        return std::max(rest, base::Duration{1});
    }

    Evidence& row(std::string_view stage, std::string_view result) {
        Evidence item;
        item.target = stage;
        item.result = result;
        item.port = found_.port;
        found_.evidence.push_back(std::move(item));
        return found_.evidence.back();
    }

    void fail(smtp::Stage stage, std::string problem, smtp::Reply reply = {}) {
        found_.stage = stage;
        found_.problem = std::move(problem);
        found_.reply = std::move(reply);
        Evidence& item = row(smtp::stage_name(stage), "failed");
        item.detail =
            found_.reply.code != 0 ? base::printable(found_.reply.one_line()) : found_.problem;
    }

    asio::awaitable<bool> resolve() {
        if (ask_.host.starts_with("unix:")) co_return true;
        const auto answer = co_await resolver_.addresses(ask_.host, net::Family::any);
        found_.name_status = answer.status;
        if (answer.status != net::DnsStatus::ok || answer.records.empty()) {
            fail(smtp::Stage::dns,
                 answer.problem.empty() ? "the name has no address" : answer.problem);
            found_.evidence.back().result = net::dns_status_name(answer.status);
            co_return false;
        }
        for (const asio::ip::address& address : answer.records) {
            Evidence& item = row("dns", "ok");
            item.address = address.to_string();
            item.family = address.is_v4() ? net::Family::ipv4 : net::Family::ipv6;
        }
        co_return true;
    }

    asio::awaitable<void> try_ports() {
        std::size_t still_to_try = ask_.ports.size();
        for (const SmarthostAsk::Port& port : ask_.ports) {
            const base::Duration limit = connect_time(left(), still_to_try--);
            co_await try_port(port, limit);
            // What a server said is worth more than that another port is closed, and one sign-in is
            // enough.
            if (found_.ok || found_.stage > smtp::Stage::connect) co_return;
        }
    }

    asio::awaitable<void> try_port(SmarthostAsk::Port port, base::Duration limit) {
        const SteadyClock::time_point began = SteadyClock::now();
        found_.port = port.port;
        const net::DialTarget target{ask_.host, port.port, limit};
        base::Result<tls::Stream, net::DialError> dialled =
            co_await net::dial(executor_, resolver_, target);
        if (!dialled.has_value()) {
            found_.port = 0;
            fail(smtp::Stage::connect, dialled.error().message);
            note_attempts(dialled.error(), port.port);
            const bool silent = dialled.error().result == net::DialResult::timeout;
            // A port that was heard out says nothing about one that was not.
            if (silent && limit < connect_patience) found_.unfinished = true;
            co_return;
        }
        found_.unfinished = false;  // this port decides
        stream_.emplace(std::move(*dialled));
        Evidence& item = row("connect", "ok");
        item.address = stream_->remote_address();
        item.took = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - began);
        co_await converse(port);
        note_impatience();
        stream_->close();
        found_.said_nothing =
            !found_.ok && found_.stage == smtp::Stage::greeting && first_line_.empty();
        const bool starttls = port.tls == smtp::ClientTls::starttls;
        if (found_.said_nothing && starttls) co_await try_implicit(port.port);
        if (found_.implicit_seen) found_.unfinished = false;
    }

    void note_attempts(const net::DialError& error, std::uint16_t port) {
        found_.evidence.pop_back();
        for (const net::DialAttempt& attempt : error.attempts) {
            Evidence& item = row("connect", net::dial_result_name(attempt.result));
            item.address = attempt.address;
            item.port = port;
            item.error_number = attempt.error_number;
            item.took = attempt.took;
        }
    }

    // A port that waits for the client to speak first may want TLS at once. Only looked at.
    asio::awaitable<void> try_implicit(std::uint16_t port) {
        const base::Duration limit = std::min(left(), implicit_patience);
        const net::DialTarget target{ask_.host, port, limit};
        base::Result<tls::Stream, net::DialError> dialled =
            co_await net::dial(executor_, resolver_, target);
        tls::ClientOptions observing;
        observing.observe = true;
        const base::Result<tls::ClientContext> context = tls::ClientContext::load(observing);
        if (!dialled.has_value() || !context.has_value()) co_return;
        const tls::Peer peer{ask_.host, port};
        dialled->expires_after(limit);
        const tls::Handshake shaken = co_await dialled->handshake_client(*context, peer);
        found_.implicit_seen = shaken.has_value();
        dialled->close();
    }

    void wait_for(base::Duration time) {
        waits_since_ = SteadyClock::now();
        stream_->expires_after(time);
    }

    // It ended because our own time was over, and that was short.
    void note_impatience() {
        const bool silent = stream_->close_reason() == tls::CloseReason::timeout;
        if (found_.ok || !silent) return;
        const bool computing = found_.stage == smtp::Stage::tls;
        const bool arriving = found_.stage == smtp::Stage::greeting && !first_line_.empty();
        const base::Duration patience = computing ? handshake_patience : greeting_patience;
        found_.unfinished = arriving || SteadyClock::now() - waits_since_ < patience;
    }

    asio::awaitable<void> converse(SmarthostAsk::Port port) {
        // Some is left to see why no greeting comes.
        const bool asks_why = port.tls == smtp::ClientTls::starttls;
        wait_for(left() - (asks_why ? std::min(left() / 2, implicit_patience) : base::Duration{}));
        if (port.tls == smtp::ClientTls::implicit) {
            const bool encrypted = co_await encrypt(port.tls);
            if (!encrypted) co_return;
        }
        smtp::ClientOptions options;
        options.helo = ask_.helo;
        options.tls = port.tls;
        options.auth = ask_.auth;
        if (!ask_.password_missing) {
            options.username = ask_.username;
            options.password = ask_.password;
        }
        options.host = ask_.host;
        options.port = port.port;
        options.allow_plaintext_auth = ask_.allow_plaintext_auth;
        smtp::ClientSession session{std::move(options)};
        if (port.tls == smtp::ClientTls::implicit) {
            session.tls_established(stream_->channel_binding());
        }
        const bool ready = co_await sign_in(session);
        if (!ready) co_return;
        note_sign_in(session);
        if (ask_.password_missing) {
            co_await stop_before_sign_in();
        } else {
            co_await ask_about_sender();
        }
    }

    // Until the session is ready or has failed.
    asio::awaitable<bool> sign_in(smtp::ClientSession& session) {
        for (;;) {
            const smtp::ClientEvent event = session.next_event();
            if (std::holds_alternative<smtp::event::Ready>(event)) co_return true;
            if (const auto* failed = std::get_if<smtp::event::SessionFailed>(&event)) {
                found_.auth_offered = !session.extensions().auth.empty();
                note_ehlo(session);
                const bool injected = failed->failure.stage == smtp::Stage::starttls &&
                                      failed->failure.problem.starts_with("data injected");
                // STARTTLS was offered and agreed to: it is TLS that failed.
                smtp::Stage stage = failed->failure.stage;
                if (injected) stage = smtp::Stage::tls;
                fail(stage, failed->failure.problem, failed->failure.reply);
                co_return false;
            }
            const bool written = co_await flush(session);
            if (!written) continue;
            if (std::holds_alternative<smtp::event::StartTls>(event)) {
                row("greeting", "ok").banner = base::printable(first_line_);
                const bool encrypted = co_await encrypt(smtp::ClientTls::starttls);
                if (!encrypted) co_return false;
                session.tls_established(stream_->channel_binding());
                continue;
            }
            co_await read(session);
        }
    }

    asio::awaitable<bool> flush(smtp::ClientSession& session) {
        const std::string output = session.take_output();
        if (output.empty()) co_return true;
        const base::Result<> written = co_await stream_->write(output);
        if (!written.has_value()) session.connection_lost(written.error().message);
        co_return written.has_value();
    }

    asio::awaitable<void> read(smtp::ClientSession& session) {
        std::array<char, 4096> buffer;
        const base::Result<std::size_t> count = co_await stream_->read_some(buffer);
        if (!count.has_value()) {
            const bool silent = stream_->close_reason() == tls::CloseReason::timeout;
            session.connection_lost(silent ? "it said nothing before the time was over"
                                           : count.error().message);
            co_return;
        }
        const std::string_view bytes{buffer.data(), *count};
        if (first_line_.empty()) wait_for(left());
        if (first_line_.empty()) first_line_ = bytes.substr(0, bytes.find_first_of("\r\n"));
        session.receive(bytes);
    }

    asio::awaitable<bool> encrypt(smtp::ClientTls kind) {
        const base::Result<tls::ClientContext> context =
            tls::ClientContext::load(ask_.verification);
        if (!context.has_value()) {
            fail(smtp::Stage::tls, context.error().message);
            co_return false;
        }
        const tls::Peer peer{ask_.host, found_.port};
        const tls::Handshake shaken = co_await stream_->handshake_client(*context, peer);
        if (!shaken.has_value()) {
            const tls::HandshakeFailure& failure = shaken.error();
            found_.certificate = failure.faults;
            found_.handshake_hung = failure.timed_out;
            found_.plain_seen = kind == smtp::ClientTls::implicit && failure.clear_text;
            fail(smtp::Stage::tls, failure.message);
            co_return false;
        }
        found_.tls = shaken->version;
        found_.verified = ask_.verification.verify || !ask_.verification.fingerprints.empty();
        CertificateView view;
        view.version = shaken->version;
        view.names = shaken->peer_names;
        view.issuer = shaken->peer_issuer;
        view.not_after = shaken->peer_not_after;
        row("tls", "ok").certificate = view.text();
        co_return true;
    }

    void note_ehlo(const smtp::ClientSession& session) {
        if (session.extensions().lines.empty()) return;
        Evidence& item = row("ehlo", "ok");
        for (const std::string& line : session.extensions().lines) {
            item.ehlo.push_back(base::printable(line, 200));
        }
        item.banner = base::printable(first_line_);
    }

    void note_sign_in(const smtp::ClientSession& session) {
        found_.auth_offered = !session.extensions().auth.empty();
        note_ehlo(session);
        found_.auth = session.auth_mechanism();
        found_.reply = session.auth_reply();
        if (found_.auth.empty()) return;
        row("auth", "ok").detail =
            found_.auth + ": " + base::printable(session.auth_reply().one_line());
    }

    asio::awaitable<void> stop_before_sign_in() {
        found_.stage = smtp::Stage::auth;
        found_.untried = true;
        row("auth", "skipped").detail = "the password cannot be read by this user";
        Dialogue dialogue{*stream_};
        co_await dialogue.quit();
    }

    // MAIL FROM the real sender and RCPT to itself, both taken back by RSET.
    asio::awaitable<void> ask_about_sender() {
        Dialogue dialogue{*stream_};
        const std::string recipient = found_.sender.empty() ? outsider : found_.sender;
        if (found_.sender.empty() && !found_.sender_guessed) {
            row("mail", "skipped").detail = "no sender address is known";
        } else {
            found_.sender_asked = true;
            const bool mail = co_await ask_command(dialogue, smtp::Stage::mail,
                                                   "MAIL FROM:<" + found_.sender + ">");
            if (!mail) co_return;
            const bool rcpt =
                co_await ask_command(dialogue, smtp::Stage::rcpt, "RCPT TO:<" + recipient + ">");
            if (!rcpt) co_return;
            [[maybe_unused]] const auto reset = co_await dialogue.command("RSET");
        }
        co_await dialogue.quit();
        found_.ok = true;
    }

    asio::awaitable<bool> ask_command(Dialogue& dialogue, smtp::Stage stage, std::string line) {
        base::Result<smtp::Reply> reply = co_await dialogue.command(line);
        const smtp::CredentialMask mask{ask_.password};
        if (!reply.has_value()) {
            std::string problem = reply.error().message;
            mask.apply(problem);
            fail(stage, std::move(problem));
            co_return false;
        }
        mask.apply(reply->text);
        if (!reply->positive()) {
            const bool proves =
                !found_.sender_guessed || wants_sign_in(*reply) || refuses_to_relay(*reply);
            if (proves) {
                fail(stage, line + " was refused", *reply);
                const bool later = stage == smtp::Stage::rcpt && reply->transient();
                if (later && !limit_reached(found_)) {
                    found_.ok = true;
                    found_.put_off = reply->one_line();
                    found_.evidence.back().result = "put off";
                }
                co_return false;
            }
            row(smtp::stage_name(stage), "refused").detail = base::printable(reply->one_line());
            found_.sender_refused = stage == smtp::Stage::mail;
            found_.sender_refusal = reply->one_line();
            found_.ok = true;
            co_return false;
        }
        found_.reply = *reply;
        row(smtp::stage_name(stage), "ok").detail = base::printable(reply->one_line());
        co_return true;
    }

    asio::any_io_executor executor_;
    net::Resolver& resolver_;
    const SmarthostAsk& ask_;
    SteadyClock::time_point deadline_;
    SmarthostStages found_;
    std::optional<tls::Stream> stream_;
    std::string first_line_;
    SteadyClock::time_point waits_since_{};
};

}  // namespace

base::Duration connect_time(base::Duration left, std::size_t ports) {
    const auto count = static_cast<int>(std::max<std::size_t>(ports, 1));
    const base::Duration share = left / (count + 1);
    const bool stretch = share < connect_patience && left / count >= connect_patience;
    return std::max(stretch ? connect_patience : share, base::Duration{1});
}

asio::awaitable<SmarthostStages> check_smarthost(asio::any_io_executor executor,
                                                 net::Resolver& resolver, SmarthostAsk ask,
                                                 base::Duration timeout) {
    Walk walk{executor, resolver, ask, timeout};
    SmarthostStages found = co_await walk.run();
    co_return found;
}

}  // namespace diagnose
