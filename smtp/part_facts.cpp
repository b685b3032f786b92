#include "smtp/part_facts.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "smtp/line_limit.hpp"

namespace smtp {
namespace {

// How many bytes at the end of text begin a character of UTF-8 that goes on behind it.
std::size_t begun_character(std::string_view text) {
    for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
        const auto byte = static_cast<unsigned char>(text[text.size() - back]);
        if ((byte & 0xC0) == 0x80) continue;
        const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        return length > back ? back : 0;
    }
    return 0;
}

}  // namespace

void PartSurvey::write(std::string_view piece, PartFacts& facts) {
    if (piece.find('\0') != std::string_view::npos) facts.nul = true;
    const bool ascii = base::is_ascii(piece);
    if (!ascii) facts.eight_bit = true;
    if (!ascii || !begun_.empty()) check_utf8(piece, facts);
    count_lines(piece, facts);
}

void PartSurvey::finish(PartFacts& facts) const {
    if (!begun_.empty()) facts.not_utf8 = true;
}

void PartSurvey::count_lines(std::string_view piece, PartFacts& facts) {
    while (!piece.empty()) {
        const std::size_t feed = piece.find('\n');
        std::string_view text = piece.substr(0, feed);
        piece.remove_prefix(std::min(feed, piece.size() - 1) + 1);
        if (text.ends_with('\r')) text.remove_suffix(1);
        line_ += text.size();
        if (line_ > longest_text_line) facts.long_line = true;
        if (feed != std::string_view::npos) line_ = 0;
    }
}

void PartSurvey::check_utf8(std::string_view piece, PartFacts& facts) {
    begun_ += piece;
    const std::size_t kept = begun_character(begun_);
    const std::size_t whole = begun_.size() - kept;
    if (!base::is_valid_utf8(std::string_view{begun_}.substr(0, whole))) facts.not_utf8 = true;
    begun_.erase(0, whole);
}

}  // namespace smtp
