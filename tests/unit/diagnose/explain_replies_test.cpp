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
        {"550 5.7.1 Message refused", "message-refused"},
        {"550 5.7.23 <b@c.example>: Message rejected due to: SPF fail", "rfc-5723"},
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
        {"530 5.7.1 Message rejected", "rfc-530"},
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

TEST_CASE("refusals of the big receivers", "[explain]") {
    check(GENERATE(values<Wording>({
        {"550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.",
         "m365-708"},
        {"550 5.7.501 Service unavailable. Spam abuse detected from a@b.example", "m365-501"},
        {"550 5.7.511 Access denied, banned sender[192.0.2.1]", "ms-5511"},
        {"550 5.7.515 Access denied, sending domain example.com doesn't meet the required "
         "authentication level.",
         "ms-515"},
        {"550 5.7.520 Access denied, Your organization does not allow external forwarding.",
         "m365-520"},
        {"550 5.7.124 Sender not in allowed-senders list", "ms-124"},
        {"550-5.7.350 Remote server returned message detected as spam", "m365-350"},
        {"550 5.7.367 Remote server returned not permitted to relay", "m365-367"},
        {"550 5.6.11 invalid characters (bare line feeds)", "ms-5611"},
        {"550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds", "ms-5611"},
        {"451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35.", "ms-4462"},
        {"550-5.7.1 [192.0.2.1] Messages missing a valid Message-ID header are not accepted.",
         "gmail-messageid"},
        {"550 5.7.40 This message was blocked, sender's DMARC", "gmail-dmarc-missing"},
        {"421 4.7.40 Your email has been rate limited because the sending domain doesn't have a "
         "DMARC record, or the DMARC record doesn't specify a DMARC policy.",
         "gmail-dmarc-missing-421"},
        {"550 5.7.30 This mail has been blocked because DKIM does not pass.", "gmail-dkim"},
        {"552-5.2.3 Your message exceeded Google's message size limits.", "gmail-size"},
        {"552 5.3.4 Your message exceeded Google's message size limits.", "gmail-size"},
        {"452-4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to",
         "gmail-full"},
        {"550 5.4.5 Daily user sending quota exceeded", "gmail-daily"},
        {"host mx01.mail.icloud.com[192.0.2.1] said: 554 5.7.1 Your message was rejected due to "
         "example.com's DMARC policy.",
         "dmarc-refused"},
        {"553 5.3.0 <192.0.2.1> refused. See https://support.apple.com (HM07)", "icloud-hm07"},
        {"550 Requested action not taken: mailbox unavailable. Reject due to policy restrictions.",
         "gmx-policy"},
        {"550 Message was not accepted -- invalid mailbox. Local mailbox a@b is unavailable",
         "mailbox-invalid"},
    })));
}

TEST_CASE("more of Gmail's and Microsoft's numbers", "[explain]") {
    check(GENERATE(values<Wording>({
        {"421 4.7.0 TLS required for RCPT domain, closing connection.", "gmail-tls-rcpt"},
        {"550 5.7.0 Mail Sending denied.", "gwr-sending-denied"},
        {"554 5.7.0 too many unauthenticated commands", "gmail-unauth-commands"},
        {"421 4.7.0 Connection expired, try reconnecting.", "gmail-expired"},
        {"450 4.2.1 The user you are trying to contact is receiving mail too quickly.",
         "gmail-recipient-rate"},
        {"550 5.2.1 The email account that you tried to reach is disabled.", "gmail-inactive"},
        {"421 4.7.0 [192.0.2.1] Our system has detected that this message is suspicious due to "
         "the very low reputation of the sending domain.",
         "gmail-lowrep-421"},
        {"421 4.7.0 This message is suspicious due to the nature of the content or the links "
         "within.",
         "gmail-content-421"},
        {"550 5.7.1 The user or domain that you are sending to (or from) has a policy that "
         "prohibited the mail that you sent.",
         "gmail-domain-policy"},
        {"550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains",
         "m365-750"},
        {"550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; Sender not authenticated for "
         "group",
         "ms-133"},
        {"554 5.4.14 Hop count exceeded - possible mail loop ATTR1", "hop-count"},
    })));
}

