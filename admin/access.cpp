#include "admin/access.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>

#include "base/text.hpp"

namespace admin {

namespace asio = boost::asio;

namespace {

std::optional<unsigned short> parse_port(std::string_view text) {
    unsigned short port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return port;
}

bool is_localhost_name(std::string_view host) {
    // RFC 6761 section 6.3: names under localhost never leave this host.
    const std::string name = base::to_lower(host);
    return name == "localhost" || name.ends_with(".localhost");
}

bool names_this_listener(const HostPort& host, const ListenFacts& listen) {
    if (host.port != listen.local_port) return false;
    if (host.host.find('\0') != std::string::npos)
        return false;  // the parser below would end there
    if (is_localhost_name(host.host)) return true;
    if (base::equals_ignoring_case(host.host, listen.configured_host)) return true;
    boost::system::error_code error;
    const auto address = asio::ip::make_address(host.host, error);
    if (error) return false;
    const auto local = asio::ip::make_address(listen.local_address, error);
    return address.is_loopback() || (!error && address == local);
}

// What a browser says of the page that asks (Fetch Metadata, section 2.3); "none" is its user.
bool is_page_of_others(std::string_view fetch_site) {
    return !fetch_site.empty() && fetch_site != "same-origin" && fetch_site != "none";
}

// They tell whether relay runs and works, and nothing else.
bool for_supervisors(std::string_view path) { return path == "/healthz" || path == "/readyz"; }

bool changes_something(std::string_view method) { return method != "GET" && method != "HEAD"; }

// Whether a page of another site lets the browser ask what is not for every page.
bool asks_for_others(const RequestFacts& request) {
    const bool changes = changes_something(request.method);
    if (!changes && for_supervisors(request.path)) return false;
    const bool other_origin =
        !request.origin.empty() &&
        !base::equals_ignoring_case(request.origin, "http://" + std::string(request.host));
    const bool follows_link = !changes && request.path == "/";
    return other_origin || (is_page_of_others(request.fetch_site) && !follows_link);
}

}  // namespace

bool bears_token(std::string_view authorization, const base::Secret& token) {
    constexpr std::string_view scheme = "Bearer ";
    if (token.empty() || !base::starts_with_ignoring_case(authorization, scheme)) return false;
    const std::string_view given = base::trim(authorization.substr(scheme.size()));
    return base::Secret::equal_secrets(given, token.reveal());
}

std::optional<HostPort> parse_host_port(std::string_view text, unsigned short default_port) {
    std::string_view host = text;
    std::string_view rest;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
    } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
        host = text.substr(0, colon);
        rest = text.substr(colon);
        if (host.find(':') != std::string_view::npos) return std::nullopt;  // bare IPv6
    }
    if (host.empty()) return std::nullopt;
    if (rest.empty()) return HostPort{std::string(host), default_port};
    const auto port = rest.starts_with(':') ? parse_port(rest.substr(1)) : std::nullopt;
    if (!port) return std::nullopt;
    return HostPort{std::string(host), *port};
}

// As they stand: a path in another spelling, "/api/v1/%73tatus", is for the owner.
bool open_to_every_user(std::string_view path) {
    constexpr std::array<std::string_view, 6> open{"/",        "/healthz",       "/readyz",
                                                   "/metrics", "/api/v1/status", "/api/v1/stats"};
    return std::find(open.begin(), open.end(), path) != open.end();
}

bool for_owner(std::string_view path, const ListenFacts& listen) {
    return listen.token.empty() ? !open_to_every_user(path) : !for_supervisors(path);
}

std::optional<Refusal> check_user(std::optional<uid_t> user, uid_t own) {
    constexpr uid_t root = 0;
    if (user && (*user == own || *user == root)) return std::nullopt;
    return Refusal{403, "wrong_user",
                   "without a token this is for root and the user that relay runs as: set "
                   "admin.token in the configuration and reload relay, or use \"relay queue\" as "
                   "that user"};
}

std::optional<Refusal> check_access(const RequestFacts& request, const ListenFacts& listen) {
    const bool token_needed = !listen.token.empty();
    const bool token_given = token_needed && bears_token(request.authorization, listen.token);
    if (token_needed && !token_given &&
        (!for_supervisors(request.path) || changes_something(request.method))) {
        return Refusal{401, "token_needed",
                       "this interface needs the header \"Authorization: Bearer TOKEN\" with the "
                       "token of [admin] in the configuration"};
    }
    const auto host = parse_host_port(request.host, 80);
    if (!token_given && (!host || !names_this_listener(*host, listen))) {
        return Refusal{403, "wrong_host",
                       "the Host header does not name this server: use http://localhost:" +
                           std::to_string(listen.local_port) + "/"};
    }
    if (asks_for_others(request)) {
        return Refusal{403, "wrong_origin",
                       "a page of another site may not read or change anything here"};
    }
    return std::nullopt;
}

}  // namespace admin
