#include "smtp/encoded_word.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "smtp/line_limit.hpp"
#include "smtp/mime_entity.hpp"

namespace smtp {
namespace {

// RFC 2047 section 2 allows 75, and 76 for a line: this leaves room for "Subject: " before it.
constexpr std::size_t max_word = 64;
constexpr std::size_t max_line = 78;
constexpr std::string_view hex_digits = "0123456789ABCDEF";

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// The length of the UTF-8 character at the beginning of text; of other bytes, one.
std::size_t character_length(std::string_view text) {
    std::size_t length = 1;
    if (static_cast<unsigned char>(text[0]) < 0xc0) return length;
    while (length < text.size() && length < 4 &&
           (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) {
        ++length;
    }
    return length;
}

// RFC 2047 section 5 (3) for phrases; the same set serves comments. Text may show more.
bool shown_plainly(char c, WordPlace place) {
    if (is_alphanumeric(c)) return true;
    constexpr std::string_view phrase = "!*+-/";
    if (place != WordPlace::text) return phrase.find(c) != std::string_view::npos;
    return c > ' ' && c < 0x7f && c != '=' && c != '?' && c != '_';
}

std::string q_encode(std::string_view text, WordPlace place) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == ' ') {
            out += '_';
        } else if (shown_plainly(c, place)) {
            out += c;
        } else {
            out += {'=', hex_digits[byte >> 4], hex_digits[byte & 15]};
        }
    }
    return out;
}

bool is_q_shorter(std::string_view text, WordPlace place) {
    return q_encode(text, place).size() <= (text.size() + 2) / 3 * 4;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view plain = "!#$&+-.^_`|~";  // attribute-char of RFC 2231 section 7
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (is_alphanumeric(c) || plain.find(c) != std::string_view::npos) {
            out += c;
        } else {
            out += {'%', hex_digits[byte >> 4], hex_digits[byte & 15]};
        }
    }
    return out;
}

std::string_view charset_of(std::string_view text) {
    return base::is_valid_utf8(text) ? "utf-8" : "unknown-8bit";
}

// The end of the quoted string, comment, angle or square bracket that begins at at.
std::size_t skip_enclosed(std::string_view text, std::size_t at) {
    const char open = text[at];
    const char close = open == '(' ? ')' : open == '<' ? '>' : open == '[' ? ']' : '"';
    std::size_t depth = 0;
    for (std::size_t i = at; i < text.size(); ++i) {
        if (text[i] == '\\' && open != '<') {
            ++i;
        } else if (text[i] == open && (depth == 0 || open == '(')) {
            ++depth;
        } else if (text[i] == close && --depth == 0) {
            return i + 1;
        }
    }
    return text.size();
}

bool opens(char c) { return c == '"' || c == '(' || c == '<' || c == '['; }

// What a quoted string or comment holds, without its delimiters and backslashes.
std::string enclosed_text(std::string_view token) {
    std::string out;
    for (std::size_t i = 1; i + 1 < token.size(); ++i) {
        if (token[i] == '\\' && i + 2 < token.size()) ++i;
        out += token[i];
    }
    return out;
}

// One mailbox or group name taken apart.
struct Mailbox {
    std::string display;     // unquoted words
    std::string_view angle;  // "<address>"
    std::string comments;    // encoded where needed, in their parentheses
};

Mailbox parse_mailbox(std::string_view text) {
    Mailbox mailbox;
    for (std::size_t i = 0; i < text.size();) {
        if (!opens(text[i])) {
            mailbox.display += text[i++];
            continue;
        }
        const std::size_t end = skip_enclosed(text, i);
        const std::string_view token = text.substr(i, end - i);
        if (text[i] == '<') {
            mailbox.angle = token;
        } else if (text[i] == '(') {
            const std::string inside = enclosed_text(token);
            mailbox.comments +=
                base::is_ascii(token)
                    ? fmt::format(" {}", token)
                    : fmt::format(" ({})", encode_words(inside, WordPlace::comment));
        } else if (text[i] == '"') {
            mailbox.display += enclosed_text(token);
        } else {
            mailbox.display += token;
        }
        i = end;
    }
    mailbox.display = base::trim(mailbox.display);
    return mailbox;
}

// A stretch between commas, colons and semicolons; is_group when a colon follows.
std::string encode_mailbox(std::string_view text, bool is_group) {
    if (base::is_ascii(text)) return std::string{text};
    const std::string_view lead = is_blank(text.front()) ? " " : "";
    const Mailbox mailbox = parse_mailbox(text);
    const bool bare = mailbox.angle.empty() && !is_group;  // "user@host (name)"
    const std::string_view address = bare ? std::string_view{mailbox.display} : mailbox.angle;
    if (!base::is_ascii(address)) {
        const std::string_view shown = base::trim(text);
        return fmt::format("{}{} :;", lead, encode_words(shown, WordPlace::phrase));
    }
    if (bare) return fmt::format("{}{}{}", lead, address, mailbox.comments);
    // Only the comment may be what is not ASCII; the words before it can need quotes all the same.
    std::string out{lead};
    if (!mailbox.display.empty()) out += encode_words(mailbox.display, WordPlace::phrase);
    if (!mailbox.angle.empty()) out += fmt::format(" {}", mailbox.angle);
    return out + mailbox.comments;
}

