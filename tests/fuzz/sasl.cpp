// The lines of a SASL exchange. The first byte, from 'a' on, chooses the mechanism that hears them:
// the server's in their order, then the client's. All of them at once would spend the time on the
// derivation of passwords.
#include <iterator>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "smtp/sasl_client.hpp"
#include "smtp/sasl_server.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/unit/smtp/conversation.hpp"

namespace {

struct Client {
    const char* name;
    smtp::AuthMechanism choice;
};
constexpr Client clients[] = {
    {"PLAIN", smtp::AuthMechanism::plain},
    {"LOGIN", smtp::AuthMechanism::login},
    {"CRAM-MD5", smtp::AuthMechanism::cram_md5},
    {"SCRAM-SHA-256", smtp::AuthMechanism::scram_sha_256},
    {"SCRAM-SHA-256-PLUS", smtp::AuthMechanism::scram_sha_256},
    {"XOAUTH2", smtp::AuthMechanism::xoauth2},
    {"OAUTHBEARER", smtp::AuthMechanism::oauthbearer},
};

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

void ask(const Client& mechanism, const std::vector<std::string_view>& lines) {
    smtp::SaslCredentials credentials;
    credentials.username = "alice";
    credentials.password = base::Secret{"correct horse"};
    credentials.host = "mx.example";
    credentials.port = 587;
    credentials.channel_binding = "01234567890123456789012345678901";
    const auto* const found =
        smtp::choose_mechanism(mechanism.choice, {mechanism.name}, true, true);
    fuzz::require(found != nullptr, "the mechanism asked for is known");
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
    if (size == 0) return 0;
    std::vector<std::string_view> lines = base::split(fuzz::text_of(data + 1, size - 1), '\n');
    if (lines.size() > 6) lines.resize(6);
    const auto servers = smtp::sasl_server_mechanisms();
    const std::size_t chosen = (data[0] + 256u - 'a') % (std::size(servers) + std::size(clients));
    if (chosen < std::size(servers)) {
        serve(servers[chosen], lines, users);
    } else {
        ask(clients[chosen - std::size(servers)], lines);
    }
    return 0;
}
