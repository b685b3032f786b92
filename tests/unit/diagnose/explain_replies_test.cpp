#include <string_view>

#include "diagnose/explain.hpp"
#include "tests/support/catch.hpp"

// What servers say, word for word, and the entry of replies.toml that must answer.

using diagnose::explain_record;
using diagnose::Explanation;

namespace {

struct Wording {
    std::string_view text, id;
};

void check(const Wording& wording) {
    CAPTURE(wording.text);
    CHECK(explain_record(wording.text).id == wording.id);
}

}  // namespace

TEST_CASE("x.7.0 decides nothing: the words do", "[explain]") {
    check(GENERATE(values<Wording>({
        {"535 5.7.0 Incorrect username or password", "login-refused"},
        {"host smtp.fastmail.com[192.0.2.1] said: 535 5.7.0 Incorrect username or password",
         "fastmail-535"},
        {"535 5.7.0 go away", "rfc-535"},
        {"552-5.7.0 This message was blocked because its content presents a potential security "
         "issue. (gsmtp)",
         "gmail-content"},
        {"554 5.7.0 Reject, id=12345-06 - spam", "amavis"},
        {"550 5.7.0 Message Rejected", "message-refused"},
        {"550 5.7.0 Local policy violation", "policy-refused"},
        {"571 5.7.0 Message content rejected", "content-refused"},
        {"554 5.7.0 Your message was rejected due to DMARC policy. See https://support.apple.com/",
         "dmarc-refused"},
        {"550 5.7.0 From address is not one of your addresses.", "icloud-from"},
        {"550 5.7.0 Sender domain must exist", "sender-domain"},
        {"550 5.7.0 Requested action not taken: too many emails per second", "rate-limited"},
        {"554 5.7.0 Too many failed authentication attempts", "too-many-logins"},
        {"503 5.7.0 Error: access denied for unknown[192.0.2.1]", "client-refused"},
        {"554 5.7.0 Account suspended", "account-suspended"},
        {"454 4.7.0 TLS not available due to local problem", "starttls-454"},
        {"Error: Upgrading connection with STARTTLS: 454 4.7.0 TLS currently unavailable",
         "starttls-454"},
        {"421 4.7.0 smtp.example.com Error: too many errors", "too-many-errors"},
        {"450 4.7.0 mail rate limit exceeded", "rate-limited"},
        {"451 4.7.0 Temporary server error. Please try again later. PRX4", "ms-prx"},
        {"451 4.7.0 Timeout waiting for client input", "client-timeout"},
        {"550 5.7.0 no", ""},
        {"454 4.7.0 no", ""},
        {"status=bounced, dsn=5.7.0", ""},
        {"530 5.7.0 no", "rfc-530"},
        {"530 5.7.1 Client was not authenticated", "rfc-530"},
    })));
}

TEST_CASE("454 is a sign-in only at AUTH or by its words", "[explain]") {
    check(GENERATE(values<Wording>({
        {"454 4.7.1 Client host rejected", ""},
        {"454 4.7.1 <a@b.example>: Recipient access denied", ""},
        {"454 4.3.0 Try again later", ""},
        {"454 4.7.5 Certificate validation failure", "certificate-454"},
        {"454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
         "login-not-checked"},
        {"AUTH PLAIN: 454 4.3.0 Try again later", "rfc-454"},
        {"email-smtp.eu-west-1.amazonaws.com: 454 Temporary authentication failure",
         "ses-tempauth"},
    })));
}

TEST_CASE("a code that has two meanings gets the one of its words", "[explain]") {
    check(GENERATE(values<Wording>({
        {"554 5.7.9 Message not accepted for policy reasons. See https://postmaster.example/",
         "yahoo-policy"},
        {"550 5.7.9 This mail has been blocked because the sender is unauthenticated",
         "sender-unauthenticated"},
        {"534 5.7.9 Please use another mechanism", "rfc-534"},
        {"535 5.7.9 Please use another mechanism", "rfc-534"},
        {"521 5.3.2 Too many connections from your host", "too-many-connections"},
        {"521 5.5.1 Protocol error", "postscreen-protocol"},
        {"521 5.2.1 (CON:B1) https://postmaster.example", "aol-con"},
        {"521 mx.example.com does not like you", "rfc-521"},
        {"521 5.3.2 This host does not accept mail", "host-no-mail"},
        {"550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
         "ms-5110"},
        {"550 5.1.10 no", ""},
        {"556 5.1.10 Domain has null MX", "rfc-556"},
        {"556 5.7.1 no", "rfc-556"},
        {"smtp.office365.com said: 550 5.7.30 Basic authentication is not supported for Client "
         "Submission.",
         "m365-basic-gone"},
        {"550 5.7.30 Basic authentication is not supported for Client Submission.",
         "m365-basic-gone"},
        {"421 4.7.30 DKIM authentication is required", "gmail-dkim-rate"},
        {"550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "recipient-541"},
        {"541 5.4.1 Recipient address rejected: access denied", "recipient-541"},
        {"554 5.1.8 Email Outgoing Blocked", "zoho-blocked"},
        {"550 5.4.6 Unusual sending activity detected. Please try after sometime.", "zoho-unusual"},
        {"554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed",
         "m365-quota-520"},
        {"554 5.5.1 Error: no valid recipients", "no-valid-recipients"},
        {"504 5.7.4 Unrecognized authentication type", "mechanism-unknown"},
        {"504 5.7.3 Unrecognized authentication type", "mechanism-unknown"},
        {"432 4.3.2 STOREDRV; too busy", ""},
    })));
}

TEST_CASE("common words are nobody's, and lists that misanswer list nobody", "[explain]") {
    check(GENERATE(values<Wording>({
        {"550 5.7.1 <bob@x.example>... Relaying denied", "relay-denied"},
        {"550 5.7.1 Email rejected per DMARC policy for example.com", "dmarc-refused"},
        {"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; "
         "Error: open resolver; https://check.spamhaus.org/returnc/pub/192.0.2.1/",
         "spamhaus-resolver"},
        {"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
         "zen-generic"},
        {"550 Blocked by bl.spamcop.net. Check https://www.spamcop.net/bl.shtml?192.0.2.1",
         "spamcop"},
        {"warning: dnsblog reply timeout 10s for zen.spamhaus.org", "postfix-dnsblog"},
    })));
}

TEST_CASE("what no entry knows is told without a claim", "[explain]") {
    CHECK(explain_record("550 5.7.0 no").meaning.find("does not say") != std::string::npos);
    CHECK(explain_record("550 5.7.30 no").meaning.find("Microsoft") != std::string::npos);
    CHECK(explain_record("550 5.1.10 no").meaning.find("no such recipient") != std::string::npos);
    CHECK(explain_record("554 5.7.9 no").meaning.find("policy") != std::string::npos);
}
