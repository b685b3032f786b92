#include "tls/pins.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <optional>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace tls {
namespace {

int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

std::optional<KeyDigest> from_hex(std::string_view text) {
    std::string digits;
    for (const char c : text) {
        if (c == ':') continue;
        if (hex_value(c) < 0) return std::nullopt;
        digits += c;
    }
    if (digits.size() != 2 * SHA256_DIGEST_LENGTH) return std::nullopt;
    KeyDigest bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        bytes += static_cast<char>(hex_value(digits[i]) * 16 + hex_value(digits[i + 1]));
    }
    return bytes;
}

}  // namespace

base::Result<KeyDigest> parse_fingerprint(std::string_view text) {
    std::string_view rest = base::trim(text);
    if (const auto bytes = from_hex(rest)) return *bytes;
    constexpr std::string_view scheme = "sha256//";
    if (base::starts_with_ignoring_case(rest, scheme)) rest.remove_prefix(scheme.size());
    const std::optional<std::string> bytes = base::base64_decode(rest);
    if (bytes && bytes->size() == SHA256_DIGEST_LENGTH) return *bytes;
    return base::error(
        fmt::format("\"{}\" is not the sha256 of a public key: give 64 hex digits (colons are "
                    "fine) or 44 characters of base64",
                    base::printable(text, 100)));
}

base::Result<std::vector<KeyDigest>> parse_fingerprints(const std::vector<std::string>& texts) {
    std::vector<KeyDigest> digests;
    for (const std::string& text : texts) {
        base::Result<KeyDigest> digest = parse_fingerprint(text);
        if (!digest) return digest.error();
        digests.push_back(*std::move(digest));
    }
    return digests;
}

KeyDigest key_digest(const X509& certificate) {
    unsigned char* der = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
    if (size <= 0) return {};
    KeyDigest digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(der, static_cast<std::size_t>(size), reinterpret_cast<unsigned char*>(digest.data()));
    OPENSSL_free(der);
    return digest;
}

}  // namespace tls
