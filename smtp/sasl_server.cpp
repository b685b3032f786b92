#include "smtp/sasl_server.hpp"

#include <array>
#include <optional>

#include "smtp/password_hash.hpp"

namespace smtp {
namespace {

using Status = SaslServer::Status;

// PLAIN and LOGIN bring the password itself.
class PasswordServer : public SaslServer {
 public:
    explicit PasswordServer(const SaslServerContext& context)
        : credentials_(context.credentials), accept_any_(context.accept_any) {}

    [[nodiscard]] std::string user() const override { return user_; }

 protected:
    Step judge(std::string user, std::string_view password) {
        user_ = std::move(user);
        if (accept_any_) return {Status::accepted, {}};
        if (credentials_ == nullptr) return {Status::unavailable, {}};
        const std::optional<ScramSecret> found = credentials_->find(user_);
        const ScramSecret secret = found ? *found : credentials_->decoy(user_);
        const bool right = check_password(secret, password);
        return {right && found ? Status::accepted : Status::refused, {}};
    }

 private:
    const CredentialStore* credentials_;
    bool accept_any_;
    std::string user_;
};

// RFC 4616: [authorization identity] NUL user NUL password
class PlainServer final : public PasswordServer {
 public:
    using PasswordServer::PasswordServer;

    Step step(const base::Secret& response) override {
        const std::string_view message = response.reveal();
        const std::size_t first = message.find('\0');
        if (first == std::string_view::npos) return {Status::malformed, {}};
        const std::size_t second = message.find('\0', first + 1);
        if (second == std::string_view::npos) return {Status::malformed, {}};
        const std::string_view password = message.substr(second + 1);
        if (password.find('\0') != std::string_view::npos) return {Status::malformed, {}};
        const std::string_view identity = message.substr(0, first);
        const std::string_view user = message.substr(first + 1, second - first - 1);
        // Nobody may act for another, and password is still checked so that the time is the same.
        Step result = judge(std::string(user), password);
        const bool same = identity.empty() || identity == user;
        if (!same && result.status == Status::accepted) result.status = Status::refused;
        return result;
    }
};

// Described in draft-murchison-sasl-login: two prompts, whose wording some clients look at.
class LoginServer final : public PasswordServer {
 public:
    using PasswordServer::PasswordServer;

    std::string first_challenge() override { return "Username:"; }

    Step step(const base::Secret& response) override {
        if (name_) return judge(*name_, response.reveal());
        name_ = response.reveal();
        return {Status::challenge, "Password:"};
    }

 private:
    std::optional<std::string> name_;
};

template <class Server>
std::unique_ptr<SaslServer> make(const SaslServerContext& context) {
    return std::make_unique<Server>(context);
}

constexpr std::array<SaslServerMechanism, 4> mechanisms{
    {{"SCRAM-SHA-256-PLUS", false, true, true, make_scram_sha_256_plus_server},
     {"SCRAM-SHA-256", false, false, true, make_scram_sha_256_server},
     {"PLAIN", true, false, false, make<PlainServer>},
     {"LOGIN", true, false, false, make<LoginServer>}}};

}  // namespace

std::span<const SaslServerMechanism> sasl_server_mechanisms() { return mechanisms; }

}  // namespace smtp
