#include "spool/message.hpp"

#include <array>

namespace spool {
namespace {

constexpr std::array<std::string_view, 5> names{"queued", "held", "unknown", "delivered", "failed"};

}  // namespace

std::string_view state_name(MessageState state) { return names[static_cast<std::size_t>(state)]; }

std::optional<MessageState> parse_state(std::string_view name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) return static_cast<MessageState>(i);
    }
    return std::nullopt;
}

}  // namespace spool
