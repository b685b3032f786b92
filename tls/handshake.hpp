#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace tls {

// What verification found wrong with a server's certificate.
struct CertificateFaults {
    bool wrong_name = false, expired = false, too_early = false, unknown_issuer = false;
    bool other = false;    // its key is not a pinned one, its purpose is another, ...
    std::string made_for;  // with wrong_name: the first name or address that it is for
    [[nodiscard]] bool wrong_time() const { return expired || too_early; }
    [[nodiscard]] bool any() const { return wrong_name || wrong_time() || unknown_issuer || other; }
};

// What a finished handshake agreed on, for logs and diagnosis.
struct HandshakeInfo {
    std::string version;  // "TLSv1.3"
    std::string cipher;
    bool resumed = false;
    std::string peer_subject, peer_issuer;
    std::string peer_fingerprint;  // SPKI sha256, base64
    std::string peer_names;        // what the certificate is for: "a.example, b.example and 3 more"
    base::Time peer_not_after{};
    std::string problem;       // what verification found wrong; only with ClientOptions::observe
    CertificateFaults faults;  // the kinds of that
};

// Why a handshake failed: the message for a person, the rest for code to go by.
struct HandshakeFailure : base::Error {
    HandshakeFailure() = default;
    bool timed_out = false;
    bool clear_text = false;    // the peer answered without TLS
    bool proxy_header = false;  // with the header of the PROXY protocol
    CertificateFaults faults;   // of the server's certificate, where they are the reason
};

using Handshake = base::Result<HandshakeInfo, HandshakeFailure>;

// Found by Handshake::value(): asking a failed one for its value is a bug.
[[noreturn]] void throw_exception_from_error(const HandshakeFailure& failure,
                                             const boost::source_location& where);

}  // namespace tls
