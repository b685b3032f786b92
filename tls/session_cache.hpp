#pragma once

#include <deque>
#include <map>
#include <string>

#include "tls/openssl.hpp"

namespace tls {

// Sessions a client may resume, by "host:port". Whoever is to be told apart must differ in the key,
// because a resumed handshake shows no certificate.
class SessionCache {
 public:
    static constexpr std::size_t most_per_server = 4;
    static constexpr std::size_t most_servers = 256;

    void put(const std::string& key, SessionPtr session);

    // The newest usable one, or null. A TLS 1.3 ticket is used once (RFC 8446 appendix C.4), so
    // that connections cannot be linked; an older session stays.
    [[nodiscard]] SessionPtr take(const std::string& key);

    void forget(const std::string& key) { servers_.erase(key); }

 private:
    std::map<std::string, std::deque<SessionPtr>> servers_;
};

}  // namespace tls
