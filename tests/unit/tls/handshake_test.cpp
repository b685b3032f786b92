#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/base64.hpp"
#include "tests/unit/tls/pair.hpp"
#include "tls/pins.hpp"

using namespace tls_test;
using Catch::Matchers::Contains;

namespace {

const tls::Peer mx{"mx.example", 587};

tls::HandshakeFailure failure(const tls::ServerContext& server, const tls::ClientContext& client,
                              const tls::Peer& peer = mx) {
    asio::io_context loop;
    Pair pair{loop};
    Handshakes results = shake(loop, pair, server, client, peer);
    REQUIRE(results.client.has_value());
    REQUIRE(results.server.has_value());
    CHECK_FALSE(pair.client.encrypted());
    return results.client->has_error() ? results.client->error() : tls::HandshakeFailure{};
}

std::string refusal(const tls::ServerContext& server, const tls::ClientContext& client,
                    const tls::Peer& peer = mx) {
    return failure(server, client, peer).message;
}

tls::HandshakeInfo success(const tls::ServerContext& server, const tls::ClientContext& client,
                           const tls::Peer& peer = mx) {
    asio::io_context loop;
    Pair pair{loop};
    const Handshakes results = shake(loop, pair, server, client, peer);
    REQUIRE(results.client.has_value());
    if (results.client->has_error()) FAIL(results.client->error().message);
    REQUIRE(results.server->has_value());
    CHECK(pair.client.encrypted());
    CHECK(pair.server.encrypted());
    return **results.client;
}

tls::CertificateOptions lasting(int from_hours, int until_hours) {
    tls::CertificateOptions options = for_names({"mx.example"});
    options.valid_from = std::chrono::hours{from_hours};
    options.valid_until = std::chrono::hours{until_hours};
    return options;
}

tls::ClientOptions pinned(std::string fingerprint, bool verify) {
    tls::ClientOptions options;
    options.fingerprints = {std::move(fingerprint)};
    options.verify = verify;
    return options;
}

// The name that OpenSSL looks a certificate's issuer up by.
std::string hashed_name(const std::string& pem) {
    BIO* const text = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* const certificate = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
    const unsigned long hash = X509_subject_name_hash(certificate);
    X509_free(certificate);
    BIO_free(text);
    return fmt::format("{:08x}.0", hash);
}

// The system's trust store is elsewhere for as long as this lives.
class SystemStore {
 public:
    SystemStore(const char* variable, const std::string& value) : variable_(variable) {
        ::setenv(variable, value.c_str(), 1);
    }
    SystemStore(const SystemStore&) = delete;
    SystemStore& operator=(const SystemStore&) = delete;
    ~SystemStore() { ::unsetenv(variable_); }

 private:
    const char* variable_;
};

}  // namespace

TEST_CASE("the system's trust store is its folder, or the file that is named", "[tls]") {
    const Folder folder;
    const tls::ServerContext server = server_for(for_names({"mx.example"}));
    SECTION("a folder of certificates by their hashes") {
        folder.write(hashed_name(authority().certificate), authority().certificate);
        const SystemStore store{"SSL_CERT_DIR", folder.file("")};
        success(server, tls::ClientContext::load({}).value());
    }
    SECTION("a file") {
        const SystemStore store{"SSL_CERT_FILE", folder.write("all.pem", authority().certificate)};
        success(server, tls::ClientContext::load({}).value());
    }
    SECTION("neither") {
        const SystemStore none{"SSL_CERT_DIR", folder.file("")};
        CHECK_THAT(refusal(server, tls::ClientContext::load({}).value()), Contains("Test CA"));
    }
}

TEST_CASE("a right certificate is accepted and described", "[tls]") {
    const tls::HandshakeInfo info =
        success(server_for(for_names({"mx.example"})), client_context());
    CHECK(info.version == "TLSv1.3");
    CHECK_FALSE(info.cipher.empty());
    CHECK_FALSE(info.resumed);
    CHECK(info.peer_subject == "CN=mx.example");
    CHECK(info.peer_issuer == "CN=Test CA");
    CHECK(base::base64_decode(info.peer_fingerprint)->size() == 32);
    CHECK(info.peer_not_after > base::SystemClock{}.now());
}

TEST_CASE("hosts are matched by name, wildcard and address", "[tls]") {
    struct Case {
        std::string certificate, host;
    };
    const Case c = GENERATE(values<Case>({
        {"mx.example", "MX.Example"},
        {"mx.example", "mx.example."},
        {"*.mx.example", "a.mx.example"},
        {"127.0.0.1", "127.0.0.1"},
        {"::1", "::1"},
    }));
    CAPTURE(c.certificate, c.host);
    const tls::Peer peer{c.host, 465};
    success(server_for(for_names({c.certificate})), client_context(), peer);
}

