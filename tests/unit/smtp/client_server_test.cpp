#include <algorithm>
#include <map>

#include "smtp/client_session.hpp"
#include "smtp/password_hash.hpp"
#include "smtp/server_session.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/smtp/conversation.hpp"

namespace {

class Users final : public smtp::CredentialStore {
 public:
    Users() { users_["user"] = smtp::make_scram_secret(base::Secret{"geheim"}); }
    [[nodiscard]] std::optional<smtp::ScramSecret> find(std::string_view user) const override {
        const auto found = users_.find(user);
        return found == users_.end() ? std::nullopt : std::optional{found->second};
    }
    [[nodiscard]] smtp::ScramSecret decoy(std::string_view user) const override {
        return smtp::Decoys{}.make(user);
    }

 private:
    std::map<std::string, smtp::ScramSecret, std::less<>> users_;
};

// Both halves of this library, with each one's output the other's input.
class Pair {
 public:
    Pair(const smtp::ClientOptions& client, const smtp::ServerContext& server)
        : client_(client), server_(server), binding_(server.channel_binding) {
        server_.greet();
    }

    std::vector<smtp::Transaction> transactions;
    std::vector<std::string> contents;
    std::vector<std::string> received;
    std::vector<smtp::RecipientResult> results;
    std::string failure;

    void run() {
        while (client_turn()) {
            while (server_turn()) {
            }
            client_.receive(server_.take_output());
        }
    }
    [[nodiscard]] const smtp::ClientSession& client() const { return client_; }

 private:
    // Up to the next write; false at the end.
    bool client_turn() {
        for (;;) {
            const smtp::ClientEvent event = client_.next_event();
            if (std::holds_alternative<smtp::event::ClientNeedInput>(event)) {
                server_.receive(client_.take_output());
                return true;
            }
            if (std::holds_alternative<smtp::event::StartTls>(event)) {
                (void)client_.take_output();
                client_.tls_established(binding_);
                server_.tls_established(binding_);
            } else if (std::holds_alternative<smtp::event::Ready>(event)) {
                next_transaction();
            } else if (std::holds_alternative<smtp::event::BodyWanted>(event)) {
                client_.write_body(contents[next_ - 1], true);
            } else if (const auto* done = std::get_if<smtp::event::TransactionDone>(&event)) {
                results.insert(results.end(), done->results.begin(), done->results.end());
                if (client_.ready()) next_transaction();
            } else if (const auto* failed = std::get_if<smtp::event::SessionFailed>(&event)) {
                failure = failed->failure.problem;
                return false;
            } else if (std::holds_alternative<smtp::event::SessionClosed>(event)) {
                return false;
            }
        }
    }
    void next_transaction() {
        if (next_ == transactions.size()) return client_.quit();
        client_.begin(transactions[next_++]);
    }
    bool server_turn() {
        const smtp::ServerEvent event = server_.next_event();
        if (std::holds_alternative<smtp::event::NeedInput>(event) ||
            std::holds_alternative<smtp::event::Closed>(event) ||
            std::holds_alternative<smtp::event::TlsRequested>(event)) {
            return false;
        }
        if (std::holds_alternative<smtp::event::BodyStarted>(event)) received.emplace_back();
        if (const auto* chunk = std::get_if<smtp::event::BodyChunk>(&event)) {
            received.back() += chunk->bytes;
        }
        if (const auto* rcpt = std::get_if<smtp::event::RcptRequested>(&event)) {
            const bool known = !rcpt->recipient.address.starts_with("unknown");
            server_.respond(known ? smtp::Reply{250, "2.1.5", "Ok"}
                                  : smtp::Reply{550, "5.1.1", "No such user"});
        } else if (std::holds_alternative<smtp::event::MailRequested>(event)) {
            server_.respond({250, "2.1.0", "Ok"});
        } else if (std::holds_alternative<smtp::event::BodyCompleted>(event)) {
            server_.respond({250, "2.0.0", "Queued"});
        }
        return true;
    }

    smtp::ClientSession client_;
    smtp::ServerSession server_;
    std::string binding_;
    std::size_t next_ = 0;
};

smtp::Transaction to(std::vector<std::string> recipients, std::size_t size) {
    smtp::Transaction transaction;
    transaction.envelope.reverse_path = "a@x.example";
    for (std::string& address : recipients) {
        transaction.envelope.recipients.push_back({std::move(address), {}, {}});
    }
    transaction.body_size = size;
    return transaction;
}

}  // namespace

TEST_CASE("our client and our server understand each other", "[smtp]") {
    const Users users;
    smtp::ServerOptions server_options;
    server_options.hostname = "mx.example";
    server_options.auth = smtp::AuthPolicy::required;
    smtp::ServerContext context;
    context.options = &server_options;
    context.credentials = &users;
    context.tls_available = true;
    context.channel_binding = std::string(32, 'c');
    smtp::ClientOptions options;
    options.helo = "me.example";
    options.username = "user";
    options.password = base::Secret{"geheim"};

    SECTION("messages small and large, recipients known and not") {
        Pair pair{options, context};
        const std::string large = std::string(300000, 'x') + "\r\n.\r\n";
        pair.contents = {"Hi\r\n.\r\n..\r\n", "nobody\r\n", large, "last\r\n"};
        pair.transactions = {to({"b@y.example", "unknown@y.example"}, 11),
                             to({"unknown@y.example"}, 8), to({"b@y.example"}, large.size()),
                             to({"b@y.example"}, 6)};
        pair.run();
        REQUIRE(pair.failure.empty());
        REQUIRE(pair.client().auth_mechanism() == "SCRAM-SHA-256-PLUS");
        REQUIRE(pair.results.size() == 5);
        REQUIRE(pair.results[0].outcome == smtp::Outcome::delivered);
        REQUIRE(pair.results[1].outcome == smtp::Outcome::failed);
        REQUIRE(pair.results[2].outcome == smtp::Outcome::failed);
        REQUIRE(pair.results[3].outcome == smtp::Outcome::delivered);
        REQUIRE(pair.results[4].outcome == smtp::Outcome::delivered);
        std::erase(pair.received, "");
        REQUIRE(pair.received ==
                std::vector<std::string>{pair.contents[0], pair.contents[2], pair.contents[3]});
    }
    SECTION("a wrong password") {
        options.password = base::Secret{"falsch"};
        const auto mechanism = GENERATE(smtp::AuthMechanism::automatic, smtp::AuthMechanism::plain,
                                        smtp::AuthMechanism::login);
        options.auth = mechanism;
        Pair pair{options, context};
        pair.run();
        REQUIRE(pair.failure.starts_with("the server refuses the sign-in by "));
        REQUIRE(pair.failure.find("falsch") == std::string::npos);
    }
}

TEST_CASE("replies to a long group of commands are to be written before the rest is read",
          "[smtp]") {
    const smtp::ServerOptions options = test::usual_options();
    smtp::ServerContext context;
    context.options = &options;
    smtp::ServerSession session{context};
    session.greet();
    std::string group, replies;
    for (int i = 0; i < 2000; ++i) group += "EHLO a\r\n";
    session.receive(group);
    std::size_t most = 0, writes = 0;
    while (std::holds_alternative<smtp::event::OutputFull>(session.next_event())) {
        const std::string output = session.take_output();
        most = std::max(most, output.size());
        replies += output;
        ++writes;
    }
    replies += session.take_output();
    CHECK(most < 20'000);
    CHECK(writes > 10);
    std::size_t answered = 0;
    for (std::size_t at = 0; (at = replies.find("\r\n250 ", at)) != std::string::npos; ++at)
        ++answered;
    CHECK(answered == 2000);
}
