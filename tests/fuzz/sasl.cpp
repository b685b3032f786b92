// The lines of a SASL exchange, to each server mechanism and each client mechanism.
#include <string>
#include <vector>

#include "base/text.hpp"
#include "smtp/sasl_client.hpp"
#include "smtp/sasl_server.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/unit/smtp/conversation.hpp"

namespace {

void serve(const smtp::SaslServerMechanism& mechanism, const std::vector<std::string_view>& lines,
           const smtp::CredentialStore& users) {
    smtp::SaslServerContext context;
    context.credentials = &users;
    context.channel_binding = "01234567890123456789012345678901";
    const auto server = mechanism.make(context);
    static_cast<void>(server->first_challenge());
    for (const std::string_view line : lines) {
        const smtp::SaslServer::Step step = server->step(base::Secret{std::string(line)});
        if (step.status == smtp::SaslServer::Status::accepted) {
            fuzz::require(server->user() == "alice", "only who is known signs in");
        }
        if (step.status != smtp::SaslServer::Status::challenge) return;
    }
}

void ask(const std::string& mechanism, const std::vector<std::string_view>& lines) {
    smtp::SaslCredentials credentials;
    credentials.username = "alice";
    credentials.password = base::Secret{"correct horse"};
    credentials.host = "mx.example";
    credentials.port = 587;
    credentials.channel_binding = "01234567890123456789012345678901";
    const auto* const found =
        smtp::choose_mechanism(smtp::AuthMechanism::automatic, {mechanism}, true, true);
    if (found == nullptr) return;
    const auto client = found->make(credentials);
    if (!client->initial()) return;
    for (const std::string_view line : lines) {
        const auto answer = client->respond(line);
        if (!answer) {
            fuzz::require(answer.error().message.find("correct horse") == std::string::npos,
                          "no error tells the password");
            return;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const test::Users users = [] {
        test::Users made;
        made.add("alice", "a password nobody writes by chance");
        return made;
    }();
    std::vector<std::string_view> lines = base::split(fuzz::text_of(data, size), '\n');
    if (lines.size() > 6) lines.resize(6);
    for (const smtp::SaslServerMechanism& mechanism : smtp::sasl_server_mechanisms()) {
        serve(mechanism, lines, users);
    }
    for (const char* name : {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS",
                             "XOAUTH2", "OAUTHBEARER"}) {
        ask(name, lines);
    }
    return 0;
}
