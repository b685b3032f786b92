#include "admin/access.hpp"

#include <cstddef>
#include <string>
#include <vector>

#include "admin/json.hpp"
#include "admin/target.hpp"
#include "tests/support/catch.hpp"

using namespace admin;

namespace {

ListenFacts loopback() {
    ListenFacts listen;
    listen.configured_host = "127.0.0.1";
    listen.local_address = "127.0.0.1";
    listen.local_port = 8025;
    return listen;
}

std::vector<std::size_t> compared;  // how many bytes at each call

}  // namespace

// The linker puts it in front of OpenSSL's, which looks at all bytes (--wrap).
extern "C" int __real_CRYPTO_memcmp(const void* a, const void* b, std::size_t size);
extern "C" int __wrap_CRYPTO_memcmp(const void* a, const void* b, std::size_t size) {
    compared.push_back(size);
    return __real_CRYPTO_memcmp(a, b, size);
}

TEST_CASE("only a Host that names this listener is answered", "[admin]") {
    struct Case {
        const char* host;
        bool allowed;
    };
    const Case c = GENERATE(values<Case>({
        {"127.0.0.1:8025", true},
        {"localhost:8025", true},
        {"LOCALHOST:8025", true},
        {"relay.localhost:8025", true},
        {"[::1]:8025", true},
        {"127.0.0.7:8025", true},
        {"", false},
        {"localhost", false},  // port 80
        {"localhost:2525", false},
        {"evil.example:8025", false},
        {"localhost.evil.example:8025", false},
        {"127.0.0.1.evil.example:8025", false},
        {"192.0.2.1:8025", false},
        {"127.0.0.1:8025@evil.example", false},
        {"[::1:8025", false},
        {"localhost:99999", false},
    }));
    CAPTURE(c.host);
    RequestFacts request;
    request.method = "GET";
    request.path = "/api/v1/status";
    request.host = c.host;
    const auto refusal = check_access(request, loopback());
    CHECK(refusal.has_value() != c.allowed);
    if (refusal) CHECK(refusal->status == 403);
}

TEST_CASE("a listener's own address and its configured name are good Hosts", "[admin]") {
    ListenFacts listen = loopback();
    listen.configured_host = "relay.internal";
    listen.local_address = "192.0.2.7";
    RequestFacts request;
    request.method = "GET";
    request.path = "/";
    for (const char* host : {"192.0.2.7:8025", "relay.internal:8025", "Relay.Internal:8025"}) {
        request.host = host;
        CHECK_FALSE(check_access(request, listen).has_value());
    }
    request.host = "192.0.2.8:8025";
    CHECK(check_access(request, listen).has_value());
}

TEST_CASE("a page of another site may not ask", "[admin]") {
    struct Case {
        const char *method, *path, *origin, *fetch_site;
        bool allowed;
    };
    constexpr const char* path = "/api/v1/messages/retry";
    const Case c = GENERATE(values<Case>({
        {"POST", path, "", "", true},
        {"POST", path, "http://localhost:8025", "", true},
        {"POST", path, "http://localhost:8025", "same-origin", true},
        {"POST", path, "http://127.0.0.1:8025", "", false},  // not what Host says
        {"POST", path, "http://evil.example", "", false},
        {"POST", path, "", "cross-site", false},
        {"POST", "/healthz", "", "cross-site", false},
        {"POST", "/", "", "cross-site", false},
        {"DELETE", path, "null", "", false},
        {"DELETE", path, "https://localhost:8025", "", false},
        {"GET", "/api/v1/events", "", "none", true},  // typed by the user
        {"GET", "/api/v1/events", "", "same-origin", true},
        {"GET", "/api/v1/events", "http://evil.example", "cross-site", false},
        {"GET", "/api/v1/events", "http://evil.example", "", false},
        {"GET", "/api/v1/events", "", "cross-site", false},
        {"GET", "/api/v1/events", "", "same-site", false},  // another port of localhost
        {"HEAD", "/metrics", "http://evil.example", "", false},
        {"GET", "/", "", "cross-site", true},  // a link
        {"GET", "/", "http://evil.example", "cross-site", false},
        {"GET", "/healthz", "http://evil.example", "cross-site", true},
        {"GET", "/readyz", "", "cross-site", true},
    }));
    CAPTURE(c.method, c.path, c.origin, c.fetch_site);
    RequestFacts request;
    request.method = c.method;
    request.path = c.path;
    request.host = "localhost:8025";
    request.origin = c.origin;
    request.fetch_site = c.fetch_site;
    CHECK(check_access(request, loopback()).has_value() != c.allowed);
}

