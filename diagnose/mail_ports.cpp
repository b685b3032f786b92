#include "diagnose/mail_ports.hpp"

#include <algorithm>
#include <utility>

namespace diagnose {
namespace {

std::pair<int, std::uint16_t> rank(std::uint16_t port) {
    switch (port) {
        case 587:
            return {0, port};
        case 465:
            return {1, port};
        case 2525:
            return {2, port};
        default:
            return {3, port};
    }
}

}  // namespace

void sort_by_preference(std::vector<std::uint16_t>& ports) {
    std::stable_sort(ports.begin(), ports.end(),
                     [](std::uint16_t a, std::uint16_t b) { return rank(a) < rank(b); });
}

}  // namespace diagnose
