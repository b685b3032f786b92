#include "smtp/word_decoder.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace smtp {
namespace {

constexpr std::size_t none = std::string_view::npos;

struct Word {
    std::string_view whole, charset, encoding, text;
};

// "=?charset?encoding?text?=" at the beginning of value.
std::optional<Word> word_at(std::string_view value) {
    if (!value.starts_with("=?")) return std::nullopt;
    const std::size_t charset_end = value.find('?', 2);
    if (charset_end == none) return std::nullopt;
    const std::size_t encoding_end = value.find('?', charset_end + 1);
    if (encoding_end == none) return std::nullopt;
    const std::size_t end = value.find("?=", encoding_end + 1);
    if (end == none) return std::nullopt;
    Word word;
    word.whole = value.substr(0, end + 2);
    word.charset = value.substr(2, charset_end - 2);
    word.charset = word.charset.substr(0, word.charset.find('*'));  // RFC 2231 section 5: language
    word.encoding = value.substr(charset_end + 1, encoding_end - charset_end - 1);
    word.text = value.substr(encoding_end + 1, end - encoding_end - 1);
    if (word.whole.find_first_of(" \t") != none) return std::nullopt;
    return word;
}

// RFC 2047 section 4.2.
std::optional<std::string> decode_q(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            bytes += text[i] == '_' ? ' ' : text[i];
            continue;
        }
        unsigned byte = 0;
        if (i + 2 >= text.size()) return std::nullopt;
        const char* digits = text.data() + i + 1;
        const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
        if (error != std::errc{} || end != digits + 2) return std::nullopt;
        bytes += static_cast<char>(byte);
        i += 2;
    }
    return bytes;
}

// Some leave the padding out.
std::optional<std::string> decode_b(std::string_view text) {
    std::string padded{text};
    while (padded.size() % 4 != 0) padded += '=';
    return base::base64_decode(padded);
}

void append_utf8(std::string& out, unsigned code) {
    const auto rest = [&](unsigned shift) {
        out += static_cast<char>(0x80U | ((code >> shift) & 0x3FU));
    };
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xC0U | (code >> 6U));
        rest(0);
    } else {
        out += static_cast<char>(0xE0U | (code >> 12U));
        rest(6);
        rest(0);
    }
}

// ISO-8859-1, whose controls of 0x80 to 0x9F nobody means: they are those of Windows-1252.
std::string from_western(std::string_view bytes) {
    constexpr std::array<unsigned, 32> windows{
        0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
        0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
        0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        append_utf8(text, byte >= 0x80 && byte < 0xA0 ? windows[byte - 0x80U] : byte);
    }
    return text;
}

std::optional<std::string> decode(const Word& word) {
    const std::string encoding = base::to_lower(word.encoding);
    std::optional<std::string> bytes;
    if (encoding == "q") bytes = decode_q(word.text);
    if (encoding == "b") bytes = decode_b(word.text);
    if (!bytes) return std::nullopt;
    const std::string charset = base::to_lower(word.charset);
    if (charset == "utf-8" || charset == "utf8" || charset == "us-ascii") return bytes;
    if (charset == "iso-8859-1" || charset == "windows-1252") return from_western(*bytes);
    return std::nullopt;
}

// Neighbours parted by blanks alone are one text (RFC 2047 section 6.2), and some encoders break
// it within a character.
struct Run {
    std::string_view whole;
    std::string text;
};

std::optional<Run> run_at(std::string_view value) {
    Run run;
    std::size_t end = 0;
    for (std::size_t next = 0; next < value.size();) {
        const std::optional<Word> word = word_at(value.substr(next));
        const std::optional<std::string> text = word ? decode(*word) : std::nullopt;
        if (!text) break;
        run.text += *text;
        end = next + word->whole.size();
        next = std::min(value.find_first_not_of(" \t", end), value.size());
    }
    if (end == 0) return std::nullopt;
    run.whole = value.substr(0, end);
    return run;
}

bool presentable(const std::string& text) {
    return base::is_valid_utf8(text) && base::printable(text, text.size() + 1) == text;
}

}  // namespace

std::string decode_words(std::string_view value) {
    std::string result;
    while (!value.empty()) {
        const std::size_t start = std::min(value.find("=?"), value.size());
        result += value.substr(0, start);
        value.remove_prefix(start);
        if (value.empty()) break;
        const std::optional<Run> run = run_at(value);
        const std::size_t taken = run ? run->whole.size() : 2;
        result +=
            run && presentable(run->text) ? std::string_view{run->text} : value.substr(0, taken);
        value.remove_prefix(taken);
    }
    return result;
}

}  // namespace smtp
