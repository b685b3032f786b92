#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace base {

// The number by which one message is known from accept to its last attempt: in
// the 250 reply, the Received header, the spool and the log. Ids made later
// sort later. Printed as 12 characters of Crockford's base 32, in lower case.
class MessageId {
 public:
    constexpr MessageId() = default;
    constexpr explicit MessageId(std::int64_t value) : value_(value) {}

    [[nodiscard]] constexpr std::int64_t value() const { return value_; }  // > 0 for a real id
    [[nodiscard]] std::string text() const;
    [[nodiscard]] static std::optional<MessageId> parse(std::string_view text);

    friend constexpr auto operator<=>(const MessageId&, const MessageId&) = default;

 private:
    std::int64_t value_ = 0;
};

// Makes ids for one process: milliseconds and a counter that starts at random in
// each of them. Never the same twice, also when the clock stands or jumps back.
class MessageIdSource {
 public:
    [[nodiscard]] MessageId next(Time now);

 private:
    std::int64_t last_ = 0;
};

}  // namespace base

template <>
struct std::hash<base::MessageId> {
    std::size_t operator()(const base::MessageId& id) const noexcept {
        return std::hash<std::int64_t>{}(id.value());
    }
};
