#pragma once

// What the files of tls/ share about OpenSSL; nobody else includes it.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "base/clock.hpp"

namespace tls {

template <auto free_function>
struct Free {
    template <class T>
    void operator()(T* object) const {
        free_function(object);
    }
};

using SslPtr = std::unique_ptr<SSL, Free<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Free<SSL_SESSION_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;

// The newest entry of OpenSSL's error queue in words; empties the queue.
[[nodiscard]] std::string take_openssl_error();

[[nodiscard]] base::Time time_of(const ASN1_TIME* time);
[[nodiscard]] std::string name_of(const X509_NAME* name);  // RFC 4514, such as "CN=x,O=y"

// A host as certificates and SNI spell it: lower case, without the final dot of a full name.
[[nodiscard]] std::string plain_host(const std::string& host);
[[nodiscard]] bool is_address(const std::string& host);

}  // namespace tls
