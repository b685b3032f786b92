#include "smtp/sasl_client.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace smtp {
namespace {

using Initial = base::Result<std::optional<base::Secret>>;

// A challenge where the mechanism knows none. Nothing more is told to such a server.
base::Error unexpected_challenge(std::string_view mechanism) {
    return base::error(fmt::format("the server asked for more than {} has to say", mechanism));
}

// RFC 4616: everything is in the first message.
class PlainClient final : public SaslClient {
 public:
    explicit PlainClient(const SaslCredentials& credentials) : credentials_(credentials) {}

    Initial initial() override {
        std::string message;
        message.reserve(2 + credentials_.username.size() + credentials_.password.reveal().size());
        message += '\0';
        message += credentials_.username;
        message += '\0';
        message += credentials_.password.reveal();
        return std::optional{base::Secret{std::move(message)}};
    }
    base::Result<base::Secret> respond(std::string_view) override {
        return unexpected_challenge("PLAIN");
    }

 private:
    SaslCredentials credentials_;
};

// draft-murchison-sasl-login-00: the prompts are free text, only their order counts.
class LoginClient final : public SaslClient {
 public:
    explicit LoginClient(const SaslCredentials& credentials) : credentials_(credentials) {}

    Initial initial() override { return std::optional<base::Secret>{}; }
    base::Result<base::Secret> respond(std::string_view) override {
        ++asked_;
        if (asked_ == 1) return base::Secret{credentials_.username};
        if (asked_ == 2) return credentials_.password;
        return unexpected_challenge("LOGIN");
    }
    [[nodiscard]] bool complete() const override { return asked_ >= 2; }

 private:
    SaslCredentials credentials_;
    int asked_ = 0;
};

// RFC 4422 appendix A: the identity is the TLS client certificate's, or the one named.
class ExternalClient final : public SaslClient {
 public:
    explicit ExternalClient(const SaslCredentials& credentials) : username_(credentials.username) {}

    Initial initial() override { return std::optional{base::Secret{username_}}; }
    base::Result<base::Secret> respond(std::string_view) override {
        if (asked_) return unexpected_challenge("EXTERNAL");
        asked_ = true;
        return base::Secret{username_};
    }

 private:
    std::string username_;
    bool asked_ = false;
};

// XOAUTH2 (Google, Microsoft) and OAUTHBEARER (RFC 7628) differ in framing only. On failure the
// server sends a JSON text as challenge, and its 535 comes once that was answered.
class BearerClient final : public SaslClient {
 public:
    BearerClient(std::string_view name, base::Secret message, std::string_view answer)
        : name_(name), message_(std::move(message)), answer_(answer) {}

    Initial initial() override { return std::optional{message_}; }
    base::Result<base::Secret> respond(std::string_view challenge) override {
        if (asked_) return unexpected_challenge(name_);
        asked_ = true;
        detail_ = base::printable(challenge, 200);
        return base::Secret{answer_};
    }
    [[nodiscard]] bool complete() const override { return !asked_; }
    [[nodiscard]] std::string failure_detail() const override { return detail_; }

 private:
    std::string_view name_;
    base::Secret message_;
    std::string answer_;
    std::string detail_;
    bool asked_ = false;
};

template <class Client>
std::unique_ptr<SaslClient> make(const SaslCredentials& credentials) {
    return std::make_unique<Client>(credentials);
}

std::unique_ptr<SaslClient> make_xoauth2(const SaslCredentials& credentials) {
    base::Secret message{
        fmt::format("user={}\x01"
                    "auth=Bearer {}\x01\x01",
                    credentials.username, credentials.password.reveal())};
    return std::make_unique<BearerClient>("XOAUTH2", std::move(message), "");
}

// RFC 5801 section 4: "," and "=" in a name are written "=2C" and "=3D".
std::string saslname(std::string_view name) {
    std::string result;
    for (const char c : name) {
        if (c == ',') {
            result += "=2C";
        } else if (c == '=') {
            result += "=3D";
        } else {
            result += c;
        }
    }
    return result;
}

std::unique_ptr<SaslClient> make_oauthbearer(const SaslCredentials& credentials) {
    base::Secret message{
        fmt::format("n,a={},\x01host={}\x01port={}\x01"
                    "auth=Bearer {}\x01\x01",
                    saslname(credentials.username), credentials.host, credentials.port,
                    credentials.password.reveal())};
    return std::make_unique<BearerClient>("OAUTHBEARER", std::move(message), "\x01");
}

std::unique_ptr<SaslClient> make_scram_plus(const SaslCredentials& credentials) {
    return make_gsasl_client("SCRAM-SHA-256-PLUS", credentials);
}
std::unique_ptr<SaslClient> make_scram(const SaslCredentials& credentials) {
    return make_gsasl_client("SCRAM-SHA-256", credentials);
}
std::unique_ptr<SaslClient> make_cram_md5(const SaslCredentials& credentials) {
    return make_gsasl_client("CRAM-MD5", credentials);
}

constexpr SaslMechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", AuthMechanism::scram_sha_256, 6, 0, true, make_scram_plus},
    {"SCRAM-SHA-256", AuthMechanism::scram_sha_256, 5, 5, false, make_scram},
    {"PLAIN", AuthMechanism::plain, 4, 3, false, make<PlainClient>},
    {"LOGIN", AuthMechanism::login, 3, 2, false, make<LoginClient>},
    {"CRAM-MD5", AuthMechanism::cram_md5, 2, 4, false, make_cram_md5},
    {"XOAUTH2", AuthMechanism::xoauth2, 0, 0, false, make_xoauth2},
    {"OAUTHBEARER", AuthMechanism::oauthbearer, 0, 0, false, make_oauthbearer},
    {"EXTERNAL", AuthMechanism::external, 0, 0, false, make<ExternalClient>},
};

}  // namespace

const SaslMechanism* choose_mechanism(AuthMechanism wanted, const std::vector<std::string>& offered,
                                      bool tls, bool channel_binding) {
    const SaslMechanism* best = nullptr;
    const auto rank = [tls](const SaslMechanism& m) {
        return tls ? m.rank_with_tls : m.rank_without_tls;
    };
    for (const SaslMechanism& candidate : mechanisms) {
        const bool fits =
            wanted == AuthMechanism::automatic ? rank(candidate) > 0 : candidate.choice == wanted;
        if (!fits || (candidate.binds_channel && !channel_binding)) continue;
        if (std::ranges::find(offered, candidate.name) == offered.end()) continue;
        if (best == nullptr || rank(candidate) > rank(*best)) best = &candidate;
    }
    return best;
}

std::string_view wanted_name(AuthMechanism wanted) {
    if (wanted == AuthMechanism::scram_sha_256) return "SCRAM-SHA-256";
    for (const SaslMechanism& mechanism : mechanisms) {
        if (mechanism.choice == wanted) return mechanism.name;
    }
    return "any known mechanism";
}

}  // namespace smtp
