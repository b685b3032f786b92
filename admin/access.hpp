#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace admin {

// "HOST:PORT" taken apart; an IPv6 literal stands in brackets, which are not kept.
struct HostPort {
    std::string host;
    unsigned short port = 0;
};
[[nodiscard]] std::optional<HostPort> parse_host_port(std::string_view text,
                                                      unsigned short default_port);

// "Bearer TOKEN" (RFC 6750 section 2.1), compared in constant time. An empty token admits nobody.
[[nodiscard]] bool bears_token(std::string_view authorization, const base::Secret& token);

// What one request says about where it comes from and whom it means.
struct RequestFacts {
    std::string_view method, path;
    std::string_view host;           // Host header, "" when missing
    std::string_view origin;         // Origin header, "" when missing
    std::string_view fetch_site;     // Sec-Fetch-Site header, "" when missing
    std::string_view authorization;  // Authorization header, "" when missing
};

// The side that a TCP connection came in on.
struct ListenFacts {
    std::string configured_host;  // as written in admin.listen
    std::string local_address;    // of this connection
    unsigned short local_port = 0;
    base::Secret token;
};

// Why a request is turned away.
struct Refusal {
    unsigned status;
    std::string code, message;
};

// The rules for TCP; control.sock is guarded by its file mode instead.
// - With a token configured, every request but GET /healthz and /readyz must bear it (RFC 6750).
// - Host must name this very listener, or a web page could point a name of its own at 127.0.0.1
//   and read our answers (DNS rebinding). A request with the right token need not: such a page
//   does not know it, and port mappings and proxies change the name.
// - A page of another site may not ask: its requests change things (CSRF) or take places, although
//   it cannot read the answers. What a browser says of the page, in Origin or Sec-Fetch-Site, must
//   be our own origin. /healthz and /readyz are for everybody, and a link to "/" can be followed.
[[nodiscard]] std::optional<Refusal> check_access(const RequestFacts& request,
                                                  const ListenFacts& listen);

// Whether the path tells no more than that relay runs and how much waits. Without a token any user
// of this host reaches the listener, and all else is mail.
[[nodiscard]] bool open_to_every_user(std::string_view path);

// Whether the path is answered for nobody but the owner, whom the token shows or, without one, the
// user at the far end.
[[nodiscard]] bool for_owner(std::string_view path, const ListenFacts& listen);

// For the other paths while there is no token: relay's own user and root only, as for the spool.
[[nodiscard]] std::optional<Refusal> check_user(std::optional<uid_t> user, uid_t own);

}  // namespace admin
