#include "tls/session_cache.hpp"

#include <ctime>

namespace tls {
namespace {

bool usable(const SSL_SESSION* session) {
    if (SSL_SESSION_is_resumable(session) != 1) return false;
    const auto age = std::time(nullptr) - SSL_SESSION_get_time(session);
    if (age > SSL_SESSION_get_timeout(session)) return false;
    // A certificate that expired meanwhile must be shown, and refused, anew.
    X509* peer = SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(session));
    return peer != nullptr && X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

}  // namespace

void SessionCache::put(const std::string& key, SessionPtr session) {
    // Any other server will do as the one to drop: it costs a full handshake, no more.
    if (servers_.size() >= most_servers && servers_.count(key) == 0) {
        servers_.erase(servers_.begin());
    }
    std::deque<SessionPtr>& sessions = servers_[key];
    sessions.push_back(std::move(session));
    if (sessions.size() > most_per_server) sessions.pop_front();
}

SessionPtr SessionCache::take(const std::string& key) {
    const auto found = servers_.find(key);
    if (found == servers_.end()) return nullptr;
    std::deque<SessionPtr>& sessions = found->second;
    while (!sessions.empty()) {
        SessionPtr session = std::move(sessions.back());
        sessions.pop_back();
        if (!usable(session.get())) continue;
        if (SSL_SESSION_get_protocol_version(session.get()) < TLS1_3_VERSION) {
            SSL_SESSION_up_ref(session.get());
            sessions.emplace_back(session.get());
        }
        return session;
    }
    servers_.erase(found);
    return nullptr;
}

}  // namespace tls
