#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "base/result.hpp"
#include "smtp/proxy_header.hpp"
#include "tls/stream.hpp"

namespace relay {

// A connection whose proxy has not yet said for whom it is.
struct Introduction {
    Introduction(tls::Stream accepted, bool tls_follows)
        : stream(std::move(accepted)), implicit_tls(tls_follows) {}
    tls::Stream stream;
    bool implicit_tls;
    smtp::ProxyHeaderReader reader;
};

// Reads the PROXY header and not a byte behind it, within a few seconds. The error is fit for a log
// line.
[[nodiscard]] boost::asio::awaitable<base::Result<smtp::ProxyHeader>> read_proxy_header(
    Introduction& introduction);

}  // namespace relay
