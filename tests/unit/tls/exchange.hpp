#pragma once

// What the tests of streams do with the two ends of a connection.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/tls/pair.hpp"

namespace tls_test {

inline const tls::Peer mx{"mx.example", 587};

struct Outcome {
    bool over = false;
    std::string text;  // what was read, or the error
};

// What one call gives.
inline asio::awaitable<void> read_once(tls::Stream& stream, Outcome& outcome,
                                       std::size_t most = 64) {
    std::vector<char> buffer(most);
    const std::span<char> room{buffer};
    const base::Result<std::size_t> count = co_await stream.read_some(room);
    outcome.text = count ? std::string(buffer.data(), *count) : count.error().message;
    outcome.over = true;
}

inline asio::awaitable<void> write_all(tls::Stream& stream, std::string_view bytes,
                                       Outcome& outcome) {
    const base::Result<> written = co_await stream.write(bytes);
    outcome.text = written ? "written" : written.error().message;
    outcome.over = true;
}

inline asio::awaitable<void> wait_once(tls::Stream& stream, Outcome& outcome) {
    const base::Result<> ready = co_await stream.wait_readable();
    outcome.text = ready ? "ready" : ready.error().message;
    outcome.over = true;
}

inline std::string read_from(asio::io_context& loop, tls::Stream& stream) {
    Outcome outcome;
    spawn(loop, read_once(stream, outcome));
    run_until(loop, [&] { return outcome.over; });
    return outcome.text;
}

inline std::string write_to(asio::io_context& loop, tls::Stream& stream, std::string_view bytes) {
    Outcome outcome;
    spawn(loop, write_all(stream, bytes, outcome));
    run_until(loop, [&] { return outcome.over; });
    return outcome.text;
}

// The reader waits, the peer does something, and the reader has been woken by it.
template <class Deed>
void wait_for(asio::io_context& loop, tls::Stream& reader, Deed deed) {
    Outcome outcome;
    spawn(loop, wait_once(reader, outcome));
    loop.restart();
    loop.poll();
    REQUIRE_FALSE(outcome.over);
    deed();
    run_until(loop, [&] { return outcome.over; });
    REQUIRE(outcome.text == "ready");
}

// Whether the streams of these tests are plain or TLS.
inline void prepare(asio::io_context& loop, Pair& pair, bool encrypted) {
    if (!encrypted) return;
    const Handshakes results =
        shake(loop, pair, server_for(for_names({"mx.example"})), client_context(), mx);
    REQUIRE(results.client->has_value());
}

}  // namespace tls_test
