#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/support/catch.hpp"
#include "tls/make_certificate.hpp"
#include "tls/stream.hpp"

namespace tls_test {

namespace asio = boost::asio;

// A folder that is removed again, with PEM files in it.
class Folder {
 public:
    Folder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "relay-tls-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::string file(const std::string& name) const {
        return (path_ / name).string();
    }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream{file(name)} << text;
        return file(name);
    }

 private:
    std::filesystem::path path_;
};

inline const tls::CertificatePair& authority() {
    static const tls::CertificatePair made =
        tls::make_authority("Test CA", std::chrono::hours{48}).value();
    return made;
}

inline tls::CertificateOptions for_names(std::vector<std::string> names) {
    tls::CertificateOptions options;
    options.names = std::move(names);
    return options;
}

inline tls::ServerContext server_context(const tls::CertificatePair& pair) {
    const Folder folder;
    tls::ServerOptions options;
    options.certificate = folder.write("server.pem", pair.certificate);
    options.private_key = folder.write("server.key", pair.private_key);
    return tls::ServerContext::load(options).value();
}

inline tls::ServerContext server_for(const tls::CertificateOptions& options) {
    return server_context(tls::make_certificate(authority(), options).value());
}

// Trusts authority(), unless `options` says otherwise.
inline tls::ClientContext client_context(tls::ClientOptions options = {}) {
    const Folder folder;
    const std::string ca_file = folder.write("ca.pem", authority().certificate);
    if (options.ca_file.empty()) options.ca_file = ca_file;
    return tls::ClientContext::load(options).value();
}

// Two ends of a loopback connection.
struct Pair {
    explicit Pair(asio::io_context& loop) : Pair(connect(loop)) {}

    tls::Stream client, server;

 private:
    using Tcp = asio::ip::tcp;
    explicit Pair(std::pair<Tcp::socket, Tcp::socket> ends)
        : client(std::move(ends.first)), server(std::move(ends.second)) {}

    static std::pair<Tcp::socket, Tcp::socket> connect(asio::io_context& loop) {
        Tcp::acceptor acceptor{loop, Tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
        Tcp::socket client{loop};
        client.connect(acceptor.local_endpoint());
        return {std::move(client), acceptor.accept()};
    }
};

// Starts a coroutine; what it throws fails the test.
inline void spawn(asio::io_context& loop, asio::awaitable<void> work) {
    asio::co_spawn(loop, std::move(work), [](const std::exception_ptr& thrown) {
        if (thrown) std::rethrow_exception(thrown);
    });
}

// Not run(): the timer of a stream that lives on stays armed until its deadline.
template <class Condition>
void run_until(asio::io_context& loop, Condition condition) {
    loop.restart();
    while (!condition() && loop.run_one() > 0) {
    }
    REQUIRE(condition());
}

struct Handshakes {
    std::optional<tls::Handshake> client, server;
};

inline asio::awaitable<void> shake_client(tls::Stream& stream, tls::ClientContext context,
                                          tls::Peer peer, Handshakes& results) {
    results.client = co_await stream.handshake_client(context, peer);
}

inline asio::awaitable<void> shake_server(tls::Stream& stream, tls::ServerContext context,
                                          Handshakes& results) {
    results.server = co_await stream.handshake_server(context);
}

inline Handshakes shake(asio::io_context& loop, Pair& pair, const tls::ServerContext& server,
                        const tls::ClientContext& client, const tls::Peer& peer) {
    Handshakes results;
    pair.client.expires_after(std::chrono::seconds{20});
    pair.server.expires_after(std::chrono::seconds{20});
    spawn(loop, shake_server(pair.server, server, results));
    spawn(loop, shake_client(pair.client, client, peer, results));
    run_until(loop, [&] { return results.client && results.server; });
    return results;
}

}  // namespace tls_test
