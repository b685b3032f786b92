#include "relay/reply_for.hpp"
#include "relay/explain_reply.hpp"

#include "tests/support/catch.hpp"

using spool::Problem;

TEST_CASE("a refused sign-in is Gmail's where the host or the words are", "[relay]") {
    smtp::Reply reply;
    reply.code = 535;
    reply.enhanced = "5.7.8";
    reply.text = "Username and Password not accepted";
    const auto meaning = [&](std::string_view host) {
        return relay::explain_reply(reply, smtp::Stage::auth, host);
    };
    CHECK_THAT(meaning("smtp.gmail.com"), Catch::Contains("Gmail"));
    CHECK_THAT(meaning("mail.example.com"), !Catch::Contains("Gmail"));
    CHECK_FALSE(meaning("mail.example.com").empty());
    reply.text += ". https://support.google.com/mail/?p=BadCredentials x1 - gsmtp";
    CHECK_THAT(meaning("mail.example.com"), Catch::Contains("Gmail"));
}

TEST_CASE("a fault of the spool is a temporary refusal, so that the client keeps the mail",
          "[relay]") {
    struct Case {
        Problem problem;
        int code;
        std::string_view enhanced;
    };
    const Case c = GENERATE(values<Case>({
        {Problem::full, 452, "4.3.1"},
        {Problem::read_only, 451, "4.3.0"},
        {Problem::io, 451, "4.3.0"},
        {Problem::unsynced, 451, "4.3.0"},  // a failed sync
        {Problem::corrupt, 451, "4.3.0"},
        {Problem::body_lost, 451, "4.3.0"},
        {Problem::not_found, 451, "4.3.0"},
    }));
    CAPTURE(static_cast<int>(c.problem));
    const smtp::Reply reply = relay::reply_for(c.problem);
    CHECK(reply.code == c.code);
    CHECK(reply.enhanced == c.enhanced);
    CHECK(reply.text.find('/') == std::string::npos);  // no path
}
