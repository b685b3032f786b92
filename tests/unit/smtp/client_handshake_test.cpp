#include "base/base64.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/smtp/client_script.hpp"

using smtp::AuthMechanism;
using smtp::ClientOptions;
using smtp::ClientTls;

namespace {

ClientOptions options_for(ClientTls tls) {
    ClientOptions options;
    options.helo = "me.example";
    options.tls = tls;
    options.host = "mx.example";
    options.port = 587;
    return options;
}

ClientOptions with_password(ClientTls tls, AuthMechanism auth = AuthMechanism::automatic) {
    ClientOptions options = options_for(tls);
    options.username = "user";
    options.password = base::Secret{"geheim"};
    options.auth = auth;
    return options;
}

std::string run(const ClientOptions& options, std::string_view script, std::size_t chunk) {
    test::ScriptedServer server{options, script, chunk};
    return server.run();
}

struct Case {
    std::string_view name;
    ClientOptions options;
    std::string_view script, log;
};

}  // namespace

TEST_CASE("a session gets ready, or says at which stage and why not", "[smtp]") {
    const Case c = GENERATE(values<Case>({
        {"plain", options_for(ClientTls::none),
         R"(S: 220 mx ESMTP
            C: EHLO me.example
            S: 250-mx
            S: 250 PIPELINING
            C: QUIT
            S: 221 bye)",
         "ready\nclosed"},
        {"QUIT needs no answer", options_for(ClientTls::none),
         "S: 220 mx\nC: EHLO me.example\nS: 250 mx\nC: QUIT", "ready\nclosed"},
        {"HELO when EHLO is unknown", options_for(ClientTls::none),
         "S: 220 mx\nC: EHLO me.example\nS: 502 what\nC: HELO me.example\nS: 250 mx\nC: QUIT",
         "ready\nclosed"},
        {"HELO refused too", options_for(ClientTls::none),
         "S: 220 mx\nC: EHLO me.example\nS: 502 what\nC: HELO me.example\nS: 550 no",
         "FAILED ehlo 550 permanent: the server refuses EHLO and HELO"},
        {"EHLO refused for now", options_for(ClientTls::none),
         "S: 220 mx\nC: EHLO me.example\nS: 421 busy", "FAILED ehlo 421: the server refuses EHLO"},
        {"no EHLO, no STARTTLS", options_for(ClientTls::starttls),
         "S: 220 mx\nC: EHLO me.example\nS: 502 what",
         "FAILED ehlo 502 permanent: the server does not know EHLO, without which it offers "
         "neither STARTTLS nor sign-in"},
        {"no EHLO, no sign-in", with_password(ClientTls::implicit),
         "S: 220 mx\nC: EHLO me.example\nS: 502 what",
         "FAILED ehlo 502 permanent: the server does not know EHLO, without which it offers "
         "neither STARTTLS nor sign-in"},
        {"greeting 554", options_for(ClientTls::none), "S: 554 5.7.1 listed",
         "FAILED greeting 554 permanent: the server refuses the connection"},
        {"greeting 421", options_for(ClientTls::none), "S: 421 later",
         "FAILED greeting 421: the server refuses the connection"},
        {"greeting 250", options_for(ClientTls::none), "S: 250 hi",
         "FAILED greeting 250: the greeting is not that of an SMTP server"},
        {"not SMTP", options_for(ClientTls::none), "S: SSH-2.0-x",
         "FAILED greeting 0: the server's answer cannot be read: not an SMTP reply: "
         "\"SSH-2.0-x\""},
        {"lost before the greeting", options_for(ClientTls::none), "",
         "FAILED greeting 0: the connection was lost"},
        {"lost at EHLO", options_for(ClientTls::none), "S: 220 mx\nC: EHLO me.example",
         "FAILED ehlo 0: the connection was lost"},
    }));
    const std::size_t chunk = GENERATE(1u, 7u, 4096u);
    CAPTURE(c.name, chunk);
    REQUIRE(run(c.options, c.script, chunk) == c.log);
}

TEST_CASE("STARTTLS is never done without", "[smtp]") {
    const Case c = GENERATE(values<Case>({
        {"upgraded, and EHLO said again", options_for(ClientTls::starttls),
         R"(S: 220 mx
            C: EHLO me.example
            S: 250-mx
            S: 250-PIPELINING
            S: 250 STARTTLS
            C: STARTTLS
            S: 220 go
            C: EHLO me.example
            S: 250 mx
            C: QUIT)",
         "tls\nready\nclosed"},
        {"not offered", with_password(ClientTls::starttls),
         "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 AUTH PLAIN",
         "FAILED starttls 0: the server does not offer STARTTLS: either this is the wrong port "
         "(465 speaks TLS from its first byte), or something on the way removes the offer; "
         "nothing was sent in the clear"},
        {"refused", options_for(ClientTls::starttls),
         "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 no",
         "FAILED starttls 454: the server offers STARTTLS but refuses it"},
        {"lost at the answer", options_for(ClientTls::starttls),
         "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS",
         "FAILED starttls 0: the connection was lost"},
    }));
    const std::size_t chunk = GENERATE(1u, 4096u);
    CAPTURE(c.name, chunk);
    REQUIRE(run(c.options, c.script, chunk) == c.log);
}

