#include <fmt/format.h>

#include <utility>

#include "base/text.hpp"
#include "smtp/reply.hpp"

namespace smtp {
namespace {

// RFC 5321 section 4.5.3.1.5 asks for 512 bytes; real servers send longer ones.
constexpr std::size_t max_line = 2048;
constexpr std::size_t max_lines = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int code_of(std::string_view line) {
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

// "250-text", "250 text", or "250" alone, which RFC 5321 section 4.2 tells clients to accept.
bool is_reply_line(std::string_view line) {
    if (line.size() < 3 || line[0] < '2' || line[0] > '5') return false;
    if (!is_digit(line[1]) || !is_digit(line[2])) return false;
    return line.size() == 3 || line[3] == ' ' || line[3] == '-' || line[3] == '\t';
}

bool continues(std::string_view line) { return line.size() > 3 && line[3] == '-'; }

std::string_view text_of(std::string_view line) {
    return line.size() > 4 ? line.substr(4) : std::string_view{};
}

// One to three digits, as RFC 3463 section 2 writes subject and detail.
std::size_t short_number(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && end < at + 3 && is_digit(text[end])) ++end;
    return end - at;
}

// The length of an enhanced status code of this class at the beginning of text, or 0. A code of
// another class says something else than the reply and is left in the text (RFC 2034 section 4).
std::size_t enhanced_length(std::string_view text, char status_class) {
    if (text.size() < 5 || text[0] != status_class || text[1] != '.') return 0;
    const std::size_t subject = short_number(text, 2);
    if (subject == 0 || 2 + subject >= text.size() || text[2 + subject] != '.') return 0;
    const std::size_t detail = short_number(text, 3 + subject);
    const std::size_t length = 3 + subject + detail;
    if (detail == 0 || (length < text.size() && text[length] != ' ')) return 0;
    return length;
}

void append_line(Reply& reply, std::string_view text, bool first) {
    const char status_class = static_cast<char>('0' + reply.code / 100);
    if (const std::size_t length = enhanced_length(text, status_class); length > 0) {
        const std::string_view enhanced = text.substr(0, length);
        if (reply.enhanced.empty()) reply.enhanced = enhanced;
        if (reply.enhanced == enhanced) {
            text.remove_prefix(length);
            if (!text.empty()) text.remove_prefix(1);
        }
    }
    if (!first) reply.text += '\n';
    reply.text += text;
}

}  // namespace

void ReplyParser::receive(std::string_view bytes) {
    if (failed()) return;
    if (head_ == buffer_.size()) {
        buffer_.clear();
        head_ = 0;
    } else if (head_ > max_line) {
        buffer_.erase(0, head_);
        head_ = 0;
    }
    buffer_ += bytes;
}

std::optional<Reply> ReplyParser::next() {
    while (!failed()) {
        const std::string_view unread = std::string_view{buffer_}.substr(head_);
        const std::size_t end = unread.substr(0, max_line + 2).find('\n');
        if (end == std::string_view::npos) {
            if (unread.size() >= max_line + 2) {
                problem_ = fmt::format("a reply line is longer than {} bytes", max_line);
            }
            break;
        }
        std::string_view line = unread.substr(0, end);  // a lone LF ends a line for odd servers
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (std::optional<Reply> reply = take_line(line, end + 1)) return reply;
    }
    return std::nullopt;
}

// Uses up one line; a reply when it was the last one of it.
std::optional<Reply> ReplyParser::take_line(std::string_view line, std::size_t consumed) {
    if (line.size() > max_line) {
        problem_ = fmt::format("a reply line is longer than {} bytes", max_line);
    } else if (!is_reply_line(line)) {
        problem_ = fmt::format("not an SMTP reply: \"{}\"", base::printable(line, 80));
    } else if (lines_.size() >= max_lines) {
        problem_ = fmt::format("a reply has more than {} lines", max_lines);
    }
    if (failed()) return std::nullopt;
    if (continues(line)) {
        lines_.emplace_back(line);
        drop(consumed);
        return std::nullopt;
    }
    Reply reply;
    // RFC 5321 section 4.2.1 wants one code on all lines; where they differ, the last one counts.
    reply.code = code_of(line);
    bool first = true;
    for (const std::string& earlier : std::exchange(lines_, {})) {
        append_line(reply, text_of(earlier), std::exchange(first, false));
    }
    append_line(reply, text_of(line), first);
    drop(consumed);
    return reply;
}

void ReplyParser::drop(std::size_t count) {
    head_ += count;
    if (head_ < buffer_.size()) return;
    buffer_.clear();
    head_ = 0;
}

void ReplyParser::clear() {
    buffer_.clear();
    head_ = 0;
    lines_.clear();
    problem_.clear();
}

}  // namespace smtp
