#include "relay/proxied.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "base/units.hpp"

namespace relay {
namespace asio = boost::asio;
namespace {

// The specification asks for at least three seconds: one lost packet and its repetition.
constexpr base::Duration header_limit = std::chrono::seconds{5};
constexpr std::size_t buffer_size = 512;

using Progress = smtp::ProxyHeaderReader::Progress;

std::string why_not(tls::CloseReason reason) {
    switch (reason) {
        case tls::CloseReason::timeout:
            return " (after " + base::format_duration(header_limit) + ")";
        case tls::CloseReason::end_of_file:
        case tls::CloseReason::reset:
            return " (the peer closed the connection)";
        case tls::CloseReason::none:
        case tls::CloseReason::other:
            break;
    }
    return "";
}

}  // namespace

asio::awaitable<base::Result<smtp::ProxyHeader>> read_proxy_header(Introduction& introduction) {
    tls::Stream& stream = introduction.stream;
    smtp::ProxyHeaderReader& reader = introduction.reader;
    std::array<char, buffer_size> buffer;
    stream.expires_after(header_limit);
    for (;;) {
        const std::size_t most = std::min(reader.wanted(), buffer.size());
        const std::span<char> room = std::span<char>{buffer}.first(most);
        const base::Result<std::size_t> count = co_await stream.read_some(room);
        if (!count) co_return base::error(reader.fault() + why_not(stream.close_reason()));
        const Progress progress = reader.receive({buffer.data(), *count});
        if (progress == Progress::malformed) co_return base::error(reader.fault());
        if (progress == Progress::complete) co_return reader.header();
    }
}

}  // namespace relay
