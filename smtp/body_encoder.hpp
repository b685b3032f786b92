#pragma once

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
class BodyEncoder {
 public:
    explicit BodyEncoder(BodyFraming framing) : framing_(framing) {}

    void write(std::string_view piece, std::string& out);
    // Ends a CR left over; for dots also the last line. The dot itself is the caller's.
    void finish(std::string& out);

 private:
    BodyFraming framing_;
    bool line_start_ = true;
    bool held_cr_ = false;  // the piece before ended in a CR: what follows decides about it
};

}  // namespace smtp
