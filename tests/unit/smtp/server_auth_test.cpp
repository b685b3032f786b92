#include "base/base64.hpp"
#include "smtp/password_hash.hpp"
#include "smtp/sasl_client.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/smtp/conversation.hpp"

using namespace std::string_literals;
using test::Conversation;

namespace {

const test::Users& users() {
    static const test::Users known = [] {
        test::Users made;
        made.add("alice", "secret");
        made.add("b\xc3\xb6", "p\xc3\xa4ss");
        return made;
    }();
    return known;
}

struct Server {
    smtp::ServerOptions options = test::usual_options();
    smtp::ServerContext context;
    Server() {
        options.auth = smtp::AuthPolicy::required;
        context.options = &options;
        context.credentials = &users();
    }
};

std::string encode(std::string_view text) { return base::base64_encode(text); }

// Plays GNU SASL's client against the session; the last reply.
std::string scram(Conversation& talk, const char* mechanism, const std::string& user,
                  const std::string& password, const std::string& binding) {
    smtp::SaslCredentials credentials;
    credentials.username = user;
    credentials.password = base::Secret{password};
    credentials.channel_binding = binding;
    const auto client = smtp::make_gsasl_client(mechanism, credentials);
    const auto initial = client->initial();
    REQUIRE(initial.has_value());
    std::string answer =
        talk.say("AUTH "s + mechanism + " " + encode((*initial)->reveal()) + "\r\n");
    while (answer.starts_with("334 ")) {
        const auto challenge = base::base64_decode(answer.substr(4, answer.size() - 6));
        REQUIRE(challenge.has_value());
        const auto response = client->respond(*challenge);
        if (!response) return "client: " + response.error().message;
        answer = talk.say(encode(response->reveal()) + "\r\n");
    }
    if (answer.starts_with("235")) CHECK(client->complete());
    return answer;
}

}  // namespace

TEST_CASE("EHLO offers the mechanisms that the policy and the channel allow", "[smtp]") {
    struct Case {
        smtp::AuthPolicy policy;
        bool tls, plaintext;
        std::string_view binding, offer;
    };
    const Case c = GENERATE(values<Case>({
        {smtp::AuthPolicy::none, true, true, "b", ""},
        {smtp::AuthPolicy::accept_any, false, true, "", "250-AUTH PLAIN LOGIN\r\n"},
        {smtp::AuthPolicy::required, false, true, "", "250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n"},
        {smtp::AuthPolicy::required, false, false, "", "250-AUTH SCRAM-SHA-256\r\n"},
        {smtp::AuthPolicy::required, true, false, "b",
         "250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\r\n"},
    }));
    Server server;
    server.options.auth = c.policy;
    server.context.tls_active = c.tls;
    server.context.plaintext_auth_allowed = c.plaintext;
    server.context.channel_binding = c.binding;
    Conversation talk{server.context};
    const std::string answer = talk.say("EHLO x\r\n");
    const std::size_t start = answer.find("250-AUTH");
    const std::string line =
        start == answer.npos ? "" : answer.substr(start, answer.find('\n', start) + 1 - start);
    CHECK(line == c.offer);
}

TEST_CASE("PLAIN and LOGIN let the right password in and no other", "[smtp]") {
    struct Case {
        std::string name, lines, answer;
    };
    const std::string in = "235 2.7.0 Authentication successful\r\n";
    const std::string out = "535 5.7.8 Authentication credentials invalid\r\n";
    const Case c = GENERATE_COPY(values<Case>({
        {"PLAIN", "AUTH PLAIN " + encode("\0alice\0secret"s), in},
        {"PLAIN for oneself", "AUTH plain " + encode("alice\0alice\0secret"s), in},
        {"PLAIN for another", "AUTH PLAIN " + encode("bob\0alice\0secret"s), out},
        {"PLAIN on demand", "AUTH PLAIN|" + encode("\0alice\0secret"s), "334 \r\n" + in},
        {"PLAIN wrong", "AUTH PLAIN " + encode("\0alice\0secreT"s), out},
        {"PLAIN unknown", "AUTH PLAIN " + encode("\0eve\0secret"s), out},
        {"PLAIN nothing", "AUTH PLAIN =",
         "501 5.5.2 The response makes no sense for this "
         "mechanism\r\n"},
        {"PLAIN cut", "AUTH PLAIN " + encode("\0alice"s),
         "501 5.5.2 The response makes no sense for this mechanism\r\n"},
        {"UTF-8", "AUTH PLAIN " + encode("\0b\xc3\xb6\0p\xc3\xa4ss"s), in},
        {"LOGIN", "AUTH LOGIN|" + encode("alice") + "|" + encode("secret"),
         "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n" + in},
        {"LOGIN with the name", "AUTH LOGIN " + encode("alice") + "|" + encode("secret"),
         "334 UGFzc3dvcmQ6\r\n" + in},
        {"LOGIN wrong", "AUTH LOGIN " + encode("alice") + "|" + encode("x"),
         "334 UGFzc3dvcmQ6\r\n" + out},
        {"cancelled", "AUTH LOGIN|*", "334 VXNlcm5hbWU6\r\n501 5.7.0 Authentication cancelled\r\n"},
        {"no base64", "AUTH PLAIN !!!!", "501 5.5.2 Cannot decode the response\r\n"},
        {"unknown mechanism", "AUTH CRAM-MD5",
         "504 5.5.4 Authentication mechanism not supported\r\n"},
        {"unbound PLUS", "AUTH SCRAM-SHA-256-PLUS",
         "504 5.5.4 Authentication mechanism not supported\r\n"},
    }));
    CAPTURE(c.name);
    Server server;
    Conversation talk{server.context};
    talk.say("EHLO x\r\n");
    std::string answers, line;
    for (const char part : c.lines + "|") {
        if (part != '|') {
            line += part;
            continue;
        }
        answers += talk.say(line + "\r\n");
        line.clear();
    }
    CHECK(answers == c.answer);
    const bool inside = c.answer.ends_with(in);
    CHECK(talk.session.authenticated_user().empty() == !inside);
    CHECK(talk.say("MAIL FROM:<a@b>\r\n").starts_with(inside ? "250" : "530 5.7.0"));
}

