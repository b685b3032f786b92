#include <fmt/format.h>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "smtp/client_state.hpp"
#include "smtp/extensions.hpp"

namespace smtp {

void ClientSession::State::on_greeting(const Reply& reply) {
    if (reply.code != 220) {
        fail(Stage::greeting, reply,
             reply.positive() ? "the greeting is not that of an SMTP server"
                              : "the server refuses the connection");
        return;
    }
    say_hello();
}

void ClientSession::State::say_hello() {
    output += fmt::format("EHLO {}\r\n", options.helo.empty() ? "localhost" : options.helo);
    enter(Phase::ehlo, Stage::ehlo);
}

void ClientSession::State::on_ehlo(const Reply& reply) {
    if (reply.code / 100 == 2) {
        extensions = parse_extensions(reply.text);
        if (options.tls == ClientTls::starttls && !tls_active) return start_tls();
        return sign_in();
    }
    const bool needs_extensions =
        wants_sign_in() || (options.tls == ClientTls::starttls && !tls_active);
    if (!reply.permanent() || needs_extensions) {
        fail(Stage::ehlo, reply,
             reply.permanent() ? "the server does not know EHLO, without which it offers neither "
                                 "STARTTLS nor sign-in"
                               : "the server refuses EHLO");
        return;
    }
    output += fmt::format("HELO {}\r\n", options.helo.empty() ? "localhost" : options.helo);
    enter(Phase::helo, Stage::ehlo);  // RFC 5321 section 3.2
}

void ClientSession::State::on_helo(const Reply& reply) {
    if (reply.code / 100 != 2) return fail(Stage::ehlo, reply, "the server refuses EHLO and HELO");
    become_ready();
}

void ClientSession::State::start_tls() {
    if (!extensions.starttls) {
        fail(Stage::starttls, {},
             "the server does not offer STARTTLS: either this is the wrong port (465 speaks TLS "
             "from its first byte), or something on the way removes the offer; nothing was sent in "
             "the clear");
        return;
    }
    output += "STARTTLS\r\n";
    enter(Phase::starttls, Stage::starttls);
}

void ClientSession::State::on_starttls(const Reply& reply) {
    if (reply.code != 220) {
        return fail(Stage::starttls, reply, "the server offers STARTTLS but refuses it");
    }
    if (parser.buffered()) {
        // Whoever put it there wants it taken for what the server says inside TLS.
        fail(Stage::starttls, {},
             "data injected before TLS: more than the reply to STARTTLS came in the clear");
        return;
    }
    enter(Phase::handshake, Stage::tls);
    events.emplace_back(event::StartTls{});
}

bool ClientSession::State::wants_sign_in() const {
    if (options.auth == AuthMechanism::none) return false;
    return options.auth == AuthMechanism::external || !options.username.empty() ||
           !options.password.empty();
}

void ClientSession::State::sign_in() {
    if (!wants_sign_in()) return become_ready();
    stage = Stage::auth;
    if (!encrypted() && !options.allow_plaintext_auth) {
        return fail(Stage::auth, {}, "credentials are not sent without TLS");
    }
    const SaslMechanism* chosen =
        choose_mechanism(options.auth, extensions.auth, encrypted(), !channel_binding.empty());
    if (chosen == nullptr) {
        const std::string offered = base::join(extensions.auth, ", ");
        return fail(Stage::auth, {},
                    offered.empty()
                        ? std::string{"the server offers no sign-in (no AUTH in its EHLO reply)"}
                        : fmt::format("the server does not offer sign-in by {}; it offers {}",
                                      wanted_name(options.auth), base::printable(offered)));
    }
    send_initial(*chosen);
}

void ClientSession::State::send_initial(const SaslMechanism& chosen) {
    mechanism = chosen.name;
    mask = CredentialMask{options.password};
    sasl = chosen.make(
        {options.username, options.password, options.host, options.port, channel_binding});
    const base::Result<std::optional<base::Secret>> initial = sasl->initial();
    if (!initial) return fail(Stage::auth, {}, initial.error().message);
    output += "AUTH ";
    output += mechanism;
    if (initial->has_value()) {
        const base::Secret encoded{base::base64_encode((*initial)->reveal())};
        mask.add_sent(encoded);
        output += ' ';
        // RFC 4954 section 4: "=" stands for a response of no bytes.
        output += encoded.empty() ? "=" : encoded.reveal();
    }
    output += "\r\n";
    enter(Phase::auth, Stage::auth);
}

void ClientSession::State::on_auth(const Reply& reply) {
    if (reply.code / 100 == 3) return answer_challenge(reply);
    auth_reply = reply;
    if (!reply.positive()) {
        const std::string detail = sasl->failure_detail();
        fail(Stage::auth, reply,
             detail.empty()
                 ? fmt::format("the server refuses the sign-in by {}", mechanism)
                 : fmt::format("the server refuses the sign-in by {}: {}", mechanism, detail));
        return;
    }
    if (!sasl->complete()) {
        // RFC 5802 section 5: a server that cannot prove itself may be any server.
        return fail(
            Stage::auth, {},
            fmt::format("the server ended the sign-in by {} before it was complete", mechanism));
    }
    sasl.reset();
    become_ready();
}

void ClientSession::State::answer_challenge(const Reply& reply) {
    const std::optional<std::string> challenge = base::base64_decode(base::trim(reply.text));
    if (!challenge) {
        return fail(Stage::auth, {},
                    fmt::format("the server's {} challenge is not base64", mechanism));
    }
    const base::Result<base::Secret> response = sasl->respond(*challenge);
    if (!response) return fail(Stage::auth, {}, response.error().message);
    const base::Secret encoded{base::base64_encode(response->reveal())};
    mask.add_sent(encoded);
    output += encoded.reveal();
    output += "\r\n";
}

void ClientSession::State::become_ready() {
    enter(Phase::ready, Stage::mail);
    events.emplace_back(event::Ready{});
}

}  // namespace smtp
