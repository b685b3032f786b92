#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

typedef struct x509_st X509;

namespace tls {

// The sha256 of a public key (RFC 7469 section 2.4), 32 raw bytes: a pin outlives the
// certificates made for the key.
using KeyDigest = std::string;

// Accepts 64 hex digits with or without colons, base64, and curl's "sha256//" before base64.
[[nodiscard]] base::Result<KeyDigest> parse_fingerprint(std::string_view text);
[[nodiscard]] base::Result<std::vector<KeyDigest>> parse_fingerprints(
    const std::vector<std::string>& texts);

[[nodiscard]] KeyDigest key_digest(const X509& certificate);

}  // namespace tls
