#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <optional>

#include "base/base64.hpp"
#include "smtp/gsasl_handles.hpp"
#include "smtp/password_hash.hpp"
#include "smtp/sasl_client.hpp"

namespace smtp {
namespace {

int supply_salted_password(Gsasl* context, Gsasl_session* session, Gsasl_property property);

Gsasl* shared_context() {
    static const GsaslContext context = make_gsasl_context(supply_salted_password);
    return context.get();
}

class GsaslClient final : public SaslClient {
 public:
    GsaslClient(const char* mechanism, const SaslCredentials& credentials) : mechanism_(mechanism) {
        Gsasl_session* made = nullptr;
        if (Gsasl* context = shared_context(); context != nullptr) {
            status_ = gsasl_client_start(context, mechanism, &made);
        }
        session_.reset(made);
        if (session_ == nullptr) return;
        gsasl_session_hook_set(session_.get(), this);
        scram_password_ = credentials.password;
        set(GSASL_AUTHID, credentials.username);
        // SCRAM gets what is derived from the password, see supply().
        if (!mechanism_.starts_with("SCRAM")) set(GSASL_PASSWORD, credentials.password.reveal());
        if (mechanism_.ends_with("-PLUS")) {
            set(GSASL_CB_TLS_EXPORTER, base::base64_encode(credentials.channel_binding));
        }
    }

    base::Result<std::optional<base::Secret>> initial() override {
        if (mechanism_ == "CRAM-MD5") return std::optional<base::Secret>{};
        base::Result<base::Secret> first = respond({});
        if (!first) return first.error();
        return std::optional<base::Secret>{std::move(*first)};
    }

    base::Result<base::Secret> respond(std::string_view challenge) override {
        if (session_ == nullptr || (status_ != GSASL_OK && status_ != GSASL_NEEDS_MORE)) {
            return failure();
        }
        char* output = nullptr;
        std::size_t length = 0;
        status_ = gsasl_step(session_.get(), challenge.data(), challenge.size(), &output, &length);
        if (status_ != GSASL_OK && status_ != GSASL_NEEDS_MORE) return failure();
        base::Secret response{std::string(output, length)};
        gsasl_free(output);
        return response;
    }

    [[nodiscard]] bool complete() const override { return status_ == GSASL_OK; }

    int supply(Gsasl_property wanted) {
        if (wanted != GSASL_SCRAM_SALTED_PASSWORD) return GSASL_NO_CALLBACK;
        const char* const salt = gsasl_property_fast(session_.get(), GSASL_SCRAM_SALT);
        const char* const count = gsasl_property_fast(session_.get(), GSASL_SCRAM_ITER);
        if (salt == nullptr || count == nullptr) return GSASL_NO_CALLBACK;
        const std::optional<std::string> raw_salt = base::base64_decode(salt);
        unsigned iterations = 0;
        std::from_chars(count, count + std::strlen(count), iterations);
        const std::optional<base::Secret> salted =
            raw_salt ? scram_salted_password(scram_password_, *raw_salt, iterations) : std::nullopt;
        if (!salted) return GSASL_NO_CALLBACK;
        const base::Secret hex{in_hexadecimal(salted->reveal())};
        return gsasl_property_set(session_.get(), wanted, hex.reveal().c_str());
    }

 private:
    static std::string in_hexadecimal(const std::string& bytes) {
        std::string text;
        for (const char byte : bytes)
            text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
        return text;
    }

    void set(Gsasl_property property, const std::string& value) {
        const int result = gsasl_property_set(session_.get(), property, value.c_str());
        if (result != GSASL_OK) status_ = result;
    }

    // GNU SASL's own words name functions and properties, which help nobody who reads a log.
    [[nodiscard]] base::Error failure() const {
        std::string_view reason = "the server's challenge makes no sense";
        if (session_ == nullptr) reason = "GNU SASL does not support it";
        if (status_ == GSASL_NO_CB_TLS_EXPORTER) reason = "TLS gave no channel binding";
        if (status_ == GSASL_NO_PASSWORD) {
            reason = "the server asks for a derivation of the password that makes no sense";
        }
        if (status_ == GSASL_SASLPREP_ERROR) {
            reason = "the user name or the password has characters which SASLprep forbids";
        }
        if (status_ == GSASL_AUTHENTICATION_ERROR) {
            reason = "the server did not prove that it knows the password";
        }
        return base::error(fmt::format("{} failed on our side: {}", mechanism_, reason));
    }

    std::string mechanism_;
    base::Secret scram_password_;
    GsaslSession session_;
    int status_ = GSASL_OK;
};

int supply_salted_password(Gsasl*, Gsasl_session* session, Gsasl_property property) {
    // None while a session is being started.
    auto* client = static_cast<GsaslClient*>(gsasl_session_hook_get(session));
    return client == nullptr ? GSASL_NO_CALLBACK : client->supply(property);
}

}  // namespace

std::unique_ptr<SaslClient> make_gsasl_client(const char* mechanism,
                                              const SaslCredentials& credentials) {
    return std::make_unique<GsaslClient>(mechanism, credentials);
}

}  // namespace smtp
