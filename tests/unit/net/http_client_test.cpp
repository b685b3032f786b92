#include "net/http_client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <optional>

#include "tests/support/catch.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Answer = base::Result<net::HttpResponse>;

// One server on loopback that says the same to its first client, whatever that asks.
class Server {
 public:
    Server(asio::io_context& loop, std::string answer)
        : acceptor_(loop, tcp::endpoint{asio::ip::address_v4::loopback(), 0}) {
        asio::co_spawn(loop, serve(std::move(answer)), [](const std::exception_ptr&) {});
    }
    [[nodiscard]] std::string url(std::string_view path) const {
        return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) +
               std::string{path};
    }
    [[nodiscard]] const std::string& asked() const { return asked_; }

 private:
    asio::awaitable<void> serve(std::string answer) {
        tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
        const auto buffer = asio::dynamic_buffer(asked_);
        co_await asio::async_read_until(socket, buffer, "\r\n\r\n", asio::use_awaitable);
        co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
    }

    tcp::acceptor acceptor_;
    std::string asked_;
};

Answer ask(asio::io_context& loop, net::HttpRequest request) {
    const auto resolver = net::make_resolver(loop.get_executor());
    std::optional<Answer> result;
    asio::co_spawn(loop, net::http_request(loop.get_executor(), *resolver, std::move(request)),
                   [&](const std::exception_ptr&, Answer answer) {
                       result = std::move(answer);
                       loop.stop();
                   });
    loop.run();
    loop.restart();
    return *result;
}

Answer exchange(const std::string& answer) {
    asio::io_context loop{1};
    const Server server{loop, answer};
    return ask(loop, net::HttpRequest{"GET", server.url("/x")});
}

}  // namespace

TEST_CASE("an answer is read whole, whatever says where it ends", "[net]") {
    const std::string answer = GENERATE(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    const Answer result = exchange(answer);
    REQUIRE(result.has_value());
    CHECK(result->status == 200);
    CHECK(result->body == "hello");
    CHECK(result->header("x-a") == "b");
}

TEST_CASE("an answer that is cut, too long or no HTTP is an error", "[net]") {
    CHECK_FALSE(exchange("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello").has_value());
    CHECK_FALSE(exchange("220 mail.example ESMTP\r\n").has_value());
    CHECK_FALSE(exchange("HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x')).has_value());
}

TEST_CASE("a request says what it was told to say", "[net]") {
    asio::io_context loop{1};
    const Server server{loop, "HTTP/1.1 204 No Content\r\n\r\n"};
    net::HttpRequest request{"PUT", server.url("/token?a=b#part")};
    request.headers.emplace_back("X-Seconds", "60");
    const Answer result = ask(loop, std::move(request));
    REQUIRE(result.has_value());
    CHECK(result->status == 204);
    CHECK(server.asked().starts_with("PUT /token?a=b HTTP/1.1\r\nHost: 127.0.0.1:"));
    CHECK(server.asked().find("\r\nX-Seconds: 60\r\n") != std::string::npos);
    CHECK(server.asked().find("\r\nContent-Length: 0\r\n") != std::string::npos);
}

TEST_CASE("what is no URL is refused without a connection", "[net]") {
    const std::string url =
        GENERATE("ftp://a.example/", "http://", "http:///x", "http://a.example:0/", "a.example",
                 "http://a.example/ x", "http://a.example/\r\nX: y", "http://user@a.example/");
    asio::io_context loop{1};
    const Answer result = ask(loop, net::HttpRequest{"GET", url});
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().message.find("is no http:// or https:// URL") != std::string::npos);
}
