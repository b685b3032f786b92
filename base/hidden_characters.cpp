#include "base/hidden_characters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "base/text.hpp"

namespace base {
namespace {

struct Range {
    char32_t first, last;
};

// In their order. Bidi_Control and Default_Ignorable_Code_Point of Unicode 15, without joiners,
// variation selectors and what is not assigned; controls, separators and annotation marks besides.
constexpr Range hidden[] = {
    {0x0000, 0x001F},    // C0
    {0x007F, 0x009F},    // DEL and C1, which terminals obey as well
    {0x00AD, 0x00AD},    // soft hyphen
    {0x034F, 0x034F},    // combining grapheme joiner
    {0x061C, 0x061C},    // Arabic letter mark, which turns
    {0x115F, 0x1160},    // Hangul fillers
    {0x17B4, 0x17B5},    // Khmer inherent vowels
    {0x180E, 0x180E},    // Mongolian vowel separator
    {0x200B, 0x200B},    // zero width space
    {0x200E, 0x200F},    // left-to-right and right-to-left mark
    {0x2028, 0x202E},    // line and paragraph separator; embeddings and overrides
    {0x2060, 0x206F},    // word joiner, invisible operators, isolates, deprecated shapes
    {0x3164, 0x3164},    // Hangul filler
    {0xFEFF, 0xFEFF},    // byte order mark
    {0xFFA0, 0xFFA0},    // halfwidth Hangul filler
    {0xFFF9, 0xFFFB},    // interlinear annotation
    {0x1BCA0, 0x1BCA3},  // shorthand format controls
    {0x1D173, 0x1D17A},  // musical format controls
    {0xE0000, 0xE007F},  // tags, which spell ASCII unseen
};

std::size_t length_by(unsigned char first) {
    if (first < 0xC0) return 1;
    return first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
}

char32_t code_of(std::string_view character) {
    const auto first = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return first;
    char32_t code = first & (0xFFU >> (character.size() + 1));
    for (const char c : character.substr(1))
        code = code << 6 | (static_cast<unsigned char>(c) & 0x3FU);
    return code;
}

void append_json_escape(std::string& out, char32_t code) {
    if (code < 0x10000) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(code));
        return;
    }
    append_json_escape(out, 0xD800 + ((code - 0x10000) >> 10));
    append_json_escape(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
}

}  // namespace

bool is_hidden_character(std::string_view character) {
    if (character.empty()) return false;
    const char32_t code = code_of(character);
    const Range* const range =
        std::lower_bound(std::begin(hidden), std::end(hidden), code,
                         [](const Range& each, char32_t wanted) { return each.last < wanted; });
    return range != std::end(hidden) && range->first <= code;
}

bool has_hidden_characters(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length =
            std::min(length_by(static_cast<unsigned char>(text[0])), text.size());
        const bool whole = static_cast<unsigned char>(text[0]) < 0x80 || length > 1;
        if (whole && is_hidden_character(text.substr(0, length))) return true;
        text.remove_prefix(length);
    }
    return false;
}

std::string json_without_hidden_characters(std::string_view json) {
    const auto may_be_hidden = [](char c) { return static_cast<unsigned char>(c) >= 0x7F; };
    std::string out;
    out.reserve(json.size());
    while (true) {
        const auto plain = std::find_if(json.begin(), json.end(), may_be_hidden);
        out.append(json.begin(), plain);
        json.remove_prefix(static_cast<std::size_t>(plain - json.begin()));
        if (json.empty()) return out;
        const std::size_t valid = utf8_length(json);
        const std::size_t length = std::max<std::size_t>(valid, 1);
        const std::string_view character = json.substr(0, length);
        if (valid > 0 && is_hidden_character(character)) {
            append_json_escape(out, code_of(character));
        } else {
            out += character;
        }
        json.remove_prefix(length);
    }
}

}  // namespace base