TEST_CASE("a configured token is needed, and stands in for Host but not for Origin", "[admin]") {
    struct Case {
        const char *method, *path, *host, *authorization, *origin;
        unsigned status;  // 0: allowed
    };
    const Case c = GENERATE(values<Case>({
        {"GET", "/metrics", "localhost:8025", "", "", 401},
        {"GET", "/metrics", "localhost:8025", "Bearer wrong", "", 401},
        {"GET", "/metrics", "localhost:8025", "Bearer secre", "", 401},
        {"GET", "/metrics", "localhost:8025", "Basic secret", "", 401},
        {"GET", "/metrics", "localhost:8025", "Bearer secret", "", 0},
        {"GET", "/metrics", "localhost:8025", "bearer secret", "", 0},
        {"GET", "/metrics", "proxy.example", "Bearer secret", "", 0},
        {"GET", "/healthz", "localhost:8025", "", "", 0},
        {"GET", "/healthz", "evil.example:8025", "", "", 403},
        {"POST", "/healthz", "localhost:8025", "", "", 401},
        {"GET", "/readyz", "localhost:8025", "", "", 0},
        {"GET", "/readyz/", "localhost:8025", "", "", 401},
        {"GET", "/healthz/../metrics", "localhost:8025", "", "", 401},
        {"POST", "/x", "proxy.example", "Bearer secret", "http://evil.example", 403},
        {"POST", "/x", "proxy.example", "Bearer secret", "http://proxy.example", 0},
    }));
    CAPTURE(c.path, c.host, c.authorization);
    ListenFacts listen = loopback();
    listen.token = base::Secret{"secret"};
    RequestFacts request;
    request.method = c.method;
    request.path = c.path;
    request.host = c.host;
    request.authorization = c.authorization;
    request.origin = c.origin;
    const auto refusal = check_access(request, listen);
    CHECK((refusal ? refusal->status : 0) == c.status);
    if (refusal) CHECK(refusal->message.find("secret") == std::string::npos);
}

TEST_CASE("targets are taken apart and put together", "[admin]") {
    const auto target = parse_target("/a%2Fb/c?x=1+2%20%26&y&x=3");
    REQUIRE(target.has_value());
    CHECK(target->segments == std::vector<std::string>{"a/b", "c"});
    CHECK(target->find("x") == "1 2 &");
    CHECK(target->find("y") == "");
    CHECK_FALSE(target->find("z").has_value());
    CHECK(parse_target("/")->segments.empty());
    CHECK_FALSE(parse_target("http://host/path").has_value());
    CHECK_FALSE(parse_target("").has_value());
    CHECK_FALSE(parse_target("/a b").has_value());
    std::string many = "/?";
    for (int i = 0; i < 65; ++i) many += "a=1&";
    CHECK_FALSE(parse_target(many).has_value());
    CHECK(percent_encode("a b/*@é~") == "a%20b%2F%2A%40%C3%A9~");
}

TEST_CASE("bytes that are no UTF-8 are replaced one by one", "[admin]") {
    const std::string mark = "\xEF\xBF\xBD";
    CHECK(valid_utf8("plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x93\xA7") ==
          "plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x93\xA7");
    CHECK(valid_utf8("\xC0\xAF") == mark + mark);                        // overlong
    CHECK(valid_utf8("\xE0\x80\x80") == mark + mark + mark);             // overlong
    CHECK(valid_utf8("\xF4\x90\x80\x80") == mark + mark + mark + mark);  // past U+10FFFF
    CHECK(valid_utf8("\xE2\x82") == mark + mark);                        // cut short
    CHECK(valid_utf8("\xE2\x82x") == mark + mark + "x");
}

TEST_CASE("without a token mail is for relay's own user and root", "[admin]") {
    CHECK_FALSE(check_user(1000, 1000));
    CHECK_FALSE(check_user(0, 1000));
    for (const std::optional<uid_t> other : {std::optional<uid_t>{1001}, std::optional<uid_t>{}}) {
        const auto refusal = check_user(other, 1000);
        REQUIRE(refusal);
        CHECK(refusal->status == 403);
        CHECK_THAT(refusal->message, Catch::Contains("set admin.token"));
    }
    for (const char* path : {"/", "/healthz", "/readyz", "/metrics", "/api/v1/status"}) {
        CHECK(open_to_every_user(path));
    }
    for (const char* path : {"/api/v1/messages", "/api/v1/diagnose", "/api/v1/%6Dessages",
                             "/%61pi/v1/messages", "//api/v1/messages", "/api/v1/events", ""}) {
        CAPTURE(path);
        CHECK_FALSE(open_to_every_user(path));
    }
}

// How long == takes tells how much of a guess is right.
TEST_CASE("a token is compared in a time that does not tell where it differs", "[admin]") {
    ListenFacts listen = loopback();
    listen.token = base::Secret{"correct-horse"};
    for (const char* given : {"correct-horse", "Xorrect-horse", "correct-horsX"}) {
        CAPTURE(given);
        const std::string authorization = std::string("Bearer ") + given;
        RequestFacts request;
        request.method = "GET";
        request.path = "/api/v1/messages";
        request.host = "127.0.0.1:8025";
        request.authorization = authorization;
        compared.clear();
        const bool refused = check_access(request, listen).has_value();
        CHECK(refused == (given != listen.token.reveal()));
        CHECK(compared == std::vector<std::size_t>{listen.token.reveal().size()});
    }
}

TEST_CASE("a token is needed, whole", "[admin]") {
    const base::Secret token{"abcdef0123456789"};
    CHECK(bears_token("Bearer abcdef0123456789", token));
    CHECK(bears_token("bearer abcdef0123456789", token));
    for (const char* header :
         {"", "Bearer", "Bearer ", "Bearer abcdef012345678", "abcdef0123456789",
          "Bearer abcdef01234567890", "Basic abcdef0123456789"}) {
        CAPTURE(header);
        CHECK_FALSE(bears_token(header, token));
    }
    CHECK_FALSE(bears_token("Bearer ", base::Secret{}));
}
