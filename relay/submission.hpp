#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "smtp/envelope.hpp"
#include "smtp/reply.hpp"

namespace relay {

// Which server takes a message of `relay send`.
struct SubmissionTarget {
    std::string host;  // name, literal or "unix:/path"
    unsigned short port = 0;
    bool implicit_tls = false;  // known to speak TLS from the first byte; otherwise the port tells
    bool proxied = false;       // its server.proxy_protocol wants a PROXY header from this host
    std::string helo;
    std::string username;  // "" for no sign-in
    base::Secret password;
};

// "127.0.0.1:2525", "[::1]:2525", "unix:/path", as written in server.listen. Addresses that stand
// for every interface become loopback.
[[nodiscard]] base::Result<SubmissionTarget> parse_submission_target(const std::string& text);

// Hands the message over and waits for the replies: one for each recipient, in their order, never
// with code 0. The error is for when there was none; a refusal is a reply.
[[nodiscard]] base::Result<std::vector<smtp::Reply>> submit_mail(const SubmissionTarget& target,
                                                                 const smtp::Envelope& envelope,
                                                                 std::string content);

// The id in "queued as ID"; "" when the reply has none.
[[nodiscard]] std::string queued_id(const smtp::Reply& reply);

}  // namespace relay
