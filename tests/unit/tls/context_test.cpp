#include "tls/context.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/base64.hpp"
#include "tests/unit/tls/pair.hpp"
#include "tls/openssl.hpp"
#include "tls/pins.hpp"

using namespace tls_test;
using Catch::Matchers::Contains;

namespace {

std::string server_error(const std::string& certificate, const std::string& key) {
    tls::ServerOptions options;
    options.certificate = certificate;
    options.private_key = key;
    const base::Result<tls::ServerContext> loaded = tls::ServerContext::load(options);
    return loaded ? "loaded" : loaded.error().message;
}

std::string client_error(const tls::ClientOptions& options) {
    const base::Result<tls::ClientContext> loaded = tls::ClientContext::load(options);
    return loaded ? "loaded" : loaded.error().message;
}

std::string encrypted_key() {
    const tls::KeyPtr key{EVP_EC_gen("P-256")};
    const tls::BioPtr text{BIO_new(BIO_s_mem())};
    PEM_write_bio_PrivateKey(text.get(), key.get(), EVP_aes_256_cbc(), nullptr, 0, nullptr,
                             const_cast<char*>("secret"));
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

}  // namespace

TEST_CASE("faults in a server's files are told with the file and the remedy", "[tls]") {
    const Folder folder;
    const tls::CertificatePair pair =
        tls::make_certificate(authority(), for_names({"mx.example"})).value();
    const tls::CertificatePair other =
        tls::make_certificate(authority(), for_names({"mx.example"})).value();
    const std::string certificate = folder.write("a.pem", pair.certificate);
    const std::string key = folder.write("a.key", pair.private_key);
    const std::string missing = folder.file("missing");
    const std::string junk = folder.write("junk", "hello\n");

    CHECK(server_error(certificate, key) == "loaded");
    CHECK(server_error(missing, key) ==
          "cannot read the certificate " + missing + ": no such file or directory");
    CHECK(server_error(certificate, missing) ==
          "cannot read the private key " + missing + ": no such file or directory");
    CHECK_THAT(server_error(junk, key), Contains(junk + " holds no certificate in PEM form") &&
                                            Contains("-----BEGIN CERTIFICATE-----"));
    CHECK_THAT(server_error(certificate, junk), Contains(junk + " holds no private key"));
    CHECK_THAT(server_error(certificate, folder.write("b.key", other.private_key)),
               Contains("b.key does not belong to the certificate " + certificate));
    CHECK_THAT(server_error(certificate, folder.write("c.key", encrypted_key())),
               Contains("c.key is encrypted") && Contains("openssl pkey -in"));
    CHECK_THAT(server_error(certificate, ""), Contains("no private key given"));
}

TEST_CASE("faults in a client's options are told", "[tls]") {
    const Folder folder;
    tls::ClientOptions options;
    CHECK(client_error(options) == "loaded");
    options.ca_file = folder.file("missing");
    CHECK(client_error(options) ==
          "cannot read the CA file " + options.ca_file + ": no such file or directory");
    options.ca_file = folder.write("junk", "hello\n");
    CHECK_THAT(client_error(options), Contains("CA certificate"));
    options.ca_file = "";
    options.certificate = folder.write("a.pem", authority().certificate);
    CHECK_THAT(client_error(options), Contains("no private key given"));
    options.certificate = "";
    options.fingerprints = {"abc"};
    CHECK_THAT(client_error(options), Contains("\"abc\"") && Contains("64 hex digits"));
}

TEST_CASE("a client certificate is shown to a server that asks for one", "[tls]") {
    const Folder folder;
    tls::CertificateOptions for_client = for_names({"client.example"});
    for_client.for_servers = false;
    const tls::CertificatePair pair = tls::make_certificate(authority(), for_client).value();
    const tls::ServerContext server = server_for(for_names({"mx.example"}));
    const std::string ca_file = folder.write("ca.pem", authority().certificate);
    REQUIRE(SSL_CTX_load_verify_file(server.native(), ca_file.c_str()) == 1);
    SSL_CTX_set_verify(server.native(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    tls::ClientOptions options;
    const bool shown = GENERATE(true, false);
    if (shown) {
        options.certificate = folder.write("client.pem", pair.certificate);
        options.private_key = folder.write("client.key", pair.private_key);
    }
    asio::io_context loop;
    Pair ends{loop};
    const tls::Peer peer{"mx.example", 587};
    const Handshakes results = shake(loop, ends, server, client_context(options), peer);
    REQUIRE(results.server->has_value() == shown);
    if (shown) CHECK((*results.server)->peer_subject == "CN=client.example");
}

TEST_CASE("fingerprints are read in every usual spelling", "[tls]") {
    const std::string digest = "0123456789abcdef0123456789ABCDEF";
    const std::string base64 = base::base64_encode(digest);
    std::string hex, colons;
    for (const char c : digest) {
        hex += fmt::format("{:02x}", static_cast<int>(c));
        colons += fmt::format("{}{:02X}", colons.empty() ? "" : ":", static_cast<int>(c));
    }
    for (const std::string& text : {base64, hex, colons, "sha256//" + base64, " " + hex + "\n"}) {
        CAPTURE(text);
        const auto parsed = tls::parse_fingerprint(text);
        REQUIRE(parsed.has_value());
        CHECK(*parsed == digest);
    }
    for (const std::string& text : {std::string{}, hex.substr(1), hex + "0", base64.substr(1),
                                    base::base64_encode("short"), std::string(64, 'g')}) {
        CAPTURE(text);
        CHECK_FALSE(tls::parse_fingerprint(text).has_value());
    }
}
