#include "tls/context.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "tls/context_state.hpp"

namespace tls {
namespace {

using FilePtr = std::unique_ptr<std::FILE, Free<std::fclose>>;

std::shared_ptr<SSL_CTX> new_context(const SSL_METHOD* method) {
    std::shared_ptr<SSL_CTX> context{SSL_CTX_new(method), SSL_CTX_free};
    if (!context) return context;
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    // Buffers are freed between records: 16 KB for an idle connection instead of 25 KB. Writes may
    // be retried from another address, as a coroutine's buffer may have been copied meanwhile.
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Mail servers often close without close_notify; SMTP itself tells where a message ends.
    SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    return context;
}

base::Error no_context() {
    return base::error(fmt::format("OpenSSL cannot make a TLS context: {}", take_openssl_error()));
}

base::Result<FilePtr> open_file(std::string_view what, const std::string& path) {
    FilePtr file{std::fopen(path.c_str(), "re")};
    if (file) return file;
    const int number = errno;
    const std::string_view remedy =
        number == EACCES ? "; let the user that runs relay read it" : "";
    return base::error(
        fmt::format("cannot read the {} {}: {}{}", what, path, base::errno_text(number), remedy));
}

// "-----BEGIN EC PRIVATE KEY-----" and its like; OpenSSL's own errors do not tell this case apart.
bool has_pem(const std::string& path, std::string_view kind) {
    std::ifstream file{path};
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with("-----BEGIN ") && line.find(kind) != std::string::npos) return true;
    }
    return false;
}

base::Error bad_file(std::string_view what, const std::string& path, std::string_view marker) {
    const std::string reason = take_openssl_error();
    if (has_pem(path, marker)) {
        return base::error(fmt::format(
            "cannot use the {} {}: {}; copy it again from where it was made", what, path, reason));
    }
    return base::error(
        fmt::format("{} holds no {} in PEM form: a line \"-----BEGIN {}-----\" is missing", path,
                    what, marker));
}

// Nobody is there to type a passphrase: notes that one was asked for.
int refuse_passphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

base::Result<> load_certificate(SSL_CTX* context, const std::string& path) {
    const base::Result<FilePtr> readable = open_file("certificate", path);
    if (!readable) return readable.error();
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, path.c_str()) == 1) return {};
    return bad_file("certificate", path, "CERTIFICATE");
}

base::Result<> load_key(SSL_CTX* context, const std::string& path, const std::string& certificate) {
    const base::Result<FilePtr> file = open_file("private key", path);
    if (!file) return file.error();
    ERR_clear_error();
    bool encrypted = false;
    const KeyPtr key{PEM_read_PrivateKey(file->get(), nullptr, refuse_passphrase, &encrypted)};
    if (encrypted) {
        ERR_clear_error();
        return base::error(
            fmt::format("the private key {0} is encrypted; store it without a passphrase: openssl "
                        "pkey -in {0} -out {0}.plain",
                        path));
    }
    if (!key) return bad_file("private key", path, "PRIVATE KEY");
    if (SSL_CTX_use_PrivateKey(context, key.get()) == 1) return {};
    ERR_clear_error();
    return base::error(fmt::format(
        "the private key {} does not belong to the certificate {}: name the two that were "
        "made together",
        path, certificate));
}

base::Result<> load_pair(SSL_CTX* context, const std::string& certificate, const std::string& key) {
    if (certificate.empty() || key.empty()) {
        return base::error(fmt::format("a certificate needs its private key: no {} given",
                                       certificate.empty() ? "certificate" : "private key"));
    }
    const base::Result<> loaded = load_certificate(context, certificate);
    if (!loaded) return loaded;
    return load_key(context, key, certificate);
}

// Names as OpenSSL gives them to the certificates of a folder: a hash of eight digits and ".0".
bool is_hashed_name(std::string_view name) {
    constexpr std::string_view digits = "0123456789abcdef";
    return name.size() == 10 && name.ends_with(".0") &&
           name.find_first_not_of(digits) == name.size() - 2;
}

bool is_hashed_folder(const std::filesystem::path& folder) {
    std::error_code failed;
    const std::filesystem::directory_iterator entries{folder, failed}, none;
    return !failed && std::any_of(entries, none, [](const auto& entry) {
        return is_hashed_name(entry.path().filename().native());
    });
}

