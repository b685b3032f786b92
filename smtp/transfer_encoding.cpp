#include "smtp/transfer_encoding.hpp"

#include "base/base64.hpp"

namespace smtp {
namespace {

constexpr std::size_t max_line = 76;  // RFC 2045 sections 6.7 and 6.8
constexpr std::string_view hex_digits = "0123456789ABCDEF";
constexpr std::string_view crlf = "\r\n";

// Takes pieces that must not be torn apart and breaks lines softly between them.
class SoftLines {
 public:
    explicit SoftLines(std::string& out) : out_(out) {}
    void put(std::string_view piece, bool ends_line) {
        // A line that goes on needs room for its "=".
        if (column_ + piece.size() > (ends_line ? max_line : max_line - 1)) {
            out_ += "=\r\n";
            column_ = 0;
        }
        out_ += piece;
        column_ += piece.size();
    }
    void end_line() {
        out_ += crlf;
        column_ = 0;
    }

 private:
    std::string& out_;
    std::size_t column_ = 0;
};

bool is_line_end(std::string_view text, std::size_t at) {
    return text.substr(at).starts_with(crlf);
}

void put_escaped(SoftLines& lines, char c, bool ends_line) {
    const auto byte = static_cast<unsigned char>(c);
    const char escaped[] = {'=', hex_digits[byte >> 4], hex_digits[byte & 15]};
    lines.put({escaped, sizeof escaped}, ends_line);
}

// Blanks at a line's end get lost on the way (RFC 2045 section 6.7 rule 3).
bool needs_escape(char c, bool ends_line) {
    if (c == ' ' || c == '\t') return ends_line;
    return c < '!' || c > '~' || c == '=';
}

}  // namespace

std::string quoted_printable(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 4);
    SoftLines lines{out};
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_line_end(text, i)) {
            lines.end_line();
            ++i;
            continue;
        }
        const bool ends_line = i + 1 == text.size() || is_line_end(text, i + 1);
        if (needs_escape(text[i], ends_line)) {
            put_escaped(lines, text[i], ends_line);
        } else {
            lines.put(text.substr(i, 1), ends_line);
        }
    }
    return out;
}

std::string base64_lines(std::string_view bytes) {
    return rewrap_base64(base::base64_encode(bytes));
}

std::string rewrap_base64(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 38 + 2);
    std::size_t column = 0;
    for (const char c : text) {
        if (c == '\r' || c == '\n' || c == ' ' || c == '\t') continue;
        if (column == max_line) {
            out += crlf;
            column = 0;
        }
        out += c;
        ++column;
    }
    if (column > 0) out += crlf;
    return out;
}

std::string repair_quoted_printable(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 4);
    SoftLines lines{out};
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_line_end(text, i)) {
            lines.end_line();
            ++i;
            continue;
        }
        const bool escape = text[i] == '=' && i + 2 < text.size() && !is_line_end(text, i + 1);
        const std::size_t length = escape ? 3 : 1;
        const bool ends_line = i + length >= text.size() || is_line_end(text, i + length);
        if (static_cast<unsigned char>(text[i]) >= 0x80 || text[i] == '\0') {
            put_escaped(lines, text[i], ends_line);
        } else {
            lines.put(text.substr(i, length), ends_line);
            i += length - 1;
        }
    }
    return out;
}

}  // namespace smtp
