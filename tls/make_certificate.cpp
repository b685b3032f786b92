#include "tls/make_certificate.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>

#include "base/text.hpp"
#include "tls/openssl.hpp"

namespace tls {
namespace {

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;

base::Error failed(std::string_view doing) {
    return base::error(fmt::format("cannot {}: {}", doing, take_openssl_error()));
}

std::string pem_of(X509* certificate) {
    const BioPtr text{BIO_new(BIO_s_mem())};
    PEM_write_bio_X509(text.get(), certificate);
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string pem_of(EVP_PKEY* key) {
    const BioPtr text{BIO_new(BIO_s_mem())};
    PEM_write_bio_PrivateKey(text.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

// RFC 5280 section 4.1.2.2: positive, unique, at most 20 bytes.
bool set_serial(X509* certificate) {
    std::array<unsigned char, 16> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
    bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7fU) | 1U);
    BIGNUM* number = BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr);
    const bool set = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
    BN_free(number);
    return set;
}

bool set_name(X509_NAME* name, const std::string& common_name) {
    const auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text,
                                      static_cast<int>(common_name.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const ExtensionPtr extension{X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str())};
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

std::string alternatives(const std::vector<std::string>& names) {
    std::vector<std::string> entries;
    for (const std::string& name : names) {
        entries.push_back((is_address(name) ? "IP:" : "DNS:") + name);
    }
    return base::join(entries, ",");
}

// A certificate without extensions for a fresh key; unsigned yet.
CertificatePtr new_certificate(EVP_PKEY* key, const std::string& common_name,
                               std::chrono::hours from, std::chrono::hours until) {
    CertificatePtr made{X509_new()};
    if (!made || X509_set_version(made.get(), X509_VERSION_3) != 1) return nullptr;
    constexpr long hour = 3600;
    X509_gmtime_adj(X509_getm_notBefore(made.get()), from.count() * hour);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), until.count() * hour);
    const bool filled = set_serial(made.get()) &&
                        set_name(X509_get_subject_name(made.get()), common_name) &&
                        X509_set_pubkey(made.get(), key) == 1;
    return filled ? std::move(made) : nullptr;
}

bool sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    return add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
           X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
}

CertificatePair pair_of(X509* certificate, EVP_PKEY* key) {
    CertificatePair pair;
    pair.certificate = pem_of(certificate);
    pair.private_key = pem_of(key);
    return pair;
}

// Null `issuer` and `issuer_key`: signed with its own key.
base::Result<CertificatePair> make_leaf(const CertificateOptions& options, X509* issuer,
                                        EVP_PKEY* issuer_key) {
    if (options.names.empty()) return base::error("a certificate needs at least one name");
    for (const std::string& name : options.names) {
        if (!name.empty() && name.find_first_of(", \t\r\n") == std::string::npos) continue;
        return base::error(
            fmt::format("\"{}\" is no name for a certificate", base::printable(name, 100)));
    }
    const KeyPtr key{EVP_EC_gen("P-256")};
    if (!key) return failed("make a key");
    const CertificatePtr made =
        new_certificate(key.get(), options.names.front(), options.valid_from, options.valid_until);
    if (!made) return failed("make a certificate");
    X509* leaf = made.get();
    X509* signer = issuer != nullptr ? issuer : leaf;
    const bool complete =
        add_extension(leaf, signer, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(leaf, signer, NID_key_usage, "critical,digitalSignature") &&
        add_extension(leaf, signer, NID_ext_key_usage,
                      options.for_servers ? "serverAuth" : "clientAuth") &&
        add_extension(leaf, signer, NID_subject_alt_name, alternatives(options.names)) &&
        sign(leaf, signer, issuer_key != nullptr ? issuer_key : key.get());
    if (!complete) return failed("make a certificate");
    return pair_of(leaf, key.get());
}

}  // namespace

base::Result<CertificatePair> make_authority(const std::string& name,
                                             std::chrono::hours valid_for) {
    const KeyPtr key{EVP_EC_gen("P-256")};
    if (!key) return failed("make a key");
    const CertificatePtr made = new_certificate(key.get(), name, std::chrono::hours{-1}, valid_for);
    if (!made) return failed("make a CA certificate");
    X509* authority = made.get();
    const bool complete =
        add_extension(authority, authority, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(authority, authority, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        sign(authority, authority, key.get());
    if (!complete) return failed("make a CA certificate");
    return pair_of(authority, key.get());
}

base::Result<CertificatePair> make_certificate(const CertificatePair& authority,
                                               const CertificateOptions& options) {
    const BioPtr certificate_text{BIO_new_mem_buf(authority.certificate.data(),
                                                  static_cast<int>(authority.certificate.size()))};
    const BioPtr key_text{BIO_new_mem_buf(authority.private_key.data(),
                                          static_cast<int>(authority.private_key.size()))};
    const CertificatePtr issuer{
        PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr)};
    const KeyPtr key{PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr)};
    if (!issuer || !key) return failed("read the CA's certificate and key");
    return make_leaf(options, issuer.get(), key.get());
}

base::Result<CertificatePair> make_self_signed(const CertificateOptions& options) {
    return make_leaf(options, nullptr, nullptr);
}

}  // namespace tls
