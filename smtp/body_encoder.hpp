#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace smtp {

enum class BodyFraming {
    dots,   // DATA: dot-stuffed (RFC 5321 section 4.5.2)
    lines,  // BDAT of text
    raw     // BDAT of BODY=BINARYMIME, where CR and LF are bytes like any other
};

// Writes content for the wire. Whatever it is given, no lone CR or LF leaves: each becomes CRLF,
// so that a server which takes one for a line end cannot be made to see an end of data or a
// command that is none (RFC 5321 section 2.3.8). Split anywhere.
//
// With dots a line of nothing but NULs and one dot behind the first gets another dot at its end; no
// other line with NULs is changed. Some servers drop NULs, others read a line up to its first:
// "NUL ." is an end of data to the former, and ". NUL .", as it were stuffed, to the latter.
class BodyEncoder {
 public:
    explicit BodyEncoder(BodyFraming framing) : framing_(framing) {}

    void write(std::string_view piece, std::string& out);
    // Ends a CR left over; for dots also the last line. The dot itself is the caller's.
    void finish(std::string& out);

 private:
    // What the line has so far that is being written.
    enum class NulLine : std::uint8_t { none, nuls, dot };  // anything; only NULs; and one dot

    void write_dots(std::string_view piece, std::string& out);
    [[nodiscard]] std::size_t find_nul_line(std::string_view piece) const;
    [[nodiscard]] std::size_t go_on_with_nul_line(std::string_view piece, std::string& out);
    void write_lines(std::string_view piece, std::string& out);

    BodyFraming framing_;
    NulLine nul_line_ = NulLine::none;
    bool line_start_ = true;
    bool held_cr_ = false;  // the piece before ended in a CR: what follows decides about it
};

}  // namespace smtp