TEST_CASE("bytes before TLS are not taken for what the server says inside it", "[smtp]") {
    smtp::ClientSession session{options_for(ClientTls::starttls)};
    session.receive("220 mx\r\n");
    REQUIRE(std::holds_alternative<smtp::event::ClientNeedInput>(session.next_event()));
    session.receive("250-mx\r\n250 STARTTLS\r\n");
    REQUIRE(std::holds_alternative<smtp::event::ClientNeedInput>(session.next_event()));
    SECTION("with the reply") {
        session.receive("220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n");
        const smtp::ClientEvent event = session.next_event();
        const auto* failed = std::get_if<smtp::event::SessionFailed>(&event);
        REQUIRE(failed != nullptr);
        REQUIRE(failed->failure.stage == smtp::Stage::starttls);
        REQUIRE(failed->failure.problem.starts_with("data injected before TLS"));
    }
    SECTION("after it") {
        session.receive("220 go\r\n");
        REQUIRE(std::holds_alternative<smtp::event::StartTls>(session.next_event()));
        REQUIRE(session.stage() == smtp::Stage::tls);
        session.receive("25");
        session.tls_established("");
        const smtp::ClientEvent event = session.next_event();
        const auto* failed = std::get_if<smtp::event::SessionFailed>(&event);
        REQUIRE(failed != nullptr);
        REQUIRE(failed->failure.stage == smtp::Stage::tls);
    }
    SECTION("a failed handshake is the stage tls") {
        session.receive("220 go\r\n");
        REQUIRE(std::holds_alternative<smtp::event::StartTls>(session.next_event()));
        session.connection_lost("the certificate has expired");
        const smtp::ClientEvent event = session.next_event();
        REQUIRE(std::get<smtp::event::SessionFailed>(event).failure.stage == smtp::Stage::tls);
        REQUIRE(std::get<smtp::event::SessionFailed>(event).failure.problem ==
                "the certificate has expired");
        REQUIRE(std::holds_alternative<smtp::event::SessionClosed>(session.next_event()));
    }
    REQUIRE(session.take_output().find("AUTH") == std::string::npos);
}

