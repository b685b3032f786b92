#include "smtp/xtext.hpp"

namespace smtp {
namespace {

constexpr std::string_view digits = "0123456789ABCDEF";

bool stands_for_itself(char c) { return c >= '!' && c <= '~' && c != '+' && c != '='; }

}  // namespace

std::optional<std::string> xtext_decode(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (stands_for_itself(text[i])) {
            bytes += text[i];
            continue;
        }
        if (text[i] != '+' || text.size() - i < 3) return std::nullopt;
        const std::size_t high = digits.find(text[i + 1]);
        const std::size_t low = digits.find(text[i + 2]);
        if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
        bytes += static_cast<char>(high << 4 | low);
        i += 2;
    }
    return bytes;
}

}  // namespace smtp
