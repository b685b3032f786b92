#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/dialogue.hpp"
#include "diagnose/outbound.hpp"
#include "diagnose/report.hpp"
#include "net/resolver.hpp"
#include "smtp/reply.hpp"
#include "smtp/stage.hpp"

namespace diagnose {

// How far one smarthost could be gone through, as evidence.
struct SmarthostStages {
    SmarthostStages() = default;
    std::string name, host, provider;
    std::vector<std::uint16_t> configured;  // ports, in the order to try
    std::uint16_t port = 0;                 // the one that answered
    bool ok = false;
    smtp::Stage stage = smtp::Stage::dns;             // where it ended, unless ok
    smtp::Reply reply;                                // the one that failed, or the last good one
    std::string problem;                              // in words when no reply explains it
    net::DnsStatus name_status = net::DnsStatus::ok;  // what looking its name up came to
    std::string tls, auth;
    tls::CertificateFaults certificate;  // why the handshake failed, if they are the reason
    bool own_issuers = false;            // ca_file is set
    bool handshake_hung = false;  // it began and came to no end: no words of the server's say why
    bool verified = true;         // its certificate was, or its key: not with verify = false alone
    bool unfinished = false;      // it was given too little time for its silence to mean anything
    base::Duration given{};       // the time of the whole diagnosis
    bool auth_offered = false;    // the server named mechanisms
    bool signing_in = false;      // credentials are configured
    bool untried = false;         // all before the sign-in works, and the password is not to be had
    std::string sender;           // asked about; "" when none is known, or guessed: null sender
    bool sender_guessed = false;  // then a refusal proves only want of a sign-in, or no relaying
    bool sender_asked = false;    // MAIL was said and answered
    bool sender_refused = false;  // a guessed one was, which proves nothing
    std::string sender_refusal;   // in these words
    std::string put_off;          // RCPT was, in these words: delivery would try again
    bool implicit_seen = false;   // a port set to STARTTLS was silent, and took a TLS handshake
    bool plain_seen = false;      // a port set to implicit TLS answered in clear text
    bool said_nothing = false;    // the connection was taken, and ended without a byte of SMTP
    std::vector<Evidence> evidence;  // a row for each stage
    base::Duration took{};
};

// SmarthostReport::trouble where the account has sent its share.
inline constexpr const char* limit_words = "a limit is reached";

// Goes through the stages up to RCPT and RSET: DNS, connect, greeting, TLS, sign-in (once), MAIL
// FROM the real sender, RCPT. Sends no message. Ends within the time-out.
[[nodiscard]] boost::asio::awaitable<SmarthostStages> check_smarthost(
    boost::asio::any_io_executor executor, net::Resolver& resolver, SmarthostAsk ask,
    base::Duration timeout);

// For how long to wait for the first of so many ports that are still to try, out of the time that
// is left: as long for each of them, with one more share for what comes after the connection. When
// time is short, long enough for silence to mean something, if that can be had for all. Pure.
[[nodiscard]] base::Duration connect_time(base::Duration left, std::size_t ports);

// The reply is about a limit of the account, which says nothing about the sender. Pure.
[[nodiscard]] bool limit_reached(const SmarthostStages& stages);

// The verdict's code for where it ended. Pure.
[[nodiscard]] VerdictCode smarthost_code(const SmarthostStages& stages);

// Whether its name was not answered for, which says nothing of the name. Pure.
[[nodiscard]] bool name_unanswered(const SmarthostStages& stages);

// What the failing reply or problem means and who can do what; "" when nothing is known. Pure.
[[nodiscard]] std::string explain_stages(const SmarthostStages& stages);

// As the report's row and as a check. Pure; ports are filled in by the caller.
[[nodiscard]] SmarthostReport report_of(const SmarthostStages& stages);
[[nodiscard]] Check check_of(const SmarthostStages& stages);

}  // namespace diagnose
