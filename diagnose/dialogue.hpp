#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "smtp/reply.hpp"
#include "tls/context.hpp"
#include "tls/stream.hpp"

namespace diagnose {

// An SMTP conversation step by step, for looking at a server: it decides nothing and sends only
// what it is told. The stream's deadline is the caller's. Whatever it reads is kept as evidence.
class Dialogue {
 public:
    explicit Dialogue(tls::Stream& stream) : stream_(stream) {}

    // The next reply. The error says in words how the connection ended, or what was no SMTP.
    [[nodiscard]] boost::asio::awaitable<base::Result<smtp::Reply>> read();
    // Sends the line, without CRLF, and reads the reply.
    [[nodiscard]] boost::asio::awaitable<base::Result<smtp::Reply>> command(std::string line);
    // Sends QUIT, without waiting for the answer.
    [[nodiscard]] boost::asio::awaitable<void> quit();
    // After the handshake: nothing unread may remain (RFC 3207 section 4.2).
    void forget_unread() { parser_.clear(); }

    [[nodiscard]] const std::string& raw() const { return raw_; }  // the first KiB read
    [[nodiscard]] bool silent() const { return raw_.empty(); }

 private:
    tls::Stream& stream_;
    smtp::ReplyParser parser_;
    std::string raw_;
};

// What a certificate showed of itself.
struct CertificateView {
    std::string version;  // of TLS; "" when no handshake was made
    std::string subject, issuer, names;
    base::Time not_after{};
    std::string problem;     // what verification found wrong, or why the handshake failed
    bool timed_out = false;  // the handshake came to no end
    tls::CertificateFaults faults;
    [[nodiscard]] bool shown() const { return !version.empty(); }
    [[nodiscard]] std::string text() const;  // for Evidence::certificate
};

// Of a handshake that was made or that failed.
[[nodiscard]] CertificateView certificate_view(const tls::Handshake& shaken);

// What a mail server said until QUIT. Nothing of MAIL or RCPT is sent.
struct Greeting {
    std::string raw;     // the first line, printable
    smtp::Reply banner;  // code 0: none came, or it was no SMTP
    bool silent = false;
    smtp::Reply ehlo;  // code 0: not reached
    std::vector<std::string> ehlo_lines;
    bool starttls_offered = false;
    smtp::Reply starttls;
    CertificateView certificate;
    std::string problem;     // how it ended, when early
    bool timed_out = false;  // no whole greeting came in the time
};

struct GreetingAsk {
    std::string host;  // for SNI and verification
    std::uint16_t port = 25;
    std::string helo = "localhost";
    bool ehlo = true;
    bool starttls = true;  // if offered
    bool implicit_tls = false;
    const tls::ClientContext* observer = nullptr;  // with ClientOptions::observe; needed for TLS
    base::Duration timeout = std::chrono::seconds{5};
};

// A mail server's greeting may be held back this long on purpose, or by look-ups: silence that was
// listened to for less proves nothing (RFC 5321 section 4.5.3.2.1 has clients wait for five
// minutes).
inline constexpr base::Duration greeting_patience{30000};

// Greets, looks, and quits.
[[nodiscard]] boost::asio::awaitable<Greeting> look_at_server(tls::Stream& stream,
                                                              const GreetingAsk& ask);

// The client's address as the server echoes it in its EHLO answer: "at your service, [192.0.2.1]",
// "Hello [192.0.2.1]". "" when there is none.
[[nodiscard]] std::string echoed_address(const std::vector<std::string>& ehlo_lines);

}  // namespace diagnose
