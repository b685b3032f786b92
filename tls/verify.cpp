#include "tls/verify.hpp"

#include <fmt/format.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace tls {
namespace {

namespace ip = boost::asio::ip;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

int verification_index() {
    static const int index = X509_STORE_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

// Notes a fault and goes on, so that one attempt tells all that is wrong with a certificate.
int note_fault(int fine, X509_STORE_CTX* store) {
    auto* verification =
        static_cast<Verification*>(X509_STORE_CTX_get_ex_data(store, verification_index()));
    if (fine == 0) verification->add_fault(store);
    return 1;
}

std::string day(base::Time time) { return base::format_iso8601(time).substr(0, 10); }

std::string subject_of(const X509* certificate) {
    return name_of(X509_get_subject_name(certificate));
}

// "the certificate" of the server itself, or the one above it that is at fault.
std::string which(X509_STORE_CTX* store) {
    const X509* current = X509_STORE_CTX_get_current_cert(store);
    if (X509_STORE_CTX_get_error_depth(store) == 0 || current == nullptr) return "the certificate";
    return fmt::format("the issuer's certificate \"{}\"", subject_of(current));
}

std::string text_of_ip(const ASN1_OCTET_STRING* address) {
    const unsigned char* data = ASN1_STRING_get0_data(address);
    if (ASN1_STRING_length(address) == 4) {
        ip::address_v4::bytes_type bytes;
        std::copy_n(data, bytes.size(), bytes.begin());
        return ip::address_v4{bytes}.to_string();
    }
    if (ASN1_STRING_length(address) == 16) {
        ip::address_v6::bytes_type bytes;
        std::copy_n(data, bytes.size(), bytes.begin());
        return ip::address_v6{bytes}.to_string();
    }
    return {};
}

std::string text_of_name(const GENERAL_NAME* name) {
    if (name->type == GEN_IPADD) return text_of_ip(name->d.iPAddress);
    if (name->type != GEN_DNS) return {};
    const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
    const auto size = static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName));
    return base::printable({data, size}, 100);
}

std::vector<std::string> alternative_names(const X509& certificate) {
    const NamesPtr alternatives{static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr))};
    std::vector<std::string> names;
    const int count = alternatives ? sk_GENERAL_NAME_num(alternatives.get()) : 0;
    for (int i = 0; i < count; ++i) {
        std::string name = text_of_name(sk_GENERAL_NAME_value(alternatives.get(), i));
        if (!name.empty()) names.push_back(std::move(name));
    }
    return names;
}

}  // namespace

std::string names_of(const X509& certificate) {
    std::vector<std::string> names = alternative_names(certificate);
    if (names.empty()) return subject_of(&certificate);
    constexpr std::size_t most = 5;
    if (names.size() <= most) return base::join(names, ", ");
    const std::size_t more = names.size() - most;
    names.resize(most);
    return fmt::format("{} and {} more", base::join(names, ", "), more);
}

base::Result<> Verification::prepare(SSL* ssl) const {
    const bool literal = is_address(host_);
    // RFC 6066 section 3: an address is not sent as a server name.
    if (!literal && SSL_set_tlsext_host_name(ssl, host_.c_str()) != 1) {
        return base::error(
            fmt::format("\"{}\" is not a host name TLS can ask for", base::printable(host_, 100)));
    }
    if (!options_.verify) return {};
    X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = literal ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host_.c_str())
                            : SSL_set1_host(ssl, host_.c_str());
    if (set == 1) return {};
    return base::error(fmt::format("\"{}\" is not a name a certificate can be checked against",
                                   base::printable(host_, 100)));
}

bool Verification::judge(X509_STORE_CTX* store) {
    problems_.clear();
    if (options_.verify) {
        X509_STORE_CTX_set_ex_data(store, verification_index(), this);
        X509_STORE_CTX_set_verify_cb(store, note_fault);
        if (X509_verify_cert(store) != 1 && problems_.empty()) add_fault(store);
    }
    const X509* leaf = X509_STORE_CTX_get0_cert(store);
    if (leaf != nullptr && check_pins(*leaf)) {
        // The configuration vouches for the key itself; no issuer needs to.
        std::erase_if(problems_, [](const Problem& each) { return each.kind == Kind::trust; });
    }
    const bool accepted = problems_.empty() || options_.observe;
    // The code chooses the alert that tells the server why.
    X509_STORE_CTX_set_error(store, accepted ? X509_V_OK : problems_.front().code);
    return accepted;
}