// A hashed folder is read a certificate at a time, as chains ask for them. The file with all of
// them costs 50 ms and several MB, so it is read only where there is no folder or somebody named
// it. What is missing shows as an issuer that is not trusted.
void load_system_anchors(SSL_CTX* context) {
    const bool file_named = std::getenv(X509_get_default_cert_file_env()) != nullptr;
    const char* const named = std::getenv(X509_get_default_cert_dir_env());
    const char* const folder = named != nullptr ? named : X509_get_default_cert_dir();
    if (!file_named && is_hashed_folder(folder)) {
        SSL_CTX_set_default_verify_dir(context);
    } else {
        SSL_CTX_set_default_verify_paths(context);
    }
    ERR_clear_error();
}

base::Result<> load_anchors(SSL_CTX* context, const std::string& ca_file) {
    const base::Result<FilePtr> readable = open_file("CA file", ca_file);
    if (!readable) return readable.error();
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(context, ca_file.c_str()) != 1) {
        return bad_file("CA certificate", ca_file, "CERTIFICATE");
    }
    // Who names an intermediate as the CA file trusts it, without its root.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    return {};
}

int judge_chain(X509_STORE_CTX* store, void*) {
    const auto* ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* session = static_cast<ClientSession*>(SSL_get_app_data(ssl));
    return session->verification.judge(store) ? 1 : 0;
}

// TLS 1.3 tickets arrive after the handshake, with the first bytes read.
int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* connection = static_cast<ClientSession*>(SSL_get_app_data(ssl));
    connection->context.state().sessions.put(connection->cache_key, SessionPtr{session});
    return 1;  // the session is ours now
}

std::shared_ptr<SSL_CTX> new_client_context() {
    std::shared_ptr<SSL_CTX> made = new_context(TLS_client_method());
    if (!made) return made;
    SSL_CTX* const context = made.get();
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context, judge_chain, nullptr);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    return made;
}

}  // namespace

ClientSession::ClientSession(ClientContext context_used, const std::string& host,
                             unsigned short port)
    : context(std::move(context_used)),
      cache_key(fmt::format("{}:{}", plain_host(host), port)),
      verification(context.state().options, context.state().pins, plain_host(host)) {
    ClientContext::State& state = context.state();
    if (std::exchange(state.system_anchors_wanted, false)) load_system_anchors(context.native());
}

SSL_CTX* ClientContext::native() const {
    if (!state_->context) state_->context = new_client_context();
    return state_->context.get();
}

base::Result<ServerContext> ServerContext::load(const ServerOptions& options) {
    ServerContext made;
    made.context_ = new_context(TLS_server_method());
    if (!made.context_) return no_context();
    const base::Result<> loaded =
        load_pair(made.context_.get(), options.certificate, options.private_key);
    if (!loaded) return loaded.error();
    // Tickets keep the state at the client; a cache here would only grow.
    SSL_CTX_set_session_cache_mode(made.context_.get(), SSL_SESS_CACHE_OFF);
    return made;
}

base::Result<ClientContext> ClientContext::load(const ClientOptions& options) {
    ClientContext made;
    made.state_ = std::make_shared<State>();
    made.state_->options = options;
    base::Result<std::vector<KeyDigest>> pins = parse_fingerprints(options.fingerprints);
    if (!pins) return pins.error();
    made.state_->pins = *std::move(pins);
    made.state_->system_anchors_wanted = options.ca_file.empty();
    const bool pair_named = !options.certificate.empty() || !options.private_key.empty();
    if (options.ca_file.empty() && !pair_named) return made;
    SSL_CTX* context = made.native();
    if (context == nullptr) return no_context();
    if (!options.ca_file.empty()) {
        const base::Result<> anchors = load_anchors(context, options.ca_file);
        if (!anchors) return anchors.error();
    }
    if (pair_named) {
        const base::Result<> pair = load_pair(context, options.certificate, options.private_key);
        if (!pair) return pair.error();
    }
    return made;
}

void prepare_library() { SSL_CTX_free(SSL_CTX_new(TLS_method())); }

bool has_trust_store() {
    const auto place = [](const char* variable, const char* usual) {
        const char* const named = std::getenv(variable);
        return std::string{named != nullptr ? named : usual};
    };
    if (is_hashed_folder(place(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()))) {
        return true;
    }
    return has_pem(place(X509_get_default_cert_file_env(), X509_get_default_cert_file()),
                   "CERTIFICATE");
}

}  // namespace tls
