#include "net/http_client.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>
#include <chrono>

#include "base/text.hpp"
#include "net/dial.hpp"

// The one file that knows Beast's client side: its parser reads what our own stream brings.

namespace net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;
using SteadyClock = std::chrono::steady_clock;

struct Url {
    bool secure = false;
    std::string host, host_header, target;
    std::uint16_t port = 0;
};

base::Error bad_url(std::string_view url) {
    return base::error(
        fmt::format("\"{}\" is no http:// or https:// URL", base::printable(url, 200)));
}

bool read_port(std::string_view text, std::uint16_t& port) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
    return failure == std::errc{} && end == text.data() + text.size() && port != 0;
}

base::Result<Url> parse_url(std::string_view text) {
    Url url;
    url.secure = base::starts_with_ignoring_case(text, "https://");
    if (!url.secure && !base::starts_with_ignoring_case(text, "http://")) return bad_url(text);
    std::string_view rest = text.substr(url.secure ? 8 : 7);
    const std::size_t slash = rest.find_first_of("/?#");
    std::string_view authority = rest.substr(0, slash);
    url.target = slash == rest.npos ? "/" : std::string{rest.substr(slash, rest.find('#') - slash)};
    if (!url.target.starts_with('/')) url.target.insert(0, "/");
    // A line break in the target would begin a header of the caller's choice.
    if (text.find_first_of("\r\n \t") != text.npos || authority.empty()) return bad_url(text);
    url.host_header = authority;
    url.port = url.secure ? 443 : 80;
    const std::size_t bracket = authority.rfind(']');
    const std::size_t colon = authority.rfind(':');
    if (colon != authority.npos && (bracket == authority.npos || colon > bracket)) {
        if (!read_port(authority.substr(colon + 1), url.port)) return bad_url(text);
        authority = authority.substr(0, colon);
    }
    if (authority.starts_with('[') && authority.ends_with(']')) {
        authority = authority.substr(1, authority.size() - 2);
    }
    if (authority.empty() || authority.find('@') != authority.npos) return bad_url(text);
    url.host = authority;
    return url;
}

std::string request_text(const HttpRequest& request, const Url& url) {
    std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
                                   request.method, url.target, url.host_header);
    for (const auto& [name, value] : request.headers) {
        text += fmt::format("{}: {}\r\n", name, value);
    }
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        text += fmt::format("Content-Length: {}\r\n", request.body.size());
    }
    return text + "\r\n" + request.body;
}

base::Result<tls::ClientContext> trust_of(const HttpRequest& request) {
    if (request.trust) return *request.trust;
    return tls::ClientContext::load({});
}

HttpResponse response_of(Parser& parser) {
    HttpResponse response;
    response.status = parser.get().result_int();
    for (const auto& field : parser.get()) {
        const auto name = field.name_string();
        const auto value = field.value();
        response.headers.emplace_back(std::string{name.data(), name.size()},
                                      std::string{value.data(), value.size()});
    }
    response.body = std::move(parser.get().body());
    return response;
}

base::Error failed(const Url& url, std::string_view why) {
    return base::error(fmt::format("{}:{}: {}", url.host, url.port, why));
}

asio::awaitable<base::Result<HttpResponse>> read_response(tls::Stream& stream, const Url& url,
                                                          std::size_t body_limit) {
    Parser parser;
    parser.eager(true);
    parser.body_limit(body_limit);
    std::string unread;
    std::array<char, 8192> buffer;
    while (!parser.is_done()) {
        const base::Result<std::size_t> count = co_await stream.read_some(buffer);
        boost::system::error_code failure;
        if (!count.has_value()) {
            if (stream.close_reason() != tls::CloseReason::end_of_file ||
                !parser.is_header_done()) {
                co_return failed(url, count.error().message);
            }
            parser.put_eof(failure);  // a body without length ends with the connection
            if (failure) co_return failed(url, "the answer ends in its middle");
            break;
        }
        unread.append(buffer.data(), *count);
        const std::size_t used = parser.put(asio::buffer(unread), failure);
        unread.erase(0, used);
        if (failure == http::error::need_more) continue;
        if (failure == http::error::body_limit) co_return failed(url, "the answer is too long");
        if (failure) co_return failed(url, "the answer is no HTTP");
    }
    co_return response_of(parser);
}

}  // namespace

std::string HttpResponse::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (base::equals_ignoring_case(key, name)) return value;
    }
    return {};
}

asio::awaitable<base::Result<HttpResponse>> http_request(asio::any_io_executor executor,
                                                         Resolver& resolver, HttpRequest request) {
    const base::Result<Url> parsed = parse_url(request.url);
    if (!parsed.has_value()) co_return parsed.error();
    const Url& url = *parsed;
    const SteadyClock::time_point began = SteadyClock::now();
    const DialTarget target{url.host, url.port, request.timeout, request.family};
    base::Result<tls::Stream, DialError> dialled = co_await dial(executor, resolver, target);
    if (!dialled.has_value()) co_return base::error(dialled.error().message);
    tls::Stream& stream = *dialled;
    const auto spent = std::chrono::duration_cast<base::Duration>(SteadyClock::now() - began);
    stream.expires_after(std::max(request.timeout - spent, base::Duration{1}));
    if (url.secure) {
        const base::Result<tls::ClientContext> trust = trust_of(request);
        if (!trust.has_value()) co_return trust.error();
        const tls::Peer peer{url.host, url.port};
        const tls::Handshake shaken = co_await stream.handshake_client(*trust, peer);
        if (!shaken.has_value()) co_return base::error(shaken.error().message);
    }
    const std::string text = request_text(request, url);
    const base::Result<> written = co_await stream.write(text);
    if (!written.has_value()) co_return failed(url, written.error().message);
    base::Result<HttpResponse> response = co_await read_response(stream, url, request.body_limit);
    stream.close();
    co_return response;
}

}  // namespace net
