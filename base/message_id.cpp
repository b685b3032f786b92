#include "base/message_id.hpp"

#include <algorithm>
#include <random>

namespace base {
namespace {

constexpr std::string_view alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t text_length = 12;  // 60 bits
constexpr int counter_bits = 19;
constexpr Time epoch{std::chrono::sys_days{std::chrono::year{2020} / 1 / 1}};

}  // namespace

std::string MessageId::text() const {
    std::string text(text_length, '0');
    auto rest = static_cast<std::uint64_t>(value_);
    for (auto digit = text.rbegin(); digit != text.rend(); ++digit, rest >>= 5) {
        *digit = alphabet[rest & 31];
    }
    return text;
}

std::optional<MessageId> MessageId::parse(std::string_view text) {
    if (text.size() != text_length) return std::nullopt;
    std::int64_t value = 0;
    for (char c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        const std::size_t digit = alphabet.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        value = (value << 5) | static_cast<std::int64_t>(digit);
    }
    if (value == 0) return std::nullopt;
    return MessageId{value};
}

MessageId MessageIdSource::next(Time now) {
    const std::int64_t millis = std::max<std::int64_t>((now - epoch).count(), 0);
    const std::int64_t floor = millis << counter_bits;
    if (last_ >= floor) return MessageId{++last_};
    // A random start keeps the ids of two processes that share a millisecond apart.
    thread_local std::minstd_rand random{std::random_device{}()};
    last_ = floor + std::uniform_int_distribution<std::int64_t>{1, 1 << (counter_bits - 1)}(random);
    return MessageId{last_};
}

}  // namespace base
