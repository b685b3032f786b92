#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace smtp {

// Turns the bytes that follow DATA or BDAT into content with CRLF lines. Split anywhere, the
// content is the same.
//
// The only place that decides what a newline is: CRLF, and nothing else. Only CRLF "." CRLF ends
// DATA (RFC 5321 section 4.1.1.4), and only a dot behind a CRLF is taken for dot-stuffing. A lone
// LF, a lone CR and CR CR LF become CRLF but begin no line in that sense: a "." between two of
// them stays content, which the next hop gets dot-stuffed.
//
// Up to the first empty line a lone CR becomes a blank instead: a program that keeps LF out of the
// text it puts into a field, and forgets CR, would else have a field of a stranger's choice.
class DataReader {
 public:
    enum class Framing : std::uint8_t { dots, counted };

    struct Step {
        std::size_t consumed = 0;
        std::string_view content;  // in the input or in this object: valid until the next call
        bool ended = false;        // CRLF "." CRLF was consumed
    };

    void start(Framing framing);
    // Consumes all of input, or up to the end of the content.
    [[nodiscard]] Step read(std::string_view input);
    // For counted content, when its last byte was read: what was held back.
    [[nodiscard]] std::string_view finish();
    // A lone CR or LF or CR CR LF has been repaired since start().
    [[nodiscard]] bool repaired() const { return repaired_; }
    // Content that was repaired ends, for now, with a line of one dot.
    [[nodiscard]] bool false_end() const;

 private:
    // What the bytes read last leave open; they are held back until the next byte decides.
    enum class State : std::uint8_t { line_start, in_line, cr, cr_cr, dot, dot_cr };
    // Where in the content the bytes emitted so far end.
    struct Place {
        bool header = true;      // its end, an empty line, has not come
        bool empty_line = true;  // the line has no byte yet
    };
    class Scanner;

    State step(char c, bool& ended);
    State behind_dot(char c);
    State newline(char c);
    State repair();
    void lone_cr();
    void end_line();
    void emit_text(std::string_view bytes);  // of a line
    void emit(std::string_view bytes);
    void note_tail(std::string_view content);

    Framing framing_ = Framing::dots;
    State state_ = State::line_start;
    Place place_;
    bool repaired_ = false;
    std::array<char, 5> tail_{};  // the last bytes of content
    std::string_view content_;
    std::string scratch_;  // content that is not one piece of the input
};

}  // namespace smtp
