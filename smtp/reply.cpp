#include "smtp/reply.hpp"

#include <charconv>

#include "base/text.hpp"

namespace smtp {
namespace {

constexpr std::size_t longest_line = 512;  // RFC 5321 section 4.5.3.1.5, with CRLF

bool is_control(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
}

// A reply may repeat what another server said; nothing in it may start a line of its own.
void append_without_controls(std::string& out, std::string_view text) {
    for (const char c : text) out += is_control(c) ? ' ' : c;
}

// At most limit bytes from the front of text, cut at a blank where there is one, never inside
// a UTF-8 sequence.
std::string_view take_piece(std::string_view& text, std::size_t limit) {
    std::size_t length = text.size();
    if (length > limit) {
        const std::size_t blank = text.rfind(' ', limit);
        length = blank != std::string_view::npos && blank > limit / 2 ? blank : limit;
        while (length > 1 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
    }
    const std::string_view piece = text.substr(0, length);
    text.remove_prefix(length);
    if (text.starts_with(' ')) text.remove_prefix(1);
    return piece;
}

class LineWriter {
 public:
    LineWriter(const Reply& reply, std::string& wire) : reply_(reply), wire_(wire) {
        const auto [end, error] = std::to_chars(code_, code_ + sizeof code_, reply.code);
        code_length_ = error == std::errc{} ? static_cast<std::size_t>(end - code_) : 0;
    }

    // RFC 2034 section 4: the enhanced code stands on every line.
    void write(std::string_view text, bool last) {
        wire_.append(code_, code_length_);
        wire_ += last ? ' ' : '-';
        if (!reply_.enhanced.empty()) {
            wire_ += reply_.enhanced;
            wire_ += ' ';
        }
        append_without_controls(wire_, text);
        wire_ += "\r\n";
    }

    [[nodiscard]] std::size_t room() const {
        return longest_line - sizeof "\r\n" - code_length_ - 1 - reply_.enhanced.size();
    }

 private:
    const Reply& reply_;
    std::string& wire_;
    char code_[12];
    std::size_t code_length_ = 0;
};

}  // namespace

std::string Reply::one_line() const {
    std::string line = std::to_string(code);
    if (!enhanced.empty()) line.append(" ").append(enhanced);
    if (text.empty()) return line;
    line += ' ';
    append_without_controls(line, text);
    return line;
}

void Reply::append_to(std::string& wire) const {
    LineWriter writer{*this, wire};
    std::string_view rest = text;
    while (true) {
        const std::size_t end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        const bool last_line = end == std::string_view::npos;
        do {
            const std::string_view piece = take_piece(line, writer.room());
            writer.write(piece, last_line && line.empty());
        } while (!line.empty());
        if (last_line) return;
        rest.remove_prefix(end + 1);
    }
}

std::string Reply::serialize() const {
    std::string wire;
    append_to(wire);
    return wire;
}

bool too_many_recipients(const Reply& reply) {
    if (reply.code != 452 && reply.code != 552) return false;
    if (reply.enhanced.ends_with(".5.3")) return true;
    const std::string text = base::to_lower(reply.text);
    if (text.find("too many recipients") != std::string::npos) return true;
    // Without a status the words may differ; with another one it is something else that is too
    // many, as messages in a mailbox are (5.2.2).
    return reply.enhanced.empty() && text.find("too many") != std::string::npos;
}

}  // namespace smtp
