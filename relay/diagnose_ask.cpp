#include "relay/diagnose_ask.hpp"

#include "base/this_host.hpp"
#include "config/system_defaults.hpp"

namespace relay {
namespace {

diagnose::SmarthostAsk smarthost_ask(const delivery::SmarthostOptions& options) {
    diagnose::SmarthostAsk ask;
    ask.name = options.name;
    ask.host = options.host;
    for (const std::uint16_t port : options.ports) {
        ask.ports.push_back({port, delivery::tls_for_port(options.tls, port)});
    }
    ask.verification = options.verification;
    ask.username = options.username;
    ask.password = options.password;
    ask.auth = options.auth;
    const bool by_password = options.auth != smtp::AuthMechanism::external;
    ask.password_missing = by_password && !options.username.empty() && options.password.empty();
    ask.helo = options.helo;
    ask.allow_plaintext_auth = base::is_this_host(options.host);
    return ask;
}

}  // namespace

diagnose::OutboundAsk outbound_ask(const config::Settings& settings) {
    diagnose::OutboundAsk ask;
    ask.probe = settings.probe;
    ask.hostname = settings.server.hostname;
    for (const delivery::SmarthostOptions& options : settings.delivery.smarthosts) {
        ask.smarthosts.push_back(smarthost_ask(options));
    }
    ask.direct_path = ask.smarthosts.empty();
    return ask;
}

diagnose::OutboundAsk outbound_ask() {
    diagnose::OutboundAsk ask;
    ask.hostname = config::system_hostname();
    ask.direct_path = true;
    return ask;
}

}  // namespace relay
