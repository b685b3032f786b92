#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "smtp/client_session.hpp"

namespace smtp {

// What a mechanism may need to prove who we are.
struct SaslCredentials {
    std::string username;
    base::Secret password;  // or the OAuth2 access token
    std::string host;       // OAUTHBEARER names the server it is meant for
    std::uint16_t port = 0;
    std::string channel_binding;  // tls-exporter bytes (RFC 9266); "" when there are none
};

// The client's side of one SASL exchange, without its base64 (RFC 4954 section 4). An error's words
// never hold a secret.
class SaslClient {
 public:
    virtual ~SaslClient() = default;
    // What goes along with the AUTH command; nullopt when the server speaks first.
    [[nodiscard]] virtual base::Result<std::optional<base::Secret>> initial() = 0;
    [[nodiscard]] virtual base::Result<base::Secret> respond(std::string_view challenge) = 0;
    // False while the server still owes its own proof (SCRAM): then a 235 is not to be believed.
    [[nodiscard]] virtual bool complete() const { return true; }
    // What the server said about a failure inside the exchange (OAuth2's JSON), "" otherwise.
    [[nodiscard]] virtual std::string failure_detail() const { return {}; }
};

struct SaslMechanism {
    std::string_view name;
    AuthMechanism choice;  // by which the configuration asks for it
    // Place in the order of "auto" with and without TLS; 0: only when asked for by name. A password
    // that TLS already hides is better sent plainly than kept by the server in a form that CRAM-MD5
    // needs; without TLS the opposite holds.
    int rank_with_tls;
    int rank_without_tls;
    bool binds_channel;
    std::unique_ptr<SaslClient> (*make)(const SaslCredentials& credentials);
};

// The mechanism to use among those offered (upper case), or nullptr.
[[nodiscard]] const SaslMechanism* choose_mechanism(AuthMechanism wanted,
                                                    const std::vector<std::string>& offered,
                                                    bool tls, bool channel_binding);
// The name that the configuration's choice has on the wire; "any known mechanism" for automatic.
[[nodiscard]] std::string_view wanted_name(AuthMechanism wanted);

// SCRAM-SHA-256, SCRAM-SHA-256-PLUS and CRAM-MD5 by GNU SASL, the others are only framing.
[[nodiscard]] std::unique_ptr<SaslClient> make_gsasl_client(const char* mechanism,
                                                            const SaslCredentials& credentials);

}  // namespace smtp