TEST_CASE("the name asked for reaches the server as SNI, addresses do not", "[tls]") {
    struct Case {
        std::string host, seen;
    };
    const Case c = GENERATE(values<Case>({{"mx.example", "mx.example"}, {"127.0.0.1", "none"}}));
    const tls::ServerContext server = server_for(for_names({"mx.example", "127.0.0.1"}));
    std::string seen;
    SSL_CTX_set_tlsext_servername_arg(server.native(), &seen);
    SSL_CTX_set_tlsext_servername_callback(
        server.native(), +[](SSL* ssl, int*, void* into) {
            const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
            *static_cast<std::string*>(into) = name != nullptr ? name : "none";
            return SSL_TLSEXT_ERR_OK;
        });
    const tls::Peer peer{c.host, 465};
    success(server, client_context(), peer);
    CHECK(seen == c.seen);
}

TEST_CASE("a certificate for another name is refused with the names it has", "[tls]") {
    const tls::ServerContext server = server_for(for_names({"a.example", "192.0.2.1"}));
    const std::string message = refusal(server, client_context());
    CHECK_THAT(message, Contains("mx.example:587"));
    CHECK_THAT(message, Contains("is not for mx.example but for a.example, 192.0.2.1"));
    const tls::Peer literal{"192.0.2.2", 587};
    CHECK_THAT(refusal(server, client_context(), literal), Contains("is not for 192.0.2.2"));
    const tls::ServerContext partial = server_for(for_names({"m*.example"}));
    CHECK_THAT(refusal(partial, client_context()), Contains("is not for mx.example"));
}

TEST_CASE("a certificate out of its time is refused with the date", "[tls]") {
    const std::string expired = refusal(server_for(lasting(-100, -48)), client_context());
    const base::Time then = base::SystemClock{}.now() - std::chrono::hours{48};
    CHECK_THAT(expired, Contains("expired on " + base::format_iso8601(then).substr(0, 10)));
    CHECK_THAT(refusal(server_for(lasting(24, 48)), client_context()),
               Contains("is not valid before") && Contains("clock"));
}

TEST_CASE("a certificate for another purpose is refused", "[tls]") {
    tls::CertificateOptions options = for_names({"mx.example"});
    options.for_servers = false;
    CHECK_THAT(refusal(server_for(options), client_context()),
               Contains("was not issued for TLS servers"));
}

TEST_CASE("an issuer that is not trusted is named with where it was looked for", "[tls]") {
    const tls::CertificatePair other =
        tls::make_authority("Another CA", std::chrono::hours{48}).value();
    const tls::ServerContext server =
        server_context(tls::make_certificate(other, for_names({"mx.example"})).value());
    CHECK_THAT(refusal(server, client_context()),
               Contains("its issuer \"CN=Another CA\" is not in the CA file"));
    const tls::ClientContext system = tls::ClientContext::load(tls::ClientOptions{}).value();
    CHECK_THAT(refusal(server, system), Contains("is not in the system's trust store"));
}

TEST_CASE("a self-signed certificate is refused with the fingerprint to pin", "[tls]") {
    const tls::ServerContext server =
        server_context(tls::make_self_signed(for_names({"mx.example"})).value());
    const std::string message = refusal(server, client_context());
    CHECK_THAT(message, Contains("self-signed"));
    const std::size_t at = message.find("sha256//");
    REQUIRE(at != std::string::npos);
    const bool verify = GENERATE(true, false);
    success(server, client_context(pinned(message.substr(at, 8 + 44), verify)));
}

TEST_CASE("a pin stands in for a trusted issuer, not for name and dates", "[tls]") {
    const tls::CertificatePair unknown =
        tls::make_authority("Another CA", std::chrono::hours{48}).value();
    const bool self_signed = GENERATE(true, false);
    const auto issued = [&](const tls::CertificateOptions& options) {
        return server_context(self_signed ? tls::make_self_signed(options).value()
                                          : tls::make_certificate(unknown, options).value());
    };
    tls::CertificateOptions expired = lasting(-100, -48);
    expired.names = {"a.example"};
    const tls::ServerContext sound = issued(for_names({"mx.example"}));
    const tls::ServerContext bad = issued(expired);
    tls::ClientOptions unverified;
    unverified.verify = false;
    const std::string key = success(sound, client_context(unverified)).peer_fingerprint;
    const std::string bad_key = success(bad, client_context(unverified)).peer_fingerprint;

    CHECK_THAT(refusal(sound, client_context()),
               Contains("pin its key's fingerprint sha256//" + key));
    success(sound, client_context(pinned(key, true)));
    CHECK_THAT(refusal(sound, client_context(pinned(bad_key, true))),
               Contains("not the pinned one") && !Contains("to trust it"));
    CHECK_THAT(refusal(bad, client_context(pinned(bad_key, true))),
               Contains("expired on") && Contains("not for mx.example") && !Contains("not in"));
}

