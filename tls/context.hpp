#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "tls/options.hpp"

typedef struct ssl_ctx_st SSL_CTX;

namespace tls {

// Whether the system's trust store holds anything. Without it every issuer is unknown.
[[nodiscard]] bool has_trust_store();

// Loads OpenSSL's algorithms, which the first context waits for otherwise. For any thread.
void prepare_library();

// TLS 1.2 and later. Cheap to copy; safe to share between streams of one thread.
class ServerContext {
 public:
    [[nodiscard]] static base::Result<ServerContext> load(const ServerOptions& options);
    [[nodiscard]] SSL_CTX* native() const { return context_.get(); }

 private:
    std::shared_ptr<SSL_CTX> context_;
};

// Holds the trust anchors and the session cache. Sessions are kept by host name, port and
// verification settings: a session is never resumed for another name (a resumed handshake shows
// no certificate to verify). OpenSSL is loaded when files are named, or with the first handshake.
class ClientContext {
 public:
    [[nodiscard]] static base::Result<ClientContext> load(const ClientOptions& options);
    [[nodiscard]] SSL_CTX* native() const;  // nullptr when OpenSSL has no memory

    struct State;
    [[nodiscard]] State& state() const { return *state_; }

 private:
    std::shared_ptr<State> state_;
};

}  // namespace tls
