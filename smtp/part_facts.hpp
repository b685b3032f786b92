#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace smtp {

// What decides how the content of a part is encoded.
struct PartFacts {
    bool nul : 1 = false;
    bool eight_bit : 1 = false;
    bool long_line : 1 = false;  // beyond longest_text_line
    bool not_utf8 : 1 = false;
    bool has_parts : 1 = false;  // a multipart whose boundary was found
};

// Finds them in content that comes in pieces, split anywhere.
class PartSurvey {
 public:
    void write(std::string_view piece, PartFacts& facts);
    void finish(PartFacts& facts) const;

 private:
    void count_lines(std::string_view piece, PartFacts& facts);
    void check_utf8(std::string_view piece, PartFacts& facts);

    std::size_t line_ = 0;
    std::string begun_;  // a character of UTF-8 whose end has not come
};

}  // namespace smtp
