#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/error_catalogue.hpp"
#include "diagnose/explain.hpp"
#include "tests/support/catch.hpp"

// What programs say, word for word, and the entry of errors.toml that must answer.

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

std::vector<Explanation> explain_log(std::initializer_list<const char*> lines) {
    diagnose::LogExplainer log;
    for (const char* line : lines) log.add_line(line);
    return log.finish();
}

}  // namespace

TEST_CASE("a session that stalls is no blocked port", "[explain]") {
    check(GENERATE(values<Wording>({
        {"Nov 29 10:00:00 h postfix/smtp[9]: 3A: relay=mx1.example.com[192.0.2.1]:25, "
         "status=deferred (conversation with mx1.example.com[192.0.2.1] timed out while sending "
         "message body)",
         "timeout-in-session"},
        {"status=deferred (conversation with mx1.example.com[192.0.2.1] timed out while sending "
         "end of data -- message may be sent more than once)",
         "timeout-in-session"},
        {"javax.mail.MessagingException: Exception reading response; nested exception is: "
         "java.net.SocketTimeoutException: Read timed out",
         "timeout-in-session"},
        {"smtplib.SMTPServerDisconnected: Connection unexpectedly closed: timed out",
         "timeout-in-session"},
        {"conversation with mx1.example.com[192.0.2.1] timed out while receiving the initial "
         "server greeting",
         "greeting-never"},
        // It was connected, whatever port is named.
        {"H=mx.example.com [192.0.2.1]:25: SMTP timeout after initial connection: Connection timed "
         "out",
         "greeting-timeout"},
    })));
}

TEST_CASE("a number is met only as a whole", "[explain]") {
    check(GENERATE(values<Wording>({
        {"socket.gaierror: [Errno 11001] getaddrinfo failed", "dns-name"},
        {"TimeoutError: [Errno 110] no", "timeout"},
        {"OSError: [Errno 1101] no", ""},
        {"curl: (28) Failed to connect to smtp.example.com port 25 after 130000 ms: Couldn't "
         "connect to server",
         "timeout-25"},
        {"Error: connect ENETUNREACH 2a00:1450:400c:c00::6d:587", "unreachable-ipv6"},
    })));
}

TEST_CASE("programs' words that look like others", "[explain]") {
    check(GENERATE(values<Wording>({
        {"mail(): Failed to connect to mailserver at \"localhost\" port 25, verify your \"SMTP\" "
         "and \"smtp_port\" setting in php.ini or use ini_set()",
         "php-windows-mail"},
        {"javax.mail.AuthenticationFailedException: failed to connect, no password specified?",
         "credentials-missing"},
        {"smtplib.SMTPServerDisconnected: please run connect() first", "not-connected"},
        {"MailKit.Security.SslHandshakeException: An error occurred while attempting to establish "
         "an SSL or TLS connection.\nThe host name (mail.example.com) did not match the name given "
         "in the server's SSL certificate (*.hoster.example).\n ---> System.Security."
         "Authentication.AuthenticationException: The remote certificate was rejected by the "
         "provided RemoteCertificateValidationCallback.",
         "cert-name"},
        {"javax.mail.MessagingException: Could not convert socket to TLS; nested exception is: "
         "javax.net.ssl.SSLHandshakeException: Received fatal alert: protocol_version",
         "tls-old"},
        {"status=bounced (Domain example.org does not accept mail (nullMX))", "nullmx"},
        {"553 5.1.8 <a@b.example>... Domain of sender address a@b.example does not exist",
         "sender-domain"},
    })));
}

TEST_CASE("Node.js, Java and Go", "[explain]") {
    check(GENERATE(values<Wording>({
        {"Error: queryA ETIMEOUT smtp.example.com { code: 'EDNS' }", "dns-temporary"},
        {"Error: queryA EREFUSED smtp.example.com", "dns-temporary"},
        {"Error: No recipients defined { code: 'EENVELOPE', command: 'API' }", "no-recipients"},
        {"Error: write EPROTO", "php-crypto"},
        {"javax.net.ssl.SSLException: Unsupported or unrecognized SSL message",
         "tls-wrong-version"},
        {"Received fatal alert: protocol_version", "tls-old"},
        {"No trusted certificate found", "cert-untrusted"},
        {"java.lang.NoClassDefFoundError: javax/activation/DataHandler", "java-no-activation"},
        {"remote error: tls: handshake failure", "tls-old"},
        {"tls: failed to verify certificate: x509: certificate relies on legacy Common Name "
         "field, use SANs instead",
         "cert-no-san"},
    })));
}

