#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace tls {

// A certificate and its key, ECDSA P-256, as PEM text.
struct CertificatePair {
    std::string certificate;
    std::string private_key;
};

// For `relay sink` and for tests: not a certificate authority for anything else.
struct CertificateOptions {
    CertificateOptions() = default;
    std::vector<std::string> names;     // host names and addresses
    std::chrono::hours valid_from{-1};  // from now; an hour back, as clocks differ
    std::chrono::hours valid_until{24 * 365};
    bool for_servers = true;  // false: only for clients, which a server's peer must refuse
};

[[nodiscard]] base::Result<CertificatePair> make_authority(const std::string& name,
                                                           std::chrono::hours valid_for);
[[nodiscard]] base::Result<CertificatePair> make_certificate(const CertificatePair& authority,
                                                             const CertificateOptions& options);
[[nodiscard]] base::Result<CertificatePair> make_self_signed(const CertificateOptions& options);

}  // namespace tls