TEST_CASE("SCRAM works against GNU SASL's client, with and without channel binding", "[smtp]") {
    Server server;
    server.context.tls_active = true;
    server.context.channel_binding = std::string(32, 'b');
    const char* mechanism = GENERATE("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS");
    const bool plus = mechanism == "SCRAM-SHA-256-PLUS"s;
    const std::string binding = plus ? std::string(32, 'b') : "";
    CAPTURE(mechanism);
    Conversation talk{server.context};
    talk.say("EHLO x\r\n");
    SECTION("right") {
        CHECK(scram(talk, mechanism, "alice", "secret", binding).starts_with("235 2.7.0"));
        CHECK(talk.session.authenticated_user() == "alice");
        CHECK(talk.say("AUTH PLAIN\r\n").starts_with("503 5.5.1"));
    }
    SECTION("wrong") {
        CHECK(scram(talk, mechanism, "alice", "Secret", binding).starts_with("535 5.7.8"));
        CHECK(scram(talk, mechanism, "eve", "secret", binding).starts_with("535 5.7.8"));
        CHECK(talk.session.authenticated_user().empty());
    }
    SECTION("another channel") {
        if (plus) {
            CHECK(scram(talk, mechanism, "alice", "secret", std::string(32, 'c'))
                      .starts_with("535 5.7.8"));
        }
    }
    SECTION("noise") {
        CHECK(talk.say("AUTH "s + mechanism + " " + encode("noise") + "\r\n").starts_with("5"));
        CHECK(talk.say("NOOP\r\n").starts_with("250"));
    }
}

TEST_CASE("plaintext mechanisms need TLS where that is wanted", "[smtp]") {
    Server server;
    server.context.plaintext_auth_allowed = false;
    Conversation talk{server.context};
    talk.say("EHLO x\r\n");
    CHECK(talk.say("AUTH PLAIN " + encode("\0alice\0secret"s) + "\r\n").starts_with("538 5.7.11"));
    CHECK(scram(talk, "SCRAM-SHA-256", "alice", "secret", "").starts_with("235"));
}

TEST_CASE("accept-any lets everybody in", "[smtp]") {
    Server server;
    server.options.auth = smtp::AuthPolicy::accept_any;
    server.context.credentials = nullptr;
    Conversation talk{server.context};
    talk.say("EHLO x\r\n");
    SECTION("who signs in") {
        CHECK(talk.say("AUTH PLAIN " + encode("\0any\0thing"s) + "\r\n").starts_with("235"));
        CHECK(talk.session.authenticated_user() == "any");
    }
    SECTION("who does not") { CHECK(talk.say("MAIL FROM:<a@b>\r\n").starts_with("250")); }
}

TEST_CASE("the third failure ends the connection", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    talk.say("EHLO x\r\n");
    const std::string wrong = "AUTH PLAIN " + encode("\0alice\0wrong"s) + "\r\n";
    CHECK(talk.say(wrong).starts_with("535"));
    CHECK(talk.say(wrong).starts_with("535"));
    CHECK(talk.say(wrong) == "421 4.7.0 Too many failed authentications\r\n");
    CHECK(talk.closed);
}