TEST_CASE("signing in goes through each mechanism's dialogue", "[smtp]") {
    const std::string head = "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 AUTH ";
    struct AuthCase {
        std::string_view name;
        AuthMechanism auth;
        std::string_view rest, log;
    };
    const AuthCase c = GENERATE(values<AuthCase>({
        {"PLAIN", AuthMechanism::plain,
         "PLAIN LOGIN\nC: AUTH PLAIN AHVzZXIAZ2VoZWlt\nS: 235 2.7.0 ok\nC: QUIT", "ready\nclosed"},
        {"LOGIN", AuthMechanism::login,
         "PLAIN LOGIN\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dXNlcg==\nS: 334 UGFzc3dvcmQ6\n"
         "C: Z2VoZWlt\nS: 235 ok\nC: QUIT",
         "ready\nclosed"},
        {"LOGIN with empty prompts", AuthMechanism::login,
         "LOGIN\nC: AUTH LOGIN\nS: 334\nC: dXNlcg==\nS: 334\nC: Z2VoZWlt\nS: 235 ok\nC: QUIT",
         "ready\nclosed"},
        {"LOGIN that asks for more", AuthMechanism::login,
         "LOGIN\nC: AUTH LOGIN\nS: 334\nC: dXNlcg==\nS: 334\nC: Z2VoZWlt\nS: 334 YQ==",
         "FAILED auth 0: the server asked for more than LOGIN has to say"},
        {"LOGIN believed too early", AuthMechanism::login, "LOGIN\nC: AUTH LOGIN\nS: 235 ok",
         "FAILED auth 0: the server ended the sign-in by LOGIN before it was complete"},
        {"automatic prefers PLAIN inside TLS", AuthMechanism::automatic,
         "CRAM-MD5 LOGIN PLAIN\nC: AUTH PLAIN AHVzZXIAZ2VoZWlt\nS: 235 ok\nC: QUIT",
         "ready\nclosed"},
        {"LOGIN before CRAM-MD5 inside TLS", AuthMechanism::automatic,
         "CRAM-MD5 LOGIN\nC: AUTH LOGIN\nS: 535 5.7.8 no",
         "FAILED auth 535 permanent: the server refuses the sign-in by LOGIN"},
        {"535", AuthMechanism::automatic,
         "PLAIN\nC: AUTH PLAIN AHVzZXIAZ2VoZWlt\nS: 535 5.7.8 bad credentials",
         "FAILED auth 535 permanent: the server refuses the sign-in by PLAIN"},
        {"454", AuthMechanism::automatic,
         "PLAIN\nC: AUTH PLAIN AHVzZXIAZ2VoZWlt\nS: 454 4.7.0 later",
         "FAILED auth 454: the server refuses the sign-in by PLAIN"},
        {"not offered", AuthMechanism::cram_md5, "PLAIN XOAUTH2",
         "FAILED auth 0: the server does not offer sign-in by CRAM-MD5; it offers PLAIN, XOAUTH2"},
        {"automatic takes no token mechanism", AuthMechanism::automatic, "XOAUTH2 NTLM",
         "FAILED auth 0: the server does not offer sign-in by any known mechanism; it offers "
         "XOAUTH2, NTLM"},
        {"nothing offered", AuthMechanism::automatic, "",
         "FAILED auth 0: the server offers no sign-in (no AUTH in its EHLO reply)"},
        {"none", AuthMechanism::none, "PLAIN\nC: QUIT", "ready\nclosed"},
        {"EXTERNAL", AuthMechanism::external,
         "EXTERNAL\nC: AUTH EXTERNAL dXNlcg==\nS: 235 ok\nC: QUIT", "ready\nclosed"},
        {"XOAUTH2", AuthMechanism::xoauth2,
         "XOAUTH2\nC: AUTH XOAUTH2 dXNlcj11c2VyAWF1dGg9QmVhcmVyIGdlaGVpbQEB\nS: 235 ok\nC: QUIT",
         "ready\nclosed"},
        {"XOAUTH2 refused", AuthMechanism::xoauth2,
         "XOAUTH2\nC: AUTH XOAUTH2 dXNlcj11c2VyAWF1dGg9QmVhcmVyIGdlaGVpbQEB\n"
         "S: 334 eyJzdGF0dXMiOiI0MDAifQ==\nC: \nS: 535 5.7.8 no",
         "FAILED auth 535 permanent: the server refuses the sign-in by XOAUTH2: "
         "{\"status\":\"400\"}"},
        // n,a=user,^Ahost=mx.example^Aport=587^Aauth=Bearer geheim^A^A (RFC 7628 section 4.1)
        {"OAUTHBEARER refused", AuthMechanism::oauthbearer,
         "OAUTHBEARER\nC: AUTH OAUTHBEARER "
         "bixhPXVzZXIsAWhvc3Q9bXguZXhhbXBsZQFwb3J0PTU4NwFhdXRoPUJlYXJlciBnZWhlaW0BAQ==\n"
         "S: 334 eyJzdGF0dXMiOiI0MDAifQ==\nC: AQ==\nS: 535 5.7.8 no",
         "FAILED auth 535 permanent: the server refuses the sign-in by OAUTHBEARER: "
         "{\"status\":\"400\"}"},
        {"challenge not base64", AuthMechanism::login, "LOGIN\nC: AUTH LOGIN\nS: 334 User name?",
         "FAILED auth 0: the server's LOGIN challenge is not base64"},
        // RFC 2195 section 2 has this challenge; the digest is of "geheim".
        {"CRAM-MD5", AuthMechanism::cram_md5,
         "CRAM-MD5\nC: AUTH CRAM-MD5\n"
         "S: 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n"
         "C: dXNlciA5MmI4YTY0MWM0ODRhMTZiNWI3MzI2OWVhZDMxMjNmNA==\nS: 535 no",
         "FAILED auth 535 permanent: the server refuses the sign-in by CRAM-MD5"},
    }));
    const std::size_t chunk = GENERATE(1u, 4096u);
    CAPTURE(c.name, chunk);
    const std::string script = head + std::string{c.rest};
    const std::string log = run(with_password(ClientTls::implicit, c.auth), script, chunk);
    REQUIRE(log == c.log);
    REQUIRE(log.find("geheim") == std::string::npos);
}

