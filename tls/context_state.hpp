#pragma once

// Shared by context.cpp and handshake.cpp only.

#include "tls/context.hpp"
#include "tls/openssl.hpp"
#include "tls/pins.hpp"
#include "tls/session_cache.hpp"
#include "tls/verify.hpp"

namespace tls {

struct ClientContext::State {
    ClientOptions options;
    std::vector<KeyDigest> pins;
    SessionCache sessions;
    std::shared_ptr<SSL_CTX> context;  // none until it is needed: OpenSSL takes 3 MiB
    // The system's trust store is loaded with the first handshake: many never make one.
    bool system_anchors_wanted = false;
};

// What OpenSSL's callbacks need to know of one client connection: the SSL's application data.
struct ClientSession {
    ClientSession(ClientContext context_used, const std::string& host, unsigned short port);

    ClientContext context;
    std::string cache_key;
    Verification verification;
};

}  // namespace tls
