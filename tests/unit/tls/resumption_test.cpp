#include <openssl/ssl.h>

#include "tests/unit/tls/pair.hpp"

using namespace tls_test;

namespace {

struct ReadResult {
    bool over = false;
};

asio::awaitable<void> read_byte(tls::Stream& stream, ReadResult& result) {
    std::array<char, 1> buffer;
    const std::span<char> room{buffer};
    const base::Result<std::size_t> count = co_await stream.read_some(room);
    result.over = count.has_value();
}

asio::awaitable<void> write_byte(tls::Stream& stream) {
    const base::Result<> written = co_await stream.write("x");
    if (!written) throw std::runtime_error(written.error().message);
}

enum class End { close, destroy };

// One connection with a byte from the server, behind which its tickets have arrived.
bool resumed(const tls::ServerContext& server, const tls::ClientContext& client,
             const tls::Peer& peer, End end = End::close) {
    asio::io_context loop;
    Pair pair{loop};
    const Handshakes results = shake(loop, pair, server, client, peer);
    if (results.client->has_error()) FAIL(results.client->error().message);
    ReadResult read;
    spawn(loop, write_byte(pair.server));
    spawn(loop, read_byte(pair.client, read));
    run_until(loop, [&] { return read.over; });
    if (end == End::close) pair.client.close();
    return (*results.client)->resumed;
}

}  // namespace

TEST_CASE("sessions are resumed for the same name and port only", "[tls]") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const End end = GENERATE(End::close, End::destroy);
    CAPTURE(version);
    const tls::ServerContext server = server_for(for_names({"a.example", "b.example"}));
    SSL_CTX_set_max_proto_version(server.native(), version);
    const tls::ClientContext client = client_context();
    const tls::Peer peer{"a.example", 587};
    CHECK_FALSE(resumed(server, client, peer, end));
    CHECK(resumed(server, client, peer, end));
    CHECK(resumed(server, client, peer, end));
    const tls::Peer other_name{"b.example", 587}, other_port{"a.example", 465};
    CHECK_FALSE(resumed(server, client, other_name));
    CHECK_FALSE(resumed(server, client, other_port));
    const tls::Peer same_name{"A.Example.", 587};
    CHECK(resumed(server, client, same_name));
    CHECK_FALSE(resumed(server, client_context(), peer));  // another context, another policy
}

TEST_CASE("a name the certificate lacks is not let in by a session of another", "[tls]") {
    const tls::ServerContext server = server_for(for_names({"a.example"}));
    const tls::ClientContext client = client_context();
    const tls::Peer known{"a.example", 587}, unknown{"b.example", 587};
    resumed(server, client, known);
    asio::io_context loop;
    Pair pair{loop};
    const Handshakes results = shake(loop, pair, server, client, unknown);
    CHECK(results.client->has_error());
}

TEST_CASE("a pinned session is resumed while its pin holds", "[tls]") {
    const tls::ServerContext server = server_for(for_names({"a.example"}));
    asio::io_context loop;
    Pair pair{loop};
    const tls::Peer peer{"a.example", 587};
    const Handshakes first = shake(loop, pair, server, client_context(), peer);
    tls::ClientOptions options;
    options.fingerprints = {(*first.client)->peer_fingerprint};
    const tls::ClientContext client = client_context(options);
    CHECK_FALSE(resumed(server, client, peer));
    CHECK(resumed(server, client, peer));
}
