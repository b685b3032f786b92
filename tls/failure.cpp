#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "tls/stream_state.hpp"

namespace tls {
namespace {

struct Wording {
    int reason;
    std::string_view text;
};

// What the peer's alerts (RFC 8446 section 6) and OpenSSL's own refusals mean for an operator.
constexpr std::array wordings{
    Wording{SSL_R_UNSUPPORTED_PROTOCOL, "the peer only speaks a TLS version older than 1.2"},
    Wording{SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
            "the peer shares no TLS version with us (we need TLS 1.2 or 1.3)"},
    Wording{SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS here"},
    Wording{SSL_R_HTTP_REQUEST, "the peer sent an HTTP request instead of TLS"},
    Wording{SSL_R_NO_SHARED_CIPHER, "the peer shares no cipher with us"},
    Wording{SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
            "the peer refused the handshake (no common cipher, or it wants a client certificate)"},
    Wording{SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "the peer wants a client certificate"},
    Wording{SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the peer does not trust the issuer of our certificate"},
    Wording{SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the peer says our certificate has expired"},
    Wording{SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "the peer says our certificate was revoked"},
    Wording{SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
            "the peer refused our certificate (often because it is for another name)"},
    Wording{SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
            "the peer says our certificate is not meant for this purpose"},
    Wording{SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the peer refused our certificate"},
    Wording{SSL_R_TLSV1_ALERT_INTERNAL_ERROR, "the peer reports an internal error of its own"},
    Wording{SSL_R_TLSV1_UNRECOGNIZED_NAME, "the peer does not know the host name we asked for"},
    Wording{SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED,
            "the peer's TLS is too old to be safe (no secure renegotiation)"},
    Wording{SSL_R_DH_KEY_TOO_SMALL, "the peer uses a key exchange that is too weak"},
};

}  // namespace

std::string explain_tls_failure() {
    const unsigned long code = ERR_peek_error();
    if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
        const int reason = ERR_GET_REASON(code);
        const auto* found = std::find_if(wordings.begin(), wordings.end(),
                                         [&](const Wording& w) { return w.reason == reason; });
        if (found != wordings.end()) {
            ERR_clear_error();
            return std::string{found->text};
        }
    }
    return take_openssl_error();
}

}  // namespace tls
