#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/units.hpp"
#include "net/cidr.hpp"

// Whom a vantage serves, which address it tests for them, and how often: apart from sockets.
namespace relay {

// The ports that are ever tested.
inline constexpr std::uint16_t vantage_ports[] = {25, 465, 587, 2525};

// The address to test: the peer's own. Only a trusted proxy may name another in X-Forwarded-For,
// of which the last address that is no trusted proxy counts, as it was written by one.
[[nodiscard]] base::Result<std::string> asking_address(const std::string& peer,
                                                       std::string_view forwarded_for,
                                                       const std::vector<net::Cidr>& trusted);

// "/probe?ports=25,587" -> 25, 587; all of them without "ports". Another path, another port or
// another key is an error.
[[nodiscard]] base::Result<std::vector<std::uint16_t>> requested_ports(std::string_view target);

// Counts in a sliding window, by address (by share_of()) and in all. Memory is bounded.
class VantageLimits {
 public:
    using Time = std::chrono::steady_clock::time_point;
    VantageLimits(base::Rate per_address, base::Rate in_all)
        : per_address_(per_address), in_all_(in_all) {}

    // 0: admitted and counted. Otherwise the seconds after which to try again.
    [[nodiscard]] unsigned admit(const std::string& address, Time now);

 private:
    using Window = std::deque<Time>;
    void forget_old(Time now);

    base::Rate per_address_, in_all_;
    std::map<std::string, Window> addresses_;
    Window all_;
};

}  // namespace relay
