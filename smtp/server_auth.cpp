#include <algorithm>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "smtp/server_state.hpp"

namespace smtp {
namespace {

using LineKind = InputBuffer::LineKind;
using Status = SaslServer::Status;

constexpr std::size_t longest_response = 12288;  // RFC 4954 section 4
constexpr unsigned most_failures = 3;

constexpr Refusal response_too_long{500, "5.5.6", "Authentication line too long"};
constexpr Refusal not_base64{501, "5.5.2", "Cannot decode the response"};
constexpr Refusal malformed{501, "5.5.2", "The response makes no sense for this mechanism"};
constexpr Refusal cancelled{501, "5.7.0", "Authentication cancelled"};
constexpr Refusal unavailable{454, "4.7.0", "Temporary authentication failure"};
constexpr Refusal impatient{554, "5.5.1", "Nothing may follow before the reply to AUTH"};
constexpr Refusal blocked{421, "4.7.0",
                          "Too many failed sign-ins from your address, wait a minute"};
constexpr Refusal needs_encryption{538, "5.7.11", "This mechanism needs TLS: say STARTTLS first"};

}  // namespace

bool ServerSession::State::offers(const SaslServerMechanism& mechanism) const {
    if (options.auth == AuthPolicy::none) return false;
    if (mechanism.needs_secret && options.auth == AuthPolicy::accept_any) return false;
    if (mechanism.binds_channel && channel_binding.empty()) return false;
    return !mechanism.plaintext || plaintext_allowed();
}

std::string ServerSession::State::auth_offer() const {
    std::string names;
    for (const SaslServerMechanism& mechanism : sasl_server_mechanisms()) {
        if (offers(mechanism)) names.append(" ").append(mechanism.name);
    }
    return names;
}

ServerSession::State::Next ServerSession::State::on_auth(std::string_view arguments) {
    const std::size_t end = arguments.find_first_of(" \t");
    const std::string_view name = arguments.substr(0, end);
    const auto& all = sasl_server_mechanisms();
    const auto row = std::find_if(all.begin(), all.end(), [&](const SaslServerMechanism& each) {
        return base::equals_ignoring_case(name, each.name);
    });
    const bool hidden = row != all.end() && row->plaintext && !plaintext_allowed();
    if (options.auth == AuthPolicy::none) {
        complain({502, "5.5.1", "Authentication is not enabled here"});
    } else if (signed_in) {
        complain({503, "5.5.1", "Already authenticated"});
    } else if (!input.empty()) {
        // RFC 4954 section 4: AUTH ends a group of commands.
        refuse_and_close(impatient, "the client sent more behind AUTH without waiting for a reply");
    } else if (hidden) {
        complain(needs_encryption);
    } else if (row == all.end() || !offers(*row)) {
        complain({504, "5.5.4", "Authentication mechanism not supported"});
    } else if (sign_in_blocked) {
        refuse_and_close(blocked, "too many failed sign-ins from this client's address");
    } else {
        sasl = row->make(
            {context.credentials, options.auth == AuthPolicy::accept_any, channel_binding});
        phase = Phase::auth;
        if (end == std::string_view::npos) {
            send_challenge(sasl->first_challenge());
        } else {
            // "=" is an initial response of no bytes.
            const std::string_view initial = base::trim(arguments.substr(end));
            return take_auth_response(initial == "=" ? std::string_view{} : initial);
        }
    }
    return std::nullopt;
}

ServerSession::State::Next ServerSession::State::read_auth_response() {
    const InputBuffer::Line line = input.next_line(longest_response);
    if (line.kind == LineKind::incomplete) return need_input();
    if (line.kind == LineKind::too_long) {
        sasl.reset();
        phase = Phase::command;
        complain(response_too_long);
        return std::nullopt;
    }
    if (!accepts_line_end(line.kind) || !input.empty()) {
        refuse_and_close(impatient, "the client sent more than one line in answer to a challenge");
        return std::nullopt;
    }
    if (sign_in_blocked) {  // since the challenge went out
        refuse_and_close(blocked, "too many failed sign-ins from this client's address");
        return std::nullopt;
    }
    return take_auth_response(line.text);
}

ServerSession::State::Next ServerSession::State::take_auth_response(std::string_view text) {
    if (text == "*") {
        sasl.reset();
        phase = Phase::command;
        complain(cancelled);
        return std::nullopt;
    }
    std::optional<std::string> decoded = base::base64_decode(text);
    input.wipe(text);
    if (!decoded) {
        sasl.reset();
        phase = Phase::command;
        complain(not_base64);
        return std::nullopt;
    }
    const base::Secret response{std::move(*decoded)};
    return take_auth_step(sasl->step(response));
}

ServerSession::State::Next ServerSession::State::take_auth_step(SaslServer::Step step) {
    if (step.status == Status::challenge) {
        send_challenge(step.challenge);
        return std::nullopt;
    }
    phase = Phase::command;
    const std::unique_ptr<SaslServer> finished = std::move(sasl);
    switch (step.status) {
        case Status::challenge:
            break;
        case Status::accepted:
            signed_in = true;
            user = finished->user();
            answer(235, "2.7.0", "Authentication successful");
            break;
        case Status::refused:
            return fail_auth();
        case Status::malformed:
            complain(malformed);
            break;
        case Status::unavailable:
            answer(unavailable);
            break;
    }
    return std::nullopt;
}

void ServerSession::State::send_challenge(std::string_view challenge) {
    output.append("334 ").append(base::base64_encode(challenge)).append("\r\n");
}

ServerSession::State::Next ServerSession::State::fail_auth() {
    if (++auth_failures < most_failures) {
        answer(535, "5.7.8", "Authentication credentials invalid");
    } else {
        refuse_and_close({421, "4.7.0", "Too many failed authentications"},
                         "the client failed to sign in three times");
    }
    return event::SignInFailed{};
}

}  // namespace smtp
