#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/units.hpp"
#include "net/cidr.hpp"
#include "tls/context.hpp"

namespace relay {

struct VantageOptions {
    VantageOptions() = default;
    std::vector<std::string> listen;  // "0.0.0.0:2580", "[::]:2580"
    base::Secret token;               // asked of every client
    std::optional<tls::ServerContext> certificate;
    std::vector<net::Cidr> trusted_proxies;
    base::Rate per_address{6, std::chrono::minutes{1}}, in_all{120, std::chrono::minutes{1}};
    base::Duration connect_timeout = std::chrono::seconds{5};  // of a port under test
    base::Duration banner_timeout = std::chrono::seconds{5};
};

// The outside helper of `relay diagnose --inbound`: an HTTP server that connects back to the mail
// ports of whoever asks, and tells what it saw:
//   GET /probe[?ports=25,587]   Authorization: Bearer TOKEN
//   {"schema":1,"address":"192.0.2.1","family":"ipv4",
//    "ports":[{"port":25,"result":"open","banner":"220 ...","ms":12}]}
// It connects to no other address than the asker's. Used from the executor's thread.
class Vantage {
 public:
    [[nodiscard]] static base::Result<std::unique_ptr<Vantage>> open(
        boost::asio::any_io_executor executor, VantageOptions options,
        std::function<void(std::string_view)> say);
    ~Vantage();

    [[nodiscard]] std::vector<std::string> addresses() const;  // "127.0.0.1:2580"
    void start();
    void stop();  // closes listeners and connections

    struct State;

 private:
    explicit Vantage(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
};

}  // namespace relay
