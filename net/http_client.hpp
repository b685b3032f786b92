#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/resolver.hpp"
#include "tls/context.hpp"

namespace net {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// One request, HTTP/1.1, without redirects, proxies or cookies.
struct HttpRequest {
    HttpRequest(std::string verb, std::string where)
        : method(std::move(verb)), url(std::move(where)) {}
    std::string method, url;  // "http://host[:port]/path" or "https://..."
    HttpHeaders headers;      // besides Host, Connection and Content-Length
    std::string body;
    base::Duration timeout = std::chrono::seconds{5};  // for all of it
    std::size_t body_limit = 64 * 1024;                // a longer answer is an error
    Family family = Family::any;
    std::optional<tls::ClientContext> trust;  // for https; none: the system's trust store
};

struct HttpResponse {
    unsigned status = 0;
    HttpHeaders headers;  // names as sent
    std::string body;
    // The value of the first header of that name, case ignored; "" when there is none.
    [[nodiscard]] std::string header(std::string_view name) const;
};

// An error names the host and says what failed. Any status is an answer.
[[nodiscard]] boost::asio::awaitable<base::Result<HttpResponse>> http_request(
    boost::asio::any_io_executor executor, Resolver& resolver, HttpRequest request);

}  // namespace net