TEST_CASE("a server that repeats our password does not get it shown", "[smtp]") {
    const std::string head =
        "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 AUTH PLAIN OAUTHBEARER\n";
    const std::string plain = head + "C: AUTH PLAIN AHVzZXIAZ2VoZWlt\n";
    const auto failure = [](AuthMechanism auth, const std::string& script) {
        test::ScriptedServer server{with_password(ClientTls::implicit, auth), script, 4096};
        server.run();
        return server.failure;
    };
    SECTION("in its refusal") {
        const auto found = failure(AuthMechanism::plain, plain + "S: 535 5.7.8 no geheim here");
        REQUIRE(found.reply == smtp::Reply{535, "5.7.8", "no *** here"});
    }
    SECTION("as the command it does not like") {
        const auto found = failure(AuthMechanism::plain,
                                   plain + "S: 501-AUTH PLAIN AHVzZXIAZ2VoZWlt\nS: 501 is odd");
        REQUIRE(found.reply.text == "AUTH PLAIN ***\nis odd");
    }
    SECTION("in what is no reply") {
        const auto found = failure(AuthMechanism::plain, plain + "S: echo AHVzZXIAZ2VoZWlt");
        REQUIRE(found.problem ==
                "the server's answer cannot be read: not an SMTP reply: \"echo ***\"");
    }
    SECTION("in the challenge that tells why a token is bad") {
        const auto found =
            failure(AuthMechanism::oauthbearer,
                    head +
                        "C: AUTH OAUTHBEARER bixhPXVzZXIsAWhvc3Q9bXguZXhhbXBsZQFwb3J0PTU4NwFh"
                        "dXRoPUJlYXJlciBnZWhlaW0BAQ==\n"
                        "S: 334 eyJ0b2tlbiI6ImdlaGVpbSJ9\nC: AQ==\nS: 535 5.7.8 no");
        REQUIRE(found.problem ==
                "the server refuses the sign-in by OAUTHBEARER: {\"token\":\"***\"}");
    }
    SECTION("later, once it knows it") {
        smtp::ClientSession session{with_password(ClientTls::implicit)};
        session.receive("220 mx\r\n");
        (void)session.next_event();
        session.receive("250-mx\r\n250 AUTH PLAIN\r\n");
        (void)session.next_event();
        session.receive("235 2.7.0 hello geheim\r\n");
        REQUIRE(std::holds_alternative<smtp::event::Ready>(session.next_event()));
        REQUIRE(session.auth_reply().text == "hello ***");
        session.receive("421 bye geheim\r\n");
        const smtp::ClientEvent event = session.next_event();
        REQUIRE(std::get<smtp::event::SessionFailed>(event).failure.reply.text == "bye ***");
    }
}

TEST_CASE("credentials need TLS, or a caller who vouches for the way", "[smtp]") {
    const std::string head = "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 AUTH PLAIN\n";
    ClientOptions options = with_password(ClientTls::none);
    REQUIRE(run(options, head, 4096) == "FAILED auth 0: credentials are not sent without TLS");
    options.allow_plaintext_auth = true;
    REQUIRE(run(options, head + "C: AUTH PLAIN AHVzZXIAZ2VoZWlt\nS: 235 ok\nC: QUIT", 4096) ==
            "ready\nclosed");
    // Without TLS a challenge-response mechanism goes before one that shows the password.
    REQUIRE(run(options,
                "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 AUTH PLAIN CRAM-MD5\n"
                "C: AUTH CRAM-MD5\nS: 535 no",
                4096) == "FAILED auth 535 permanent: the server refuses the sign-in by CRAM-MD5");
}

TEST_CASE("EXTERNAL without a name sends an empty response", "[smtp]") {
    ClientOptions options = options_for(ClientTls::implicit);
    options.auth = AuthMechanism::external;
    REQUIRE(run(options,
                "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 AUTH EXTERNAL\n"
                "C: AUTH EXTERNAL =\nS: 235 ok\nC: QUIT",
                4096) == "ready\nclosed");
}

TEST_CASE("what was used to sign in can be asked", "[smtp]") {
    test::ScriptedServer server{with_password(ClientTls::implicit),
                                "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 AUTH PLAIN\n"
                                "C: AUTH PLAIN AHVzZXIAZ2VoZWlt\nS: 235 2.7.0 Welcome\nC: QUIT",
                                4096};
    server.run();
    REQUIRE(server.session.auth_mechanism() == "PLAIN");
    REQUIRE(server.session.auth_reply() == smtp::Reply{235, "2.7.0", "Welcome"});
    REQUIRE(server.session.extensions().auth == std::vector<std::string>{"PLAIN"});
}

TEST_CASE("a server that speaks unasked ends the idle session", "[smtp]") {
    smtp::ClientSession session{options_for(ClientTls::none)};
    session.receive("220 mx\r\n");
    (void)session.next_event();
    session.receive("250 mx\r\n");
    REQUIRE(std::holds_alternative<smtp::event::Ready>(session.next_event()));
    REQUIRE(session.ready());
    session.receive("421 4.4.2 idle too long\r\n");
    const smtp::ClientEvent event = session.next_event();
    REQUIRE(std::get<smtp::event::SessionFailed>(event).failure.problem ==
            "the server closes the connection");
    REQUIRE_FALSE(session.ready());
}