TEST_CASE(".NET, Ruby and Python", "[explain]") {
    check(GENERATE(values<Wording>({
        {"MailKit.Security.SslHandshakeException: An error occurred while attempting to "
         "establish an SSL or TLS connection.",
         "php-crypto"},
        {"MailKit.ServiceNotConnectedException: The SmtpClient is not connected.", "not-connected"},
        {"MailKit.Net.Smtp.SmtpProtocolException: The SMTP server has unexpectedly disconnected.",
         "closed"},
        {"The server's SSL certificate could not be validated for the following reasons: The "
         "server certificate has the following errors: unable to get certificate CRL",
         "cert-revocation"},
        {"The SMTP host was not found", "dns-name"},
        {"System.Net.Mail.SmtpException: The SMTP server requires a secure connection or the "
         "client was not authenticated. The server response was: 5.7.0 Authentication Required.",
         "dotnet-secure"},
        {"Net::ReadTimeout with #<TCPSocket:(closed)>", "timeout-in-session"},
        {"EOFError: end of file reached", "closed"},
        {"OpenSSL::SSL::SSLError: SSL_connect SYSCALL returned=5 errno=0 state=SSLv2/v3",
         "tls-closed"},
        {"Net::SMTP::AuthenticationError: requested authentication type PLAIN is not supported",
         "auth-missing"},
        {"PermissionError: [Errno 13] Permission denied", "denied"},
        {"PermissionError: [Errno 1] Operation not permitted", "denied"},
        {"OSError: [Errno 99] Cannot assign requested address", "no-source-address"},
        {"UnicodeEncodeError: 'ascii' codec can't encode character '\\xe9' in position 5",
         "python-unicode"},
    })));
}

TEST_CASE("PHP and curl", "[explain]") {
    check(GENERATE(values<Wording>({
        {"Extension missing: openssl", "php-openssl-missing"},
        {"sh: 1: -t: not found", "php-sendmail-path"},
        {"SMTP ERROR: EHLO command failed: ", "phpmailer-ehlo"},
        {"SMTP server error: DATA END command failed", "phpmailer-data"},
        {"SMTP server error: DATA END command failed Detail: Message rejected", "phpmailer-data"},
        {"Invalid address:  (From): root@localhost", "phpmailer-address"},
        {"Unable to write bytes on the wire.", "closed"},
        {"curl: (56) response reading failed (errno: 0)", "closed"},
    })));
}

TEST_CASE("Postfix, Exim, sendmail and ssmtp", "[explain]") {
    check(GENERATE(values<Wording>({
        {"status=bounced (message size 30000000 exceeds size limit 26214400 of server "
         "smtp.example.com[192.0.2.1])",
         "postfix-size"},
        {"fatal: open /etc/postfix/sasl_passwd.db: No such file or directory",
         "postfix-map-missing"},
        {"status=deferred (unsupported dictionary type: hash)", "postfix-map-type"},
        {"status=deferred (Cannot start TLS: handshake failure)", "php-crypto"},
        {"status=deferred (Server certificate not verified)", "cert-not-verified"},
        {"status=deferred (TLSA lookup error for mx.example.com:25)", "tlsa-lookup"},
        {"postdrop: warning: mail_queue_enter: create file maildrop/123.456: Permission denied",
         "postdrop-permission"},
        {"=== a@b.example R=smarthost T=remote_smtp_smarthost defer (-42): authentication_failed "
         "H=smtp.example.com [192.0.2.1] PLAIN authenticator failed",
         "auth-failed"},
        {"stat=Service unavailable", "sendmail-unavailable"},
        {"stat=User unknown", "sendmail-user-unknown"},
        {"ssmtp: Cannot open mail:25", "ssmtp-mailhub"},
    })));
}

