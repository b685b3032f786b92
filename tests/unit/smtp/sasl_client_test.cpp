#include "smtp/sasl_client.hpp"

#include <gsasl.h>

#include "base/base64.hpp"
#include "tests/support/catch.hpp"

using smtp::AuthMechanism;
using smtp::SaslCredentials;

namespace {

// GNU SASL's server side, which checks what our client says.
class Oracle {
 public:
    Oracle(const char* mechanism, std::string password, std::string binding)
        : password_(std::move(password)), binding_(base::base64_encode(binding)) {
        REQUIRE(gsasl_init(&context_) == GSASL_OK);
        gsasl_callback_hook_set(context_, this);
        gsasl_callback_set(context_, callback);
        REQUIRE(gsasl_server_start(context_, mechanism, &session_) == GSASL_OK);
        gsasl_property_set(session_, GSASL_SERVICE, "smtp");
        gsasl_property_set(session_, GSASL_HOSTNAME, "mx.example");
    }
    Oracle(const Oracle&) = delete;
    Oracle& operator=(const Oracle&) = delete;
    ~Oracle() {
        gsasl_finish(session_);
        gsasl_done(context_);
    }

    int step(std::string_view input, std::string& output) {
        char* out = nullptr;
        std::size_t length = 0;
        const int status = gsasl_step(session_, input.data(), input.size(), &out, &length);
        output.assign(out == nullptr ? "" : out, length);
        gsasl_free(out);
        return status;
    }

 private:
    static int callback(Gsasl* context, Gsasl_session* session, Gsasl_property property) {
        auto& self = *static_cast<Oracle*>(gsasl_callback_hook_get(context));
        if (property == GSASL_PASSWORD) {
            return gsasl_property_set(session, property, self.password_.c_str());
        }
        if (property == GSASL_CB_TLS_EXPORTER && !self.binding_.empty()) {
            return gsasl_property_set(session, property, self.binding_.c_str());
        }
        if (property == GSASL_VALIDATE_SIMPLE) {
            const bool right = gsasl_property_fast(session, GSASL_AUTHID) == std::string{"user"} &&
                               gsasl_property_fast(session, GSASL_PASSWORD) == self.password_;
            return right ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
        }
        if (property == GSASL_VALIDATE_EXTERNAL) return GSASL_OK;
        return GSASL_NO_CALLBACK;
    }

    std::string password_, binding_;
    Gsasl* context_ = nullptr;
    Gsasl_session* session_ = nullptr;
};

struct Outcome {
    bool accepted = false;  // by the server
    bool complete = false;  // for the client
    std::string problem;    // the client's
};

// Runs both to the end.
Outcome sign_in(const char* mechanism, const SaslCredentials& credentials,
                const std::string& password, const std::string& binding) {
    Oracle oracle{mechanism, password, binding};
    const auto* row = smtp::choose_mechanism(
        std::string_view{mechanism}.starts_with("SCRAM") ? AuthMechanism::scram_sha_256
        : std::string_view{mechanism} == "PLAIN"         ? AuthMechanism::plain
        : std::string_view{mechanism} == "LOGIN"         ? AuthMechanism::login
                                                         : AuthMechanism::cram_md5,
        {mechanism}, true, true);
    REQUIRE(row != nullptr);
    const auto client = row->make(credentials);
    const auto initial = client->initial();
    Outcome outcome;
    if (!initial) return {false, false, initial.error().message};
    std::string to_server = initial->has_value() ? (*initial)->reveal() : "";
    std::string challenge;
    for (int round = 0; round < 6; ++round) {
        const int status = oracle.step(to_server, challenge);
        outcome.accepted = status == GSASL_OK;
        if (status != GSASL_OK && status != GSASL_NEEDS_MORE) break;
        if (outcome.accepted && challenge.empty()) break;
        const auto response = client->respond(challenge);
        if (!response) {
            outcome.problem = response.error().message;
            break;
        }
        if (outcome.accepted) break;
        to_server = response->reveal();
    }
    outcome.complete = client->complete();
    return outcome;
}

SaslCredentials credentials(std::string binding = {}) {
    return {"user", base::Secret{"pencil, and \"more\""}, "mx.example", 587, std::move(binding)};
}

}  // namespace

TEST_CASE("GNU SASL's server accepts the right password and no other", "[smtp]") {
    const char* mechanism =
        GENERATE("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS");
    CAPTURE(mechanism);
    const std::string binding(32, '\x07');
    const Outcome right = sign_in(mechanism, credentials(binding), "pencil, and \"more\"", binding);
    REQUIRE(right.accepted);
    REQUIRE(right.complete);
    REQUIRE(right.problem.empty());
    const Outcome wrong = sign_in(mechanism, credentials(binding), "other", binding);
    REQUIRE_FALSE(wrong.accepted);
    REQUIRE(wrong.problem.find("pencil") == std::string::npos);
}

TEST_CASE("SCRAM-SHA-256-PLUS is refused on another TLS connection", "[smtp]") {
    const Outcome other = sign_in("SCRAM-SHA-256-PLUS", credentials(std::string(32, 'a')),
                                  "pencil, and \"more\"", std::string(32, 'b'));
    REQUIRE_FALSE(other.accepted);
    REQUIRE_FALSE(other.complete);
}