TEST_CASE("nothing may follow AUTH or a response in one go", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    talk.say("EHLO x\r\n");
    SECTION("the command") {
        CHECK(talk.say("AUTH PLAIN " + encode("\0alice\0secret"s) + "\r\nMAIL FROM:<a@b>\r\n")
                  .starts_with("554 5.5.1"));
    }
    SECTION("a response") {
        talk.say("AUTH LOGIN\r\n");
        CHECK(talk.say(encode("alice") + "\r\n" + encode("secret") + "\r\n")
                  .starts_with("554 5.5.1"));
    }
    CHECK(talk.closed);
    CHECK(talk.session.authenticated_user().empty());
}

TEST_CASE("a failed sign-in is told to the driver, and a blocked one is not looked at", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    talk.say("EHLO x\r\n");
    CHECK(talk.say("AUTH PLAIN " + encode("\0alice\0wrong"s) + "\r\n").starts_with("535"));
    CHECK(talk.failed_sign_ins == 1);
    talk.session.block_sign_in(true);
    CHECK(talk.say("AUTH PLAIN " + encode("\0alice\0secret"s) + "\r\n").starts_with("421 4.7.0"));
    CHECK(talk.failed_sign_ins == 1);
    CHECK(talk.closed);
    CHECK(talk.session.authenticated_user().empty());
}

TEST_CASE("a sign-in that is blocked behind its challenge is not looked at", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    talk.say("EHLO x\r\n");
    talk.say("AUTH LOGIN\r\n");
    CHECK(talk.say(encode("alice") + "\r\n").starts_with("334"));
    talk.session.block_sign_in(true);
    CHECK(talk.say(encode("secret") + "\r\n").starts_with("421 4.7.0"));
    CHECK(talk.closed);
    CHECK(talk.session.authenticated_user().empty());
}

TEST_CASE("responses have a limit", "[smtp]") {
    Server server;
    Conversation talk{server.context};
    talk.say("EHLO x\r\n");
    talk.say("AUTH LOGIN\r\n");
    CHECK(talk.say(std::string(12289, 'A') + "\r\n", 1000) ==
          "500 5.5.6 Authentication line too long\r\n");
    CHECK(talk.say("NOOP\r\n").starts_with("250"));
    talk.say("AUTH LOGIN\r\n");
    CHECK(talk.say(std::string(12288, 'A') + "\r\n", 1000).starts_with("334"));
}

TEST_CASE("password hashes are made, read back and checked", "[smtp]") {
    const auto hash = smtp::hash_password(base::Secret{"secret"});
    REQUIRE(hash.has_value());
    CHECK(hash->starts_with("{SCRAM-SHA-256}4096,"));
    CHECK(hash->find("secret") == std::string::npos);
    const auto secret = smtp::parse_password_hash(*hash);
    REQUIRE(secret.has_value());
    CHECK(smtp::format_password_hash(*secret) == *hash);
    CHECK_FALSE(smtp::check_password(*secret, "Secret"));
    CHECK(smtp::check_password(*secret, "secret"));
    CHECK(smtp::check_password(*secret, "secret"));  // from memory
    CHECK_FALSE(smtp::check_password(*secret, "Secret"));
    CHECK_FALSE(smtp::check_password(smtp::make_scram_secret(base::Secret{"other"}), "secret"));
    CHECK(*smtp::hash_password(base::Secret{"secret"}) != *hash);  // another salt
    CHECK(smtp::hash_password(base::Secret{}).has_error());
    CHECK(smtp::hash_password(base::Secret{"a\0b"s}).has_error());
}

// RFC 7677 section 3: user "user", password "pencil".
TEST_CASE("the keys are those of RFC 7677's example", "[smtp]") {
    const auto secret = smtp::parse_password_hash(
        "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    REQUIRE(secret.has_value());
    CHECK(smtp::check_password(*secret, "pencil"));
}

TEST_CASE("damaged password hashes are refused", "[smtp]") {
    const std::string good = smtp::format_password_hash(smtp::make_scram_secret(base::Secret{"x"}));
    const std::string bad =
        GENERATE_COPY(""s, "secret"s, good.substr(1), good.substr(0, good.size() - 5), good + ",x",
                      "{SCRAM-SHA-256}0,AAAA," + good.substr(good.find(',') + 1),
                      "{SCRAM-SHA-256}0" + good.substr(good.find(',')),
                      "{SCRAM-SHA-256}250001" + good.substr(good.find(',')),
                      "{SCRAM-SHA-256}x" + good.substr(good.find(',')));
    CAPTURE(bad);
    CHECK_FALSE(smtp::parse_password_hash(bad).has_value());
    CHECK(smtp::parse_password_hash("{SCRAM-SHA-256}250000" + good.substr(good.find(',')))
              .has_value());
}