bool Verification::judge_resumed(const X509& certificate) {
    static_cast<void>(check_pins(certificate));
    return problems_.empty();
}

std::string Verification::problems() const {
    std::vector<std::string> texts;
    for (const Problem& problem : problems_) texts.push_back(problem.text);
    return base::join(texts, "; ");
}

CertificateFaults Verification::faults() const {
    CertificateFaults faults;
    for (const Problem& problem : problems_) {
        switch (problem.kind) {
            case Kind::trust:
                faults.unknown_issuer = true;
                break;
            case Kind::time:
                (problem.code == X509_V_ERR_CERT_HAS_EXPIRED ? faults.expired : faults.too_early) =
                    true;
                break;
            case Kind::name:
                faults.wrong_name = true;
                faults.made_for = made_for_;
                break;
            case Kind::purpose:
            case Kind::pin:
            case Kind::other:
                faults.other = true;
                break;
        }
    }
    return faults;
}

void Verification::add(Kind kind, int code, std::string text) {
    const auto same = [&](const Problem& known) {
        return known.kind == kind && (kind != Kind::other || known.code == code);
    };
    // One cause makes OpenSSL complain several times; the first complaint says it best.
    if (std::any_of(problems_.begin(), problems_.end(), same)) return;
    problems_.push_back(Problem{kind, code, std::move(text)});
}

bool Verification::check_pins(const X509& certificate) {
    if (pins_.empty()) return false;
    const KeyDigest digest = key_digest(certificate);
    if (std::find(pins_.begin(), pins_.end(), digest) != pins_.end()) return true;
    add(Kind::pin, X509_V_ERR_APPLICATION_VERIFICATION,
        fmt::format("its key has the fingerprint sha256//{}, which is not {}",
                    base::base64_encode(digest),
                    pins_.size() == 1 ? "the pinned one" : "one of those pinned"));
    return false;
}

std::string Verification::trust_text(X509_STORE_CTX* store) const {
    const std::string anchors = options_.ca_file.empty()
                                    ? std::string{"the system's trust store"}
                                    : fmt::format("the CA file {}", options_.ca_file);
    const X509* leaf = X509_STORE_CTX_get0_cert(store);
    const X509* current = X509_STORE_CTX_get_current_cert(store);
    if (current == nullptr) current = leaf;
    const bool self_signed =
        X509_STORE_CTX_get_error(store) == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
    const std::string fault =
        self_signed ? "the certificate is self-signed and"
                    : fmt::format("its issuer \"{}\" is", name_of(X509_get_issuer_name(current)));
    // Where a key is pinned already, this is another one: no reason to trust it as well.
    if (!pins_.empty()) return fmt::format("{} not in {}", fault, anchors);
    return fmt::format(
        "{} not in {}; to trust it, name {} as the CA file or pin its key's fingerprint "
        "sha256//{}",
        fault, anchors, self_signed ? "it" : "the issuer's certificate",
        base::base64_encode(key_digest(*leaf)));
}

void Verification::add_fault(X509_STORE_CTX* store) {
    const int code = X509_STORE_CTX_get_error(store);
    const X509* current = X509_STORE_CTX_get_current_cert(store);
    const X509* leaf = X509_STORE_CTX_get0_cert(store);
    if (current == nullptr) current = leaf;
    switch (code) {
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return add(Kind::trust, code, trust_text(store));
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return add(Kind::time, code,
                       fmt::format("{} expired on {}", which(store),
                                   day(time_of(X509_get0_notAfter(current)))));
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return add(Kind::time, code,
                       fmt::format("{} is not valid before {} (is this machine's clock right?)",
                                   which(store), day(time_of(X509_get0_notBefore(current)))));
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            if (const auto names = alternative_names(*leaf); !names.empty()) {
                made_for_ = names.front();
            }
            return add(
                Kind::name, code,
                fmt::format("the certificate is not for {} but for {}", host_, names_of(*leaf)));
        case X509_V_ERR_INVALID_PURPOSE:
            return add(Kind::purpose, code,
                       fmt::format("{} was not issued for TLS servers (its extended key usage "
                                   "does not allow it)",
                                   which(store)));
        default:
            return add(Kind::other, code,
                       fmt::format("{}: {}", which(store), X509_verify_cert_error_string(code)));
    }
}

}  // namespace tls
