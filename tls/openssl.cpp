#include "tls/openssl.hpp"

#include <openssl/err.h>

#include <boost/asio/ip/address.hpp>
#include <ctime>

#include "base/text.hpp"

namespace tls {

std::string take_openssl_error() {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "unknown TLS error";
}

base::Time time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
    return base::Time{std::chrono::seconds{timegm(&parts)}};
}

std::string name_of(const X509_NAME* name) {
    const BioPtr text{BIO_new(BIO_s_mem())};
    // Without ESC_MSB names stay UTF-8, as people write them.
    X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return base::printable({data, static_cast<std::size_t>(size)});
}

std::string plain_host(const std::string& host) {
    std::string plain = base::to_lower(host);
    if (plain.size() > 1 && plain.back() == '.') plain.pop_back();
    return plain;
}

bool is_address(const std::string& host) {
    boost::system::error_code failed;
    boost::asio::ip::make_address(host, failed);
    return !failed;
}

}  // namespace tls
