#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.hpp"
#include "smtp/credentials.hpp"

namespace smtp {

// What a mechanism may need to judge a client.
struct SaslServerContext {
    const CredentialStore* credentials = nullptr;
    bool accept_any = false;           // whatever is said is right
    std::string_view channel_binding;  // tls-exporter bytes (RFC 9266); "" when there are none
};

// The server's side of one exchange, without its base64 (RFC 4954 section 4).
class SaslServer {
 public:
    enum class Status : std::uint8_t {
        challenge,    // send it and step() again with the answer
        accepted,     // user() has signed in
        refused,      // wrong user or password, and nothing tells which
        malformed,    // the client's message makes no sense
        unavailable,  // a fault of ours
    };
    struct Step {
        Status status = Status::refused;
        std::string challenge;
    };

    virtual ~SaslServer() = default;
    // The challenge with which an exchange begins that came without an initial response.
    [[nodiscard]] virtual std::string first_challenge() { return {}; }
    [[nodiscard]] virtual Step step(const base::Secret& response) = 0;
    [[nodiscard]] virtual std::string user() const = 0;
};

struct SaslServerMechanism {
    std::string_view name;
    bool plaintext;      // who can listen learns the password
    bool binds_channel;  // offered only with a channel binding
    bool needs_secret;   // cannot accept what it does not know: not for AuthPolicy::accept_any
    std::unique_ptr<SaslServer> (*make)(const SaslServerContext& context);
};

// Strongest first, as EHLO lists them.
[[nodiscard]] std::span<const SaslServerMechanism> sasl_server_mechanisms();

[[nodiscard]] std::unique_ptr<SaslServer> make_scram_sha_256_server(
    const SaslServerContext& context);
[[nodiscard]] std::unique_ptr<SaslServer> make_scram_sha_256_plus_server(
    const SaslServerContext& context);

}  // namespace smtp