// RFC 2231 sections 3 and 4: "; name*0*=utf-8''%C3...; name*1*=..."
void append_extended(std::string& out, std::string_view name, std::string_view text) {
    const std::string prefix = fmt::format("{}''", charset_of(text));
    const std::string encoded = prefix + percent_encode(text);
    constexpr std::size_t piece = 50;
    if (name.size() + encoded.size() < 70) {
        out += fmt::format("; {}*={}", name, encoded);
        return;
    }
    std::size_t number = 0;
    for (std::size_t at = 0; at < encoded.size();) {
        std::size_t end = std::min(at + piece, encoded.size());
        // "%C3" stays whole.
        while (end < encoded.size() && (encoded[end - 1] == '%' || encoded[end - 2] == '%')) --end;
        out += fmt::format("; {}*{}*={}", name, number++, encoded.substr(at, end - at));
        at = end;
    }
}

}  // namespace

std::string encode_words(std::string_view text, WordPlace place) {
    const bool q = is_q_shorter(text, place);
    const std::string open = fmt::format("=?{}?{}?", charset_of(text), q ? 'Q' : 'B');
    const std::size_t room = max_word - open.size() - 2;
    const auto encode = [&](std::string_view part) {
        return q ? q_encode(part, place) : base::base64_encode(part);
    };
    std::string out;
    while (!text.empty()) {
        std::size_t taken = character_length(text), size = encode(text.substr(0, taken)).size();
        while (taken < text.size()) {
            const std::size_t next = taken + character_length(text.substr(taken));
            size = q ? size + q_encode(text.substr(taken, next - taken), place).size()
                     : (next + 2) / 3 * 4;
            if (size > room) break;
            taken = next;
        }
        if (!out.empty()) out += ' ';
        out += open + encode(text.substr(0, taken)) + "?=";
        text.remove_prefix(taken);
    }
    return out;
}

std::string encode_unstructured(std::string_view text) {
    std::string out;
    std::size_t run_begin = std::string_view::npos, run_end = 0;
    const auto end_run = [&] {
        if (run_begin == std::string_view::npos) return;
        out += encode_words(text.substr(run_begin, run_end - run_begin), WordPlace::text);
        run_begin = std::string_view::npos;
    };
    for (std::size_t at = 0; at < text.size();) {
        std::size_t word = at;
        while (word < text.size() && is_blank(text[word])) ++word;
        std::size_t end = word;
        while (end < text.size() && !is_blank(text[end])) ++end;
        if (base::is_ascii(text.substr(word, end - word))) {
            end_run();
            out += text.substr(at, end - at);
        } else if (run_begin != std::string_view::npos) {
            // Blanks between encoded words are not shown (RFC 2047 section 6.2), so they go inside.
            run_end = end;
        } else {
            out += text.substr(at, word - at);
            run_begin = word;
            run_end = end;
        }
        at = end;
    }
    end_run();
    return out;
}

std::string encode_addresses(std::string_view value) {
    std::string out;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= value.size();) {
        if (i < value.size() && opens(value[i])) {
            i = skip_enclosed(value, i);
            continue;
        }
        const char c = i < value.size() ? value[i] : ',';
        if (c == ',' || c == ':' || c == ';') {
            if (i > begin) out += encode_mailbox(value.substr(begin, i - begin), c == ':');
            if (i < value.size()) out += c;
            begin = i + 1;
        }
        ++i;
    }
    return out;
}

std::string encode_parameters(std::string_view value) {
    const ParameterizedValue split = split_parameters(value);
    std::string out{" "};
    for (const char c : split.value) out += static_cast<unsigned char>(c) < 0x80 ? c : '?';
    for (const auto& [name, text] : split.parameters) {
        if (!base::is_ascii(name)) continue;
        if (!base::is_ascii(text)) {
            append_extended(out, name, text);
            continue;
        }
        std::string quoted;
        for (const char c : text) {
            if (c == '"' || c == '\\') quoted += '\\';
            quoted += c;
        }
        out += fmt::format("; {}=\"{}\"", name, quoted);
    }
    return out;
}

std::string fold_field(std::string_view name, std::string_view value) {
    std::string out = fmt::format("{}:", name);
    std::size_t column = out.size();
    for (std::size_t at = 0; at < value.size();) {
        std::size_t end = at;
        while (end < value.size() && is_blank(value[end])) ++end;
        const bool only_blanks = end == value.size();
        while (end < value.size() && !is_blank(value[end])) ++end;
        const std::string_view word = value.substr(at, end - at);
        const bool fits = column + word.size() <= longest_text_line;
        // A line of blanks alone would end the header for some readers.
        const bool first = at == 0 && !word.starts_with(" =?") && fits;
        if (!first && !only_blanks && is_blank(word.front()) && column + word.size() > max_line) {
            out += "\r\n";
            column = 0;
        }
        out += word;
        column += word.size();
        at = end;
    }
    return out += "\r\n";
}

}  // namespace smtp
