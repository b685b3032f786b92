#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smtp {

// RFC 5321 section 4.2 with RFC 3463's enhanced status code.
struct Reply {
    int code = 0;
    std::string enhanced;  // "2.1.0", "" when there is none
    std::string text;      // lines parted by '\n', without codes

    [[nodiscard]] bool positive() const { return code >= 200 && code < 400; }
    [[nodiscard]] bool transient() const { return code >= 400 && code < 500; }
    [[nodiscard]] bool permanent() const { return code >= 500 && code < 600; }
    [[nodiscard]] std::string one_line() const;   // "250 2.0.0 Ok", for logs and tables
    [[nodiscard]] std::string serialize() const;  // as on the wire, with CRLF and "250-" lines
    void append_to(std::string& wire) const;      // likewise, behind what is there
    friend bool operator==(const Reply&, const Reply&) = default;
};

// Whether a reply to RCPT says that the transaction takes no more of them (RFC 5321 section
// 4.5.3.1.10: 452, and 552 from older servers).
[[nodiscard]] bool too_many_recipients(const Reply& reply);

// Takes apart what a server sends, split anywhere. Lines longer than a limit, too
// many lines or a first character that is no digit end in failed().
class ReplyParser {
 public:
    void receive(std::string_view bytes);
    [[nodiscard]] std::optional<Reply> next();  // the next whole reply
    [[nodiscard]] bool failed() const { return !problem_.empty(); }
    [[nodiscard]] const std::string& problem() const { return problem_; }  // in words, for the log
    [[nodiscard]] bool buffered() const { return !buffer_.empty() || !lines_.empty(); }
    void clear();  // forget everything unread (RFC 3207 section 4.2)

 private:
    std::optional<Reply> take_line(std::string_view line, std::size_t consumed);
    void drop(std::size_t count);

    std::string buffer_;
    std::size_t head_ = 0;  // where the unread part of buffer_ begins
    std::vector<std::string> lines_;
    std::string problem_;
};

}  // namespace smtp
