#include "base/base64.hpp"
#include "smtp/gsasl_handles.hpp"
#include "smtp/password_hash.hpp"
#include "smtp/sasl_server.hpp"

namespace smtp {
namespace {

int supply_property(Gsasl* context, Gsasl_session* session, Gsasl_property property);

Gsasl* server_context() {
    static const GsaslContext context = make_gsasl_context(supply_property);
    return context.get();
}

// RFC 5802 and RFC 7677. The store keeps no password, GNU SASL proves from the two keys.
class ScramServer final : public SaslServer {
 public:
    ScramServer(const char* mechanism, const SaslServerContext& context)
        : credentials_(context.credentials), binding_(context.channel_binding) {
        Gsasl_session* made = nullptr;
        if (Gsasl* shared = server_context(); shared != nullptr && credentials_ != nullptr) {
            if (gsasl_server_start(shared, mechanism, &made) != GSASL_OK) made = nullptr;
        }
        session_.reset(made);
        if (session_ != nullptr) gsasl_session_hook_set(session_.get(), this);
    }

    Step step(const base::Secret& response) override {
        if (session_ == nullptr) return {Status::unavailable, {}};
        if (proved_) return {response.empty() ? Status::accepted : Status::malformed, {}};
        char* output = nullptr;
        std::size_t length = 0;
        const std::string& message = response.reveal();
        const int result =
            gsasl_step(session_.get(), message.data(), message.size(), &output, &length);
        std::string challenge(output == nullptr ? "" : output, output == nullptr ? 0 : length);
        gsasl_free(output);
        if (result == GSASL_NEEDS_MORE) return {Status::challenge, std::move(challenge)};
        if (result != GSASL_OK) return {failure(result), {}};
        if (!may_act() || !known_) return {Status::refused, {}};
        proved_ = true;
        // SMTP's success reply carries no data: our own proof goes as one more challenge, which
        // the client answers with nothing (RFC 4954 section 4).
        return {Status::challenge, std::move(challenge)};
    }

    [[nodiscard]] std::string user() const override { return property(GSASL_AUTHID); }

    int supply(Gsasl_property wanted) {
        switch (wanted) {
            case GSASL_SCRAM_ITER:
                find_secret();
                return set(wanted, std::to_string(secret_.iterations));
            case GSASL_SCRAM_SALT:
                return set(wanted, base::base64_encode(secret_.salt));
            case GSASL_SCRAM_STOREDKEY:
                return set(wanted, base::base64_encode(secret_.stored_key));
            case GSASL_SCRAM_SERVERKEY:
                return set(wanted, base::base64_encode(secret_.server_key));
            case GSASL_CB_TLS_EXPORTER:
                if (binding_.empty()) return GSASL_NO_CB_TLS_EXPORTER;
                return set(wanted, base::base64_encode(binding_));
            default:
                return GSASL_NO_CALLBACK;
        }
    }

 private:
    void find_secret() {
        const std::string name = user();
        const std::optional<ScramSecret> found = credentials_->find(name);
        known_ = found.has_value();
        secret_ = found ? *found : credentials_->decoy(name);
    }

    [[nodiscard]] std::string property(Gsasl_property wanted) const {
        const char* value =
            session_ == nullptr ? nullptr : gsasl_property_fast(session_.get(), wanted);
        return value == nullptr ? "" : value;
    }

    int set(Gsasl_property wanted, const std::string& value) {
        return gsasl_property_set(session_.get(), wanted, value.c_str());
    }

    // Nobody may act for another.
    [[nodiscard]] bool may_act() const {
        const std::string identity = property(GSASL_AUTHZID);
        return identity.empty() || identity == user();
    }

    [[nodiscard]] static Status failure(int result) {
        if (result == GSASL_MECHANISM_PARSE_ERROR) return Status::malformed;
        if (result == GSASL_MALLOC_ERROR || result == GSASL_CRYPTO_ERROR) {
            return Status::unavailable;
        }
        return Status::refused;
    }

    const CredentialStore* credentials_;
    std::string binding_;
    ScramSecret secret_;
    bool known_ = false;
    bool proved_ = false;
    GsaslSession session_;
};

int supply_property(Gsasl*, Gsasl_session* session, Gsasl_property property) {
    // None while a session is being started.
    auto* server = static_cast<ScramServer*>(gsasl_session_hook_get(session));
    return server == nullptr ? GSASL_NO_CALLBACK : server->supply(property);
}

}  // namespace

std::unique_ptr<SaslServer> make_scram_sha_256_server(const SaslServerContext& context) {
    return std::make_unique<ScramServer>("SCRAM-SHA-256", context);
}

std::unique_ptr<SaslServer> make_scram_sha_256_plus_server(const SaslServerContext& context) {
    return std::make_unique<ScramServer>("SCRAM-SHA-256-PLUS", context);
}

}  // namespace smtp
