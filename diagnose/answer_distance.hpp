#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "diagnose/connect.hpp"
#include "net/resolver.hpp"

// How far away the one is who answers on a port. The kernel does not hear answers whose TTL is
// below a socket's IP_MINTTL, so connects with different limits find the TTL an answer arrives
// with, a reset's as well as an open port's, without privileges. Routers need not answer for
// themselves.
namespace diagnose {

// Finds the largest limit with which the answer is still heard, that is its TTL.
class TtlSearch {
 public:
    // Limits to try side by side; none when the answer is known.
    [[nodiscard]] std::vector<int> next() const;
    void note(int limit, bool heard);
    [[nodiscard]] int ttl() const { return heard_; }  // as far as it is known

 private:
    int heard_ = 0;      // heard with this limit
    int unheard_ = 256;  // and not with this one
};

// Who answered on one port.
struct Answerer {
    Answerer() = default;
    std::uint16_t port = 0;
    ConnectResult result = ConnectResult::dropped;  // open, or refused by a reset
    int ttl = 0;                                    // with which the answer arrives; 0: not known
    base::Duration took{};                          // the quickest answer

    // Routers on the way back, from the usual first TTL (64, 128, 255) that is next above.
    [[nodiscard]] std::optional<int> distance() const;
};

// The port under test and another one of the same address.
struct AnswerPair {
    AnswerPair() = default;
    std::string target, address;
    net::Family family = net::Family::ipv4;
    Answerer direct, control;
};

enum class AnswerFinding : std::uint8_t {
    unknown,  // one of them gave no answer that could be measured
    same,     // both answers come from equally far
    nearer    // somebody nearer than the host answers on the port under test
};

// Pure. Two ports of one host may be served over paths that differ by a hop, so that an open port
// counts as answered by another from two hops on; a reset, which nobody else has a reason to send,
// from one.
[[nodiscard]] AnswerFinding compare_answers(const AnswerPair& pair);
// The finding in a sentence.
[[nodiscard]] std::string answer_words(const AnswerPair& pair);

// Some fifteen connects to each of the two ports; ends within the time-out.
[[nodiscard]] boost::asio::awaitable<AnswerPair> measure_answers(
    boost::asio::any_io_executor executor, std::string target, boost::asio::ip::address address,
    std::uint16_t port, std::uint16_t control_port, base::Duration timeout);

}  // namespace diagnose