TEST_CASE("refusals of submission services", "[explain]") {
    check(GENERATE(values<Wording>({
        {"554 Sending paused for this account. For more information, please check the inbox",
         "ses-paused"},
        {"451 4.4.2 Timeout waiting for data from client.", "client-timeout"},
        {"450 Maximum number of emails per day exceeded", "resend-quota"},
        {"550 The example.com domain is not verified. Please, add and verify your domain on "
         "https://resend.com/domains",
         "resend-domain"},
        {"550 5.7.1 Requests from sender IP not allowed - IP Access Management", "sg-ip"},
        {"550 5.7.1 Spam blocked by OVH", "ovh-spam"},
        {"406 You tried to send to recipients that have been marked as inactive.", "pm-inactive"},
    })));
}

TEST_CASE("refusals of anybody's server", "[explain]") {
    check(GENERATE(values<Wording>({
        {"450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]",
         "noptr-hostname"},
        {"454 4.7.1 Client host rejected: cannot find your reverse hostname", "noptr-hostname"},
        {"550 5.1.0 <a@b.example>: Sender address rejected: Domain not found", "sender-domain"},
        {"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "relay-denied"},
        {"SmtpCommandException: 5.7.1 Client was not authenticated", "client-not-authenticated"},
        {"550 No such user here", "unknown-user"},
        {"550-Verification failed for <a@b.example> 550 Sender verify failed", "sender-verify"},
        {"550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)", "helo-rejected"},
        {"550 R1: HELO should be a FQDN or address literal (See RFC 2821 4.1.1.1)",
         "helo-rejected"},
        {"554 5.7.1 Spam message rejected", "spam-refused"},
        {"554 5.7.1 [P4] Message blocked due to spam content in the message.", "spam-refused"},
        {"554 Transaction Failed Spam Message not queued.", "spam-refused"},
        {"554 rejected due to spam URL in content", "spam-refused"},
        {"550 This message was classified as SPAM and may not be delivered", "spam-refused"},
        {"SMTP error from remote mail server after end of data: 550 High probability of spam",
         "spam-refused"},
    })));
}

TEST_CASE("words that are not always of mail need a code beside them", "[explain]") {
    check(GENERATE(values<Wording>({
        {"ERROR: Access denied for user 'app'@'192.0.2.1' (using password: YES)", ""},
        {"FATAL: too many connections", ""},
        {"login: Invalid username or password", ""},
        {"spamd: message was identified as spam", ""},
        {"550 message was identified as spam", "spam-refused"},
    })));
}

TEST_CASE("a known service's own rules follow what is said of everybody", "[explain]") {
    const auto fix = [](std::string_view text) { return explain_record(text).fix; };
    CHECK(fix("host smtp.resend.com said: 535 5.7.8 no").find("user name: \"resend\"") !=
          std::string::npos);
    CHECK(fix("host smtp.mailersend.net said: 552 5.3.4 too big").find("up to 25 MB") !=
          std::string::npos);
    CHECK(fix("msmtp: smtp.fastmail.com: authentication failed (method PLAIN)")
              .find("app password") != std::string::npos);
    CHECK(fix("host smtp.gmail.com said: 450 rate limit exceeded").find("limits: about 500") !=
          std::string::npos);
    CHECK(fix("535 5.7.8 no").find("user name: ") == std::string::npos);
}

TEST_CASE("a mail log's own number stands behind the reply that it repeats", "[explain]") {
    const Explanation sent =
        explain_record("postfix/smtp[9]: to=<a@b.example>, dsn=2.0.0, status=sent (250 2.0.0 OK)");
    CHECK(sent.meaning.find("did what was asked") != std::string::npos);
    const Explanation refused = explain_record(
        "relay=mx01.mail.icloud.com[192.0.2.1]:25, dsn=5.7.1, status=bounced (host "
        "mx01.mail.icloud.com[192.0.2.1] said: 550 5.7.1 [CS01] Message rejected due to local "
        "policy.)");
    CHECK(refused.id == "icloud-policy");
    CHECK(refused.code == 550);
}

TEST_CASE("what no entry knows is told without a claim", "[explain]") {
    CHECK(explain_record("550 5.7.0 no").meaning.find("does not say") != std::string::npos);
    CHECK(explain_record("550 5.7.30 no").meaning.find("Microsoft") != std::string::npos);
    CHECK(explain_record("550 5.1.10 no").meaning.find("no such recipient") != std::string::npos);
    CHECK(explain_record("554 5.7.9 no").meaning.find("policy") != std::string::npos);
}
