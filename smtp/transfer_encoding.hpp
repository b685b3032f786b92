#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace smtp {

enum class Recoding : std::uint8_t {
    quoted_printable,          // RFC 2045 section 6.7, of text with CRLF lines
    base64,                    // RFC 2045 section 6.8
    rewrapped_base64,          // base64 that came in lines of any length
    repaired_quoted_printable  // 8-bit bytes written out, over-long lines broken softly
};

// Encodes content that comes in pieces, split anywhere, in lines of at most 76 characters. It
// keeps a few bytes of the last piece, whose encoding depends on what follows.
class ContentEncoder {
 public:
    explicit ContentEncoder(Recoding recoding) : recoding_(recoding) {}
    void write(std::string_view piece, std::string& out);  // appends
    // The last line of base64 gets its CRLF if `ends_line`.
    void finish(bool ends_line, std::string& out);

 private:
    [[nodiscard]] std::size_t encode(std::string_view text, bool last, std::string& out);
    [[nodiscard]] std::size_t encode_quoted(std::string_view text, bool last, std::string& out);
    [[nodiscard]] std::size_t repair_quoted(std::string_view text, bool last, std::string& out);
    void put(std::string_view piece, bool ends_line, std::string& out);
    void put_escaped(char c, bool ends_line, std::string& out);
    void end_line(std::string& out);
    void wrap(std::string_view base64, std::string& out);

    Recoding recoding_;
    std::string ahead_;
    std::size_t column_ = 0;
};

[[nodiscard]] std::string quoted_printable(std::string_view text);
[[nodiscard]] std::string base64_lines(std::string_view bytes);

}  // namespace smtp