TEST_CASE("what Postfix and Exim say of their own decisions", "[explain]") {
    check(GENERATE(values<Wording>({
        {"status=bounced (unknown user: \"bob\")", "local-user-unknown"},
        {"all hosts for 'example.com' have been failing for a long time", "exim-retry"},
    })));
}

TEST_CASE("a traceback shows the exception, and the port of its call", "[explain]") {
    const Explanation found = explain_record(
        "Traceback (most recent call last):\n"
        "File \"/app/send.py\", line 25, in <module>\n"
        "with smtplib.SMTP(\"smtp.gmail.com\", 25, timeout=10) as s:\n"
        "File \"/usr/lib/python3.11/socket.py\", line 836, in create_connection\n"
        "sock.connect(sa)\n"
        "TimeoutError: timed out");
    CHECK(found.id == "timeout-25");
    CHECK(found.line == "TimeoutError: timed out");
    CHECK(explain_record("Traceback (most recent call last):\nx()\nValueError: odd").line ==
          "ValueError: odd");
    CHECK(explain_record("smtplib.SMTP('10.0.0.1', 587)\nTimeoutError: timed out").id ==
          "timeout-submission");
}

TEST_CASE("a certificate that failed goes before words that only TLS did", "[explain]") {
    check(
        {"stream_socket_enable_crypto(): SSL operation failed with code 1. OpenSSL Error "
         "messages: error:0A000086:SSL routines::certificate verify failed",
         "cert-unverified"});
    check({"stream_socket_enable_crypto(): SSL operation failed with code 1", "php-crypto"});
    check({"stream_socket_enable_crypto(): certificate verify failed (self-signed certificate)",
           "cert-untrusted"});
}

TEST_CASE("the reason goes before the words that a certificate failed", "[explain]") {
    check(GENERATE(values<Wording>({
        {"ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
         "failed: "
         "certificate has expired (_ssl.c:1007)",
         "cert-expired"},
        {"curl: (60) SSL certificate problem: certificate has expired", "cert-expired"},
        {"certificate verification failed for mail.example.com[192.0.2.1]:587: certificate has "
         "expired",
         "cert-expired"},
        {"certificate verify failed: Hostname mismatch, certificate is not valid for "
         "'mail.example.com'.",
         "cert-name"},
        {"certificate verify failed: self-signed certificate (_ssl.c:1007)", "cert-untrusted"},
        {"SSL certificate problem: unable to get local issuer certificate", "cert-untrusted"},
        {"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:852)",
         "cert-unverified"},
    })));
}

TEST_CASE("a vague word next to the reason is left out", "[explain]") {
    const auto found = explain_log(
        {"2026-11-29 20:00:03 SERVER -> CLIENT: 535-5.7.8 Username and Password not accepted. For "
         "more information, go to535 5.7.8  https://support.example/ x - gsmtp",
         "2026-11-29 20:00:03 SMTP ERROR: Password command failed: 535-5.7.8 Username and Password "
         "not accepted.",
         "SMTP Error: Could not authenticate.", "2026-11-29 20:00:03 CLIENT -> SERVER: QUIT",
         "2026-11-29 20:00:03 SERVER -> CLIENT: 221 2.0.0 closing connection",
         "SMTP Error: Could not authenticate."});
    REQUIRE(found.size() == 1);
    CHECK(found[0].id == "gmail-badcred");
    // Alone it stays, under its own words.
    const auto alone =
        explain_log({"2026-11-29 20:00:03 SERVER -> CLIENT: 221 2.0.0 closing connection",
                     "SMTP Error: Could not authenticate."});
    REQUIRE(alone.size() == 1);
    CHECK(alone[0].id == "auth-failed");
    CHECK(alone[0].line == "SMTP Error: Could not authenticate.");
}

TEST_CASE("no fix names a command that this version has not", "[explain]") {
    for (const diagnose::ErrorEntry& entry : diagnose::ErrorCatalogue::built_in().entries()) {
        CAPTURE(entry.id);
        CHECK(entry.fix.find("relay's sendmail") == std::string::npos);
    }
}

TEST_CASE("what a program quotes is shown as the server said it", "[explain]") {
    const Explanation known = explain_record(
        "Expected response code 250 but got code \"530\", with message \"530 5.7.0 "
        "Authentication required\"");
    CHECK(known.line == "530 5.7.0 Authentication required");
}
