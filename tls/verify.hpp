#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "tls/handshake.hpp"
#include "tls/openssl.hpp"
#include "tls/options.hpp"
#include "tls/pins.hpp"

namespace tls {

// What a client demands of one server's certificate and what it found wrong.
class Verification {
 public:
    enum class Kind { trust, time, name, purpose, pin, other };

    Verification(const ClientOptions& options, const std::vector<KeyDigest>& pins, std::string host)
        : options_(options), pins_(pins), host_(std::move(host)) {}

    // Makes `ssl` ask for the host and check its certificate. Before the handshake.
    [[nodiscard]] base::Result<> prepare(SSL* ssl) const;

    // Judges the chain in `store`; false when the handshake must end. Called by OpenSSL. A pinned
    // key needs no trusted issuer, but the right name, dates and purpose all the same.
    [[nodiscard]] bool judge(X509_STORE_CTX* store);

    // A resumed session shows no chain: its kept certificate is held against the pins again.
    [[nodiscard]] bool judge_resumed(const X509& certificate);

    // All that is wrong, joined; "" while nothing is.
    [[nodiscard]] std::string problems() const;
    [[nodiscard]] CertificateFaults faults() const;

    // Called for each fault OpenSSL finds in the chain.
    void add_fault(X509_STORE_CTX* store);

 private:
    struct Problem {
        Kind kind;
        int code;
        std::string text;
    };

    void add(Kind kind, int code, std::string text);
    // Whether the key is pinned. Where others are and this one is not, that is a fault.
    bool check_pins(const X509& certificate);
    [[nodiscard]] std::string trust_text(X509_STORE_CTX* store) const;

    const ClientOptions& options_;
    const std::vector<KeyDigest>& pins_;
    std::string host_;
    std::vector<Problem> problems_;
    std::string made_for_;  // the first name of a certificate for another one
};

// The names and addresses a certificate is for: "a.example, b.example and 3 more".
[[nodiscard]] std::string names_of(const X509& certificate);

}  // namespace tls
