#include "diagnose/explain.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "diagnose/error_catalogue.hpp"
#include "diagnose/reply_catalogue.hpp"
#include "tests/support/catch.hpp"

using diagnose::explain_record;
using diagnose::Explanation;

TEST_CASE("each reply of the catalogue is explained as the data say", "[explain]") {
    for (const diagnose::ReplyEntry& entry : diagnose::ReplyCatalogue::built_in().entries()) {
        std::vector<std::string> texts = entry.contains;
        if (texts.empty()) texts.emplace_back("sorry");
        for (const std::string& words : texts) {
            std::string text = entry.at_stage ? "AUTH LOGIN: " : "";
            if (entry.code != 0) text += fmt::format("{} ", entry.code);
            if (!entry.enhanced.empty()) text += entry.enhanced + ' ';
            text += fmt::format("Well, {}, bye", base::to_upper(words));
            CAPTURE(entry.id, text);
            const Explanation found = explain_record(text, entry.provider);
            CHECK(found.matched);
            CHECK(found.id == entry.id);
            CHECK(found.meaning == entry.meaning);
            CHECK(found.fix == entry.fix);
            CHECK(found.retry == entry.retry);
            CHECK(found.who_fixes == entry.who_fixes);
        }
    }
}

TEST_CASE("each program's words are explained, by themselves or by a better entry", "[explain]") {
    for (const diagnose::ErrorEntry& entry : diagnose::ErrorCatalogue::built_in().entries()) {
        for (const std::string& words : entry.contains) {
            std::string text = "Error: " + words;
            if (!entry.with.empty()) text += ' ' + entry.with.front();
            if (!entry.ports.empty()) text += fmt::format(" port {}", entry.ports.front());
            if (entry.local) text += " at localhost";
            CAPTURE(entry.id, text);
            const Explanation found = explain_record(text);
            CHECK(found.matched);
        }
    }
}

TEST_CASE("texts as programs write them", "[explain]") {
    struct Case {
        std::string_view text, id, provider, stage;
        int code;
        std::string_view enhanced;
    };
    const Case c = GENERATE(values<Case>({
        {"Error: Invalid login: 535-5.7.8 Username and Password not accepted. For more "
         "information, "
         "go to\n535 5.7.8  https://support.example/ - gsmtp",
         "gmail-badcred", "gmail", "auth", 535, "5.7.8"},
        {R"(smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted. For more\n5.7.8  https://x'))",
         "gmail-badcred", "gmail", "auth", 535, "5.7.8"},
        {"Expected response code \"250\" but got code \"535\", with message \"535 5.7.139 "
         "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.\"",
         "m365-smtpauth-tenant", "microsoft365", "auth", 535, "5.7.139"},
        {"The SMTP server requires a secure connection or the client was not authenticated. The "
         "server response was: 5.7.57 Client not authenticated to send mail.",
         "m365-57157", "microsoft365", "mail", 530, "5.7.57"},
        {"SMTP ERROR: Password command failed: 535 5.7.8 Error: authentication failed", "rfc-535",
         "rfc", "auth", 535, "5.7.8"},
        {"SMTP server error: QUIT command failed Detail: x SMTP code: 535 Additional SMTP info: "
         "5.7.8",
         "rfc-535", "rfc", "auth", 535, "5.7.8"},
        {"Nov 29 10:00:00 h postfix/smtp[29]: 4AB: to=<x@gmail.com>, relay=gmail-smtp-in.l.google."
         "com[142.250.1.27]:25, delay=0.5, dsn=5.7.26, status=bounced (host gmail-smtp-in.l.google."
         "com[142.250.1.27] said: 550-5.7.26 This mail is unauthenticated, which poses a security "
         "risk. 550-5.7.26 The sender must authenticate with at least one of either 550-5.7.26 SPF "
         "or DKIM. (in reply to end of DATA command))",
         "gmail-unauth", "gmail-mx", "data", 550, "5.7.26"},
        {"Nov 29 10:00:00 h postfix/smtp[29]: 4AB: to=<x@gmail.com>, relay=none, delay=30, "
         "dsn=4.4.1, status=deferred (connect to mx.dest.example[192.0.2.1]:25: Connection timed "
         "out)",
         "timeout-25", "", "connect", 0, "4.4.1"},
        {"2026-11-29 10:00:00 1tGx H=mx.dest.example [192.0.2.1]: Connection timed out "
         "T=remote_smtp",
         "timeout-25", "", "connect", 0, ""},
        {"Nov 29 10:00:00 h sendmail[7]: x: to=<a@b.example>, mailer=esmtp, relay=mx.b.example. "
         "[192.0.2.1], dsn=4.0.0, stat=Deferred: Connection timed out with mx.b.example.",
         "timeout-25", "", "connect", 0, "4.0.0"},
        {"Error: connect ETIMEDOUT 192.0.2.1:587", "timeout-submission", "", "connect", 0, ""},
        {"com.sun.mail.util.MailConnectException: Couldn't connect to host, port: smtp.x.example, "
         "25; timeout -1;\n  nested exception is:\n\tjava.net.ConnectException: Connection refused",
         "refused-25", "", "connect", 0, ""},
        {"Error: connect ECONNREFUSED ::1:2525", "refused-local", "", "connect", 0, ""},
        {"dial tcp 127.0.0.1:25: connect: connection refused", "refused-local", "", "connect", 0,
         ""},
        {"dial tcp [2a00:1450:4864:20::1a]:25: connect: network is unreachable", "unreachable-ipv6",
         "", "connect", 0, ""},
        {"dial tcp: lookup smtp.x.example: no such host", "dns-name", "", "dns", 0, ""},
        {"Error: getaddrinfo EAI_AGAIN smtp.x.example", "dns-temporary", "", "dns", 0, ""},
        {"Net::OpenTimeout: execution expired", "timeout", "", "connect", 0, ""},
        {"Greeting never received", "greeting-never", "", "connect", 0, ""},
        {"Error: 140:error:1408F10B:SSL routines:ssl3_get_record:wrong version number:../deps",
         "tls-wrong-version", "", "tls", 0, ""},
        {"javax.net.ssl.SSLHandshakeException: PKIX path building failed", "cert-untrusted", "",
         "tls", 0, ""},
        {"x509: certificate is valid for *.web.example, not smtp.x.example", "cert-name", "", "tls",
         0, ""},
        {"smtplib.SMTPNotSupportedError: STARTTLS extension not supported by server.",
         "starttls-missing", "", "ehlo", 0, ""},
        {"SASL authentication failed; cannot authenticate to server smtp.x.example[192.0.2.1]: no "
         "mechanism available",
         "auth-missing", "", "auth", 0, ""},
        {"curl: (67) Login denied", "auth-failed", "", "auth", 0, ""},
        {"smtp.go: unencrypted connection", "go-plain-unencrypted", "", "auth", 0, ""},
        {"SMTP connect() failed. https://wiki", "connect-failed", "", "connect", 0, ""},
        {"Connected_to_192.0.2.1_but_sender_was_rejected./Remote_host_said:_550_5.7.23_no/",
         "rfc-5723", "rfc", "mail", 550, "5.7.23"},
        {"email-smtp.eu-west-1.amazonaws.com: 535 Authentication Credentials Invalid", "ses-535",
         "ses", "auth", 535, ""},
    }));
    CAPTURE(c.text);
    const Explanation found = explain_record(c.text);
    CHECK(found.id == c.id);
    if (!c.provider.empty() || c.id.substr(0, 3) != "tim") CHECK(found.provider == c.provider);
    CHECK(found.stage == c.stage);
    CHECK(found.code == c.code);
    CHECK(found.enhanced == c.enhanced);
}

