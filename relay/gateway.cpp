#include "relay/gateway.hpp"

#include <arpa/inet.h>

#include <fstream>
#include <sstream>

namespace relay {

std::string default_gateway() {
    std::ifstream routes{"/proc/net/route"};
    std::string line;
    std::getline(routes, line);  // the headings
    while (std::getline(routes, line)) {
        std::istringstream fields{line};
        std::string interface, destination, gateway;
        fields >> interface >> destination >> gateway;
        if (destination != "00000000" || gateway == "00000000" || gateway.size() != 8) continue;
        // Hexadecimal digits of the address in the host's memory order.
        in_addr address{static_cast<in_addr_t>(std::stoul(gateway, nullptr, 16))};
        char text[INET_ADDRSTRLEN];
        return ::inet_ntop(AF_INET, &address, text, sizeof text) != nullptr ? text : "";
    }
    return "";
}

}  // namespace relay
