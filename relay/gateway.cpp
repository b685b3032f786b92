#include "relay/gateway.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

namespace relay {
namespace {

template <class Number>
std::optional<Number> hexadecimal(std::string_view text) {
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool all_zeros(std::string_view digits) {
    return digits.find_first_not_of('0') == std::string_view::npos;
}

}  // namespace

void add_ipv4_gateways(std::istream& routes, std::vector<std::string>& gateways) {
    std::string line;
    std::getline(routes, line);  // the headings
    while (std::getline(routes, line)) {
        std::istringstream fields{line};
        std::string interface, destination, gateway;
        fields >> interface >> destination >> gateway;
        if (destination != "00000000" || all_zeros(gateway) || gateway.size() != 8) continue;
        // Hexadecimal digits of the address in the host's memory order.
        const auto number = hexadecimal<std::uint32_t>(gateway);
        if (!number) continue;
        const in_addr address{*number};
        std::array<char, INET_ADDRSTRLEN> text{};
        if (::inet_ntop(AF_INET, &address, text.data(), text.size()) != nullptr) {
            gateways.emplace_back(text.data());
        }
    }
}

void add_ipv6_gateways(std::istream& routes, std::vector<std::string>& gateways) {
    std::string line;
    while (std::getline(routes, line)) {
        std::istringstream fields{line};
        std::string destination, length, source, source_length, gateway;
        fields >> destination >> length >> source >> source_length >> gateway;
        if (!all_zeros(destination) || length != "00") continue;
        if (all_zeros(gateway) || gateway.size() != 32) continue;
        in6_addr address{};
        bool good = true;
        for (std::size_t i = 0; i < 16; ++i) {
            const auto byte = hexadecimal<std::uint8_t>(std::string_view{gateway}.substr(2 * i, 2));
            good = good && byte.has_value();
            address.s6_addr[i] = byte.value_or(0);
        }
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (good && ::inet_ntop(AF_INET6, &address, text.data(), text.size()) != nullptr) {
            gateways.emplace_back(text.data());
        }
    }
}

std::vector<std::string> default_gateways() {
    std::vector<std::string> gateways;
    // /proc/self: where only processes are shown (ProcSubset=pid) there is no /proc/net.
    std::ifstream four{"/proc/self/net/route"}, six{"/proc/self/net/ipv6_route"};
    add_ipv4_gateways(four, gateways);
    add_ipv6_gateways(six, gateways);
    return gateways;
}

}  // namespace relay
