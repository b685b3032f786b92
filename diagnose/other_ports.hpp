#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/dialogue.hpp"
#include "diagnose/outbound.hpp"
#include "diagnose/report.hpp"

namespace diagnose {

// A port of a smarthost beside the configured ones, tried up to TLS. An open port alone proves no
// mail server: only one that speaks is offered.
struct OtherPort {
    std::uint16_t port = 0;
    bool speaks = false;
    std::string words;  // "TLSv1.3, certificate verified", or why it is of no use
    Evidence evidence;
};

// Of one smarthost; empty where none was tried.
using OtherPorts = std::vector<OtherPort>;

// A greeting, EHLO and TLS as the smarthost is configured to be verified; no sign-in. Ends within
// the time-out.
[[nodiscard]] boost::asio::awaitable<OtherPort> try_other_port(
    boost::asio::any_io_executor executor, SmarthostAsk ask, std::string address,
    std::uint16_t port, base::Duration timeout);

// What the greeting makes of the port. Pure.
[[nodiscard]] OtherPort judge_other_port(std::uint16_t port, const Greeting& greeting);

// Of a smarthost's other ports: those that spoke, in the order to try them.
[[nodiscard]] std::vector<std::uint16_t> speaking_ports(const OtherPorts& ports);

// As a check of its own, beside the smarthost's.
[[nodiscard]] Check other_ports_check(const std::string& smarthost, const OtherPorts& ports);

}  // namespace diagnose