TEST_CASE("everything wrong with a certificate is told at once", "[tls]") {
    tls::CertificateOptions options = lasting(-100, -48);
    options.names = {"a.example"};
    const tls::ServerContext server = server_context(tls::make_self_signed(options).value());
    CHECK_THAT(refusal(server, client_context()),
               Contains("self-signed") && Contains("expired on") && Contains("not for mx.example"));
}

TEST_CASE("what is wrong with a certificate is told to code as well", "[tls]") {
    tls::CertificateOptions options = lasting(-100, -48);
    options.names = {"a.example", "b.example"};
    const tls::ServerContext server = server_context(tls::make_self_signed(options).value());
    const tls::CertificateFaults faults = failure(server, client_context()).faults;
    CHECK(faults.wrong_name);
    CHECK(faults.made_for == "a.example");
    CHECK(faults.expired);
    CHECK_FALSE(faults.too_early);
    CHECK(faults.unknown_issuer);
    CHECK_FALSE(faults.other);
    const tls::CertificateFaults early =
        failure(server_for(lasting(48, 100)), client_context()).faults;
    CHECK(early.too_early);
    CHECK_FALSE(early.expired);
    CHECK_FALSE(early.wrong_name);
    CHECK_FALSE(early.unknown_issuer);
}

TEST_CASE("a pin must match, whatever else is verified", "[tls]") {
    const tls::CertificatePair pair =
        tls::make_certificate(authority(), for_names({"mx.example"})).value();
    const tls::ServerContext server = server_context(pair);
    const std::string right = success(server, client_context()).peer_fingerprint;
    const std::string wrong = base::base64_encode(std::string(32, 'x'));
    const bool verify = GENERATE(true, false);
    success(server, client_context(pinned(right, verify)));
    CHECK_THAT(refusal(server, client_context(pinned(wrong, verify))),
               Contains("sha256//" + right) && Contains("not the pinned one"));
    tls::ClientOptions either = pinned(wrong, verify);
    either.fingerprints.push_back(right);
    success(server, client_context(either));
}

TEST_CASE("without verification anything is accepted", "[tls]") {
    tls::ClientOptions options;
    options.verify = false;
    tls::CertificateOptions bad = lasting(-100, -48);
    bad.names = {"a.example"};
    success(server_context(tls::make_self_signed(bad).value()), client_context(options));
}

TEST_CASE("an observer shakes hands whatever the certificate and is told what is wrong", "[tls]") {
    asio::io_context loop{1};
    Pair pair{loop};
    tls::ClientOptions options;
    options.observe = true;
    const Handshakes results = shake(loop, pair, server_for(for_names({"other.example"})),
                                     client_context(options), {"mail.example", 25});
    REQUIRE(results.client->has_value());
    CHECK((*results.client)->problem.find("not for mail.example but for other.example") !=
          std::string::npos);
    CHECK((*results.client)->peer_names == "other.example");
}

TEST_CASE("a server older than TLS 1.2 is refused as such", "[tls]") {
    const tls::ServerContext server = server_for(for_names({"mx.example"}));
    SSL_CTX_set_min_proto_version(server.native(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(server.native(), TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(server.native(), "DEFAULT@SECLEVEL=0");
    CHECK_THAT(refusal(server, client_context()), Contains("TLS version") && Contains("1.2"));
}

TEST_CASE("TLS 1.2 is spoken, without a channel binding", "[tls]") {
    const tls::ServerContext server = server_for(for_names({"mx.example"}));
    SSL_CTX_set_max_proto_version(server.native(), TLS1_2_VERSION);
    asio::io_context loop;
    Pair pair{loop};
    const Handshakes results = shake(loop, pair, server, client_context(), mx);
    REQUIRE(results.client->has_value());
    CHECK((*results.client)->version == "TLSv1.2");
    CHECK(pair.client.channel_binding().empty());
}

TEST_CASE("both ends see the same channel binding on TLS 1.3", "[tls]") {
    asio::io_context loop;
    Pair pair{loop};
    CHECK(pair.client.channel_binding().empty());
    shake(loop, pair, server_for(for_names({"mx.example"})), client_context(), mx);
    CHECK(pair.client.channel_binding().size() == 32);
    CHECK(pair.client.channel_binding() == pair.server.channel_binding());
}
