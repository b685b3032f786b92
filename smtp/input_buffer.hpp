#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace smtp {

// What the peer sent and nobody has read yet, with its division into command lines. Views stay
// valid until the next append(), release() or clear().
class InputBuffer {
 public:
    enum class LineKind : std::uint8_t {
        incomplete,  // read more
        line,        // ended by CRLF
        bare_lf,     // ended by a lone LF
        too_long     // beyond the limit; it was dropped up to its CRLF
    };
    struct Line {
        LineKind kind = LineKind::incomplete;
        std::string_view text;  // without its end
    };

    void append(std::string_view bytes);
    [[nodiscard]] std::string_view view() const;  // all that is unread
    [[nodiscard]] bool empty() const { return start_ == bytes_.size(); }
    // Within a line that is too long: what comes next is no beginning of a command.
    [[nodiscard]] bool inside_line() const { return skipping_; }
    void consume(std::size_t count);
    [[nodiscard]] Line next_line(std::size_t limit);
    // A line handed out held a secret: its bytes, which are read, are overwritten.
    void wipe(std::string_view line);
    void clear();    // forgets what is unread
    void release();  // gives memory back while nothing is unread

 private:
    Line skip_line();

    std::string bytes_;
    std::size_t start_ = 0;    // what lies before is read
    std::size_t scanned_ = 0;  // no line feed from start_ up to here
    bool skipping_ = false;    // inside a line that is too long
};

}  // namespace smtp
