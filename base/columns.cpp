#include "base/columns.hpp"

#include <algorithm>
#include <cstdint>

#include "base/text.hpp"

namespace base {

namespace {

constexpr std::string_view ellipsis = "…";

// The code point at the start of valid UTF-8, and how many bytes it takes.
std::uint32_t first_code_point(std::string_view text, std::size_t& length) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const std::uint32_t first = byte(0);
    length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    length = std::min(length, text.size());
    if (length == 1) return first;
    std::uint32_t code = first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) code = (code << 6U) | (byte(i) & 0x3FU);
    return code;
}

struct Range {
    std::uint32_t first, last;
};

bool in_any(std::uint32_t code, const Range* begin, const Range* end) {
    return std::any_of(begin, end,
                       [&](const Range& r) { return code >= r.first && code <= r.last; });
}

// The blocks of Unicode's EastAsianWidth that matter in names and subjects.
constexpr Range wide[] = {
    {0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
constexpr Range zero[] = {{0x0300, 0x036F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};

std::size_t code_point_width(std::uint32_t code) {
    if (in_any(code, std::begin(zero), std::end(zero))) return 0;
    return in_any(code, std::begin(wide), std::end(wide)) ? 2 : 1;
}

std::vector<std::string> folded_line(std::string_view line, std::size_t width) {
    std::vector<std::string> lines{""};
    for (const std::string_view word : split(line, ' ')) {
        if (word.empty()) continue;
        std::string& last = lines.back();
        if (last.empty()) {
            last = word;
        } else if (width > 0 && display_width(last) + 1 + display_width(word) > width) {
            lines.emplace_back(word);
        } else {
            last.append(" ").append(word);
        }
    }
    return lines;
}

}  // namespace

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        std::size_t length = 1;
        width += code_point_width(first_code_point(text, length));
        text.remove_prefix(length);
    }
    return width;
}

std::string truncated(std::string_view text, std::size_t width) {
    if (display_width(text) <= width) return std::string(text);
    if (width == 0) return "";
    std::string kept;
    std::size_t used = 0;
    while (!text.empty()) {
        std::size_t length = 1;
        const std::size_t next = code_point_width(first_code_point(text, length));
        if (used + next > width - 1) break;
        used += next;
        kept += text.substr(0, length);
        text.remove_prefix(length);
    }
    return kept + std::string(ellipsis);
}

std::vector<std::string> folded(std::string_view text, std::size_t width) {
    std::vector<std::string> lines;
    for (const std::string_view line : split(text, '\n')) {
        for (std::string& piece : folded_line(line, width)) lines.push_back(std::move(piece));
    }
    return lines;
}

}  // namespace base