TEST_CASE("a SCRAM server that cannot prove itself is not believed", "[smtp]") {
    const auto* row =
        smtp::choose_mechanism(AuthMechanism::scram_sha_256, {"SCRAM-SHA-256"}, true, false);
    const auto client = row->make(credentials());
    Oracle oracle{"SCRAM-SHA-256", "pencil, and \"more\"", ""};
    std::string challenge;
    REQUIRE(oracle.step((*client->initial())->reveal(), challenge) == GSASL_NEEDS_MORE);
    REQUIRE(client->respond(challenge).has_value());
    REQUIRE_FALSE(client->complete());
    const auto forged = client->respond("v=" + base::base64_encode(std::string(32, 'x')));
    REQUIRE_FALSE(forged.has_value());
    REQUIRE(
        forged.error().message ==
        "SCRAM-SHA-256 failed on our side: the server did not prove that it knows the password");
    REQUIRE_FALSE(client->complete());
    REQUIRE_FALSE(client->respond("again").has_value());
}

TEST_CASE("a challenge without sense is an error in words", "[smtp]") {
    const auto client =
        smtp::choose_mechanism(AuthMechanism::scram_sha_256, {"SCRAM-SHA-256"}, true, false)
            ->make(credentials());
    REQUIRE(client->initial().has_value());
    const auto response = client->respond("nonsense");
    REQUIRE_FALSE(response.has_value());
    REQUIRE(response.error().message ==
            "SCRAM-SHA-256 failed on our side: the server's challenge makes no sense");
}

TEST_CASE("a server cannot have us derive a password for minutes", "[smtp]") {
    const auto client =
        smtp::choose_mechanism(AuthMechanism::scram_sha_256, {"SCRAM-SHA-256"}, true, false)
            ->make(credentials());
    const std::string first = (*client->initial())->reveal();
    const std::string nonce = first.substr(first.find("r="));
    const auto response = client->respond(nonce + "more,s=c2FsdHNhbHQ=,i=1000001");
    REQUIRE_FALSE(response.has_value());
    REQUIRE(response.error().message ==
            "SCRAM-SHA-256 failed on our side: the server asks for a derivation of the password "
            "that makes no sense");
}

TEST_CASE("the strongest mechanism that fits is taken", "[smtp]") {
    struct Case {
        AuthMechanism wanted;
        std::vector<std::string> offered;
        bool tls, binding;
        std::string_view chosen;
    };
    const std::vector<std::string> all{
        "LOGIN",       "PLAIN",    "CRAM-MD5", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "XOAUTH2",
        "OAUTHBEARER", "EXTERNAL", "NTLM"};
    const Case c = GENERATE_COPY(values<Case>({
        {AuthMechanism::automatic, all, true, true, "SCRAM-SHA-256-PLUS"},
        {AuthMechanism::automatic, all, true, false, "SCRAM-SHA-256"},
        {AuthMechanism::automatic, all, false, false, "SCRAM-SHA-256"},
        {AuthMechanism::automatic, {"LOGIN", "PLAIN", "CRAM-MD5"}, true, false, "PLAIN"},
        {AuthMechanism::automatic, {"LOGIN", "PLAIN", "CRAM-MD5"}, false, false, "CRAM-MD5"},
        {AuthMechanism::automatic, {"LOGIN", "CRAM-MD5"}, true, false, "LOGIN"},
        {AuthMechanism::automatic, {"CRAM-MD5"}, true, false, "CRAM-MD5"},
        {AuthMechanism::automatic, {"XOAUTH2", "EXTERNAL", "NTLM"}, true, true, ""},
        {AuthMechanism::scram_sha_256, all, true, true, "SCRAM-SHA-256-PLUS"},
        {AuthMechanism::scram_sha_256, all, true, false, "SCRAM-SHA-256"},
        {AuthMechanism::scram_sha_256, {"SCRAM-SHA-256-PLUS"}, true, false, ""},
        {AuthMechanism::login, all, true, true, "LOGIN"},
        {AuthMechanism::xoauth2, all, true, true, "XOAUTH2"},
        {AuthMechanism::oauthbearer, all, true, true, "OAUTHBEARER"},
        {AuthMechanism::external, all, true, true, "EXTERNAL"},
        {AuthMechanism::none, all, true, true, ""},
    }));
    const auto* chosen = smtp::choose_mechanism(c.wanted, c.offered, c.tls, c.binding);
    REQUIRE((chosen == nullptr ? "" : chosen->name) == c.chosen);
}

TEST_CASE("OAUTHBEARER escapes what would end a name", "[smtp]") {
    const SaslCredentials odd{"a,b=c@x", base::Secret{"t0ken"}, "mx.example", 465, ""};
    const auto client =
        smtp::choose_mechanism(AuthMechanism::oauthbearer, {"OAUTHBEARER"}, true, false)->make(odd);
    REQUIRE((*client->initial())->reveal() ==
            "n,a=a=2Cb=3Dc@x,\x01host=mx.example\x01port=465\x01"
            "auth=Bearer t0ken\x01\x01");
}
