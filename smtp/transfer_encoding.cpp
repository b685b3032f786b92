#include "smtp/transfer_encoding.hpp"

#include <algorithm>

#include "base/base64.hpp"

namespace smtp {
namespace {

constexpr std::size_t max_line = 76;  // RFC 2045 sections 6.7 and 6.8
constexpr std::string_view hex_digits = "0123456789ABCDEF";
constexpr std::string_view crlf = "\r\n";

bool is_line_end(std::string_view text, std::size_t at) {
    return text.substr(at).starts_with(crlf);
}

// Blanks at a line's end get lost on the way (RFC 2045 section 6.7 rule 3).
bool needs_escape(char c, bool ends_line) {
    if (c == ' ' || c == '\t') return ends_line;
    return c < '!' || c > '~' || c == '=';
}

std::string encode_whole(std::string_view text, Recoding recoding) {
    std::string out;
    out.reserve(text.size() + text.size() / 4 + 2);
    ContentEncoder encoder{recoding};
    encoder.write(text, out);
    encoder.finish(true, out);
    return out;
}

}  // namespace

void ContentEncoder::write(std::string_view piece, std::string& out) {
    if (ahead_.empty()) {
        ahead_ = piece.substr(encode(piece, false, out));
        return;
    }
    ahead_ += piece;
    ahead_.erase(0, encode(ahead_, false, out));
}

void ContentEncoder::finish(bool ends_line, std::string& out) {
    static_cast<void>(encode(ahead_, true, out));
    const bool base64 = recoding_ == Recoding::base64 || recoding_ == Recoding::rewrapped_base64;
    if (base64 && column_ > 0 && ends_line) end_line(out);
}

// Tells how much of text is done; the rest waits for more.
std::size_t ContentEncoder::encode(std::string_view text, bool last, std::string& out) {
    switch (recoding_) {
        case Recoding::quoted_printable:
            return encode_quoted(text, last, out);
        case Recoding::repaired_quoted_printable:
            return repair_quoted(text, last, out);
        case Recoding::base64: {
            const std::size_t whole = last ? text.size() : text.size() - text.size() % 3;
            wrap(base::base64_encode(text.substr(0, whole)), out);
            return whole;
        }
        case Recoding::rewrapped_base64:
            break;
    }
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t end = std::min(text.find_first_of("\r\n \t", i), text.size());
        wrap(text.substr(i, end - i), out);
        i = end + 1;
    }
    return text.size();
}

std::size_t ContentEncoder::encode_quoted(std::string_view text, bool last, std::string& out) {
    constexpr std::size_t looked_at = 3;  // a byte, and whether a line ends behind it
    std::size_t i = 0;
    for (; last ? i < text.size() : i + looked_at <= text.size(); ++i) {
        if (is_line_end(text, i)) {
            end_line(out);
            ++i;
            continue;
        }
        const bool ends_line = i + 1 == text.size() || is_line_end(text, i + 1);
        if (needs_escape(text[i], ends_line)) {
            put_escaped(text[i], ends_line, out);
        } else {
            put(text.substr(i, 1), ends_line, out);
        }
    }
    return i;
}

std::size_t ContentEncoder::repair_quoted(std::string_view text, bool last, std::string& out) {
    constexpr std::size_t looked_at = 5;  // "=XX", and whether a line ends behind it
    std::size_t i = 0;
    for (; last ? i < text.size() : i + looked_at <= text.size(); ++i) {
        if (is_line_end(text, i)) {
            end_line(out);
            ++i;
            continue;
        }
        const bool escape = text[i] == '=' && i + 2 < text.size() && !is_line_end(text, i + 1);
        const std::size_t length = escape ? 3 : 1;
        const bool ends_line = i + length >= text.size() || is_line_end(text, i + length);
        if (static_cast<unsigned char>(text[i]) >= 0x80 || text[i] == '\0') {
            put_escaped(text[i], ends_line, out);
        } else {
            put(text.substr(i, length), ends_line, out);
            i += length - 1;
        }
    }
    return i;
}

// A piece that must not be torn apart; lines are broken softly between such.
void ContentEncoder::put(std::string_view piece, bool ends_line, std::string& out) {
    // A line that goes on needs room for its "=".
    if (column_ + piece.size() > (ends_line ? max_line : max_line - 1)) {
        out += "=\r\n";
        column_ = 0;
    }
    out += piece;
    column_ += piece.size();
}

void ContentEncoder::put_escaped(char c, bool ends_line, std::string& out) {
    const auto byte = static_cast<unsigned char>(c);
    const char escaped[] = {'=', hex_digits[byte >> 4], hex_digits[byte & 15]};
    put({escaped, sizeof escaped}, ends_line, out);
}

void ContentEncoder::end_line(std::string& out) {
    out += crlf;
    column_ = 0;
}

void ContentEncoder::wrap(std::string_view base64, std::string& out) {
    while (!base64.empty()) {
        if (column_ == max_line) end_line(out);
        const std::size_t count = std::min(base64.size(), max_line - column_);
        out += base64.substr(0, count);
        column_ += count;
        base64.remove_prefix(count);
    }
}

std::string quoted_printable(std::string_view text) {
    return encode_whole(text, Recoding::quoted_printable);
}

std::string base64_lines(std::string_view bytes) { return encode_whole(bytes, Recoding::base64); }

}  // namespace smtp