TEST_CASE("a code without known words has its standard meaning", "[explain]") {
    const Explanation mailbox = explain_record("550 5.1.1 <a@b.example>: who is that?");
    CHECK_FALSE(mailbox.matched);
    CHECK(mailbox.meaning == "There is no such mailbox.");
    CHECK(explain_record("452 come back").meaning.find("room") != std::string::npos);
    CHECK(explain_record("554 5.7.77 no").fix.find("words decide") != std::string::npos);
    const Explanation taken = explain_record("250 2.0.0 Ok: queued as 4AB");
    CHECK_FALSE(taken.matched);
    CHECK(taken.code == 250);
    for (const char* noise :
         {"", "hello", "took 450 ms", "port 587 of 192.0.2.1", "pid[525]: 10:25",
          "version 4.1.2 of the library", "size 552 bytes"}) {
        CAPTURE(noise);
        CHECK_FALSE(explain_record(noise).known());
    }
}

TEST_CASE("a log is parted, counted and freed of noise", "[explain]") {
    diagnose::LogExplainer log;
    for (const char* line :
         {"Nov 29 10:00:00 h a: daemon started", "Nov 29 10:00:01 h a: 250 2.0.0 Ok",
          "Nov 29 10:00:02 h a: connect to x.example[192.0.2.1]:25: Connection timed out",
          "Nov 29 10:00:03 h a: connect to y.example[192.0.2.2]:25: Connection timed out",
          "Nov 29 10:00:04 h a: failed: 535 5.7.8 no", "  continued here"}) {
        log.add_line(line);
    }
    const std::vector<Explanation> found = log.finish();
    REQUIRE(found.size() == 2);
    CHECK(found[0].id == "timeout-25");
    CHECK(found[0].count == 2);
    CHECK(found[1].id == "rfc-535");
    CHECK(diagnose::most_telling(found).id == "timeout-25");
}

TEST_CASE("replies on lines of their own are told apart", "[explain]") {
    diagnose::LogExplainer log;
    for (const char* line :
         {"534-5.7.9 Application-specific password", "534 5.7.9 required.", "550 5.7.23 no"}) {
        log.add_line(line);
    }
    const std::vector<Explanation> found = log.finish();
    REQUIRE(found.size() == 2);
    CHECK(found[0].id == "gmail-app-password");
    CHECK(found[1].id == "rfc-5723");
}
